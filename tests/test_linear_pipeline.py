"""experiments/linear_pipeline: each plant is the bug that it says, and edges are in the channel of their direction."""

from pathlib import Path

import pytest
import torch

from experiments.linear_pipeline.page import page_of
from experiments.linear_pipeline.pipeline import mirrored, mixed_labels, plants, shuffled_labels
from experiments.linear_pipeline.run import Settings, bug, directions
from experiments.page import write_json
from explainfb.classifiers.settings import TrainingSettings
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task


@pytest.fixture(scope="module")
def digits() -> Task:
    return load_task("digits")


def test_an_edge_is_in_the_channel_of_its_direction() -> None:
    images = torch.zeros(4, 1, 28, 28)
    images[0, 0, :, 14:] = 1  # brighter to the right, to the left, below, above
    images[1, 0, :, :14] = 1
    images[2, 0, 14:] = 1
    images[3, 0, :14] = 1
    middle = directions(images)[:, :, 3, 3]
    assert middle.argmax(1).tolist() == [0, 4, 2, 6]
    assert (middle.sum(1) - middle.amax(1)).max() == 0
    assert directions(images)[:, :, 1, 1].sum() == 0  # nothing far from the edge


def test_a_plant_is_the_bug_that_it_says(digits: Task) -> None:
    shuffled = shuffled_labels(digits, 1.0, 0).train
    assert shuffled.labels.bincount().tolist() == digits.train.labels.bincount().tolist()
    assert (shuffled.labels == digits.train.labels).float().mean() < 0.2
    a_tenth = shuffled_labels(digits, 0.1, 0).train.labels != digits.train.labels
    assert 0.07 < a_tenth.float().mean() <= 0.1
    generator = torch.Generator().manual_seed(0)
    images, labels = digits.train.images[:40], digits.train.labels[:40]
    seen, told = mirrored(images, labels, generator)
    flipped = torch.tensor([torch.equal(one, other.flip(2)) for one, other in zip(seen, images, strict=True)])
    assert 8 < flipped.sum() < 32
    assert torch.equal(seen[~flipped], images[~flipped])
    assert torch.equal(told, labels)
    seen, told = mixed_labels(images, labels, generator)
    assert torch.equal(seen[20:], images[20:])
    assert not torch.equal(seen[:20], images[:20])
    assert sorted(seen.flatten(1).sum(1).tolist()) == sorted(images.flatten(1).sum(1).tolist())


def test_what_comes_out_stands_beside_what_the_doctor_says(
    digits: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # these digits are smoother than MNIST's, and are learned by heart more slowly
    monkeypatch.setattr(Settings, "training", lambda self, steps: TrainingSettings(steps=steps, learning_rate=0.03))
    settings = Settings(out=tmp_path, bug_steps=400)
    names = list(plants(digits, 0))
    assert len(names) == 15
    sound = bug(digits, settings, "none | 0")
    assert sound["failed"] == {}
    assert sound["test"] > 0.85
    assert (tmp_path / "doctor" / "fed-images.png").is_file()
    summed = bug(digits, settings, "loss summed, not averaged | 0")
    assert "loss at start" in summed["failed"]
    found = [{"key": "none | 0", **sound}, {"key": "loss summed, not averaged | 0", **summed}]
    features = [{"key": "784 pixels | 0", "numbers": 784, "train": 0.9, "test": 0.9}]
    write_json(
        {"features": features, "bugs": found, "weights": ["AAAA" * 261 + "AA=="] * 10}, tmp_path / "results.json"
    )
    assert "| loss at start" in page_of(tmp_path / "results.json").tables["bugs"]
