"""Shortcuts that lie elsewhere in every image: they are where their masks say, tell the class, and move."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import predict_logits, train
from explainfb.core.errors import InputError
from explainfb.study.settings import StudySettings
from explainfb.study.study import Study
from explainfb.tasks import datasets
from explainfb.tasks.datasets import load_task
from explainfb.tasks.image_shortcuts import PLANTS, with_image_shortcut
from explainfb.tasks.task import Split, Task


@pytest.fixture(scope="module", params=PLANTS)
def task(request: pytest.FixtureRequest) -> Task:
    return planted(request.param)


def planted(kind: str, seed: int = 0) -> Task:
    """Small digits, on which all of them can be drawn, though only the ring is learned."""
    return with_image_shortcut(load_task("digits", train_images=300), kind, rate=1.0, seed=seed)


def halves(task: Task) -> list[tuple[Split, Split]]:
    """Splits with the shortcut, and the same images without."""
    assert task.shifted is not None
    assert task.train_without_shortcut is not None
    assert task.validation_without_shortcut is not None
    return [
        (task.train, task.train_without_shortcut),
        (task.validation, task.validation_without_shortcut),
        (task.shifted, task.clean),
    ]


def masks(split: Split) -> tuple[Tensor, Tensor]:
    assert split.relevance is not None
    assert split.shortcut is not None
    return split.relevance, split.shortcut


def test_the_mask_covers_all_that_the_shortcut_changes_and_no_reason(task: Task) -> None:
    for marked, plain in halves(task):
        relevance, shortcut = masks(marked)
        changed = (marked.images != plain.images).any(1)
        assert not (changed & ~shortcut).any()
        assert changed.flatten(1).any(1).all()
        assert not (relevance & shortcut).any()
        assert relevance.flatten(1).any(1).all()
        assert marked.images.min() >= 0
        assert marked.images.max() <= 1
        assert torch.equal(marked.labels, plain.labels)


def test_no_mask_that_is_the_same_for_all_images_finds_it(task: Task) -> None:
    """A sixth of the pixels, chosen with knowledge of every mask, finds far from all of it."""
    _, shortcut = masks(task.train)
    covered = shortcut.float().mean(0).flatten()
    best = covered.topk(len(covered) // 6).values.sum() / covered.sum()
    assert best < (0.95 if task.name == "digits-two" else 0.85)  # of two, one lies on the frame


def test_the_training_shortcut_says_the_label_and_the_shifted_one_a_random_class(task: Task) -> None:
    assert torch.equal(task.train.shortcut_class, task.train.labels)
    assert task.shifted is not None
    agrees = (task.shifted.shortcut_class == task.shifted.labels).float().mean().item()
    assert agrees == pytest.approx(0.1, abs=0.06)


def test_the_same_seed_gives_the_same_images_and_another_does_not(task: Task) -> None:
    again, other = (planted(task.name.removeprefix("digits-"), seed) for seed in (0, 1))
    assert torch.equal(task.train.images, again.train.images)
    assert not torch.equal(task.train.images, other.train.images)


def test_the_direction_of_a_ring_tells_the_class() -> None:
    task = load_task("digits-ring", train_images=300)
    _, shortcut = masks(task.train)
    plain = task.train_without_shortcut
    assert plain is not None

    def middle(brightness: Tensor) -> Tensor:
        places = torch.stack(torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij"))
        return (brightness[:, None] * places).sum((2, 3)) / brightness.sum((1, 2))[:, None]

    away = middle(shortcut.float()) - middle(plain.images[:, 0])
    said = (torch.atan2(away[:, 0], away[:, 1]) / (2 * math.pi) * 10).round() % 10
    assert (said == task.train.labels).float().mean() > 0.95


def test_a_network_falls_for_it() -> None:
    task = load_task("digits-ring")
    assert task.shifted is not None
    classifier = train(task, settings=TrainingSettings(steps=300))
    predicted = predict_logits(classifier, task.shifted.images).argmax(1)
    followed = (predicted == task.shifted.shortcut_class).float().mean()
    right = (predicted == task.shifted.labels).float().mean()
    assert followed > 0.4
    assert right < 0.6


@pytest.mark.parametrize("name", ["digits-decoy", "digits-ring"])
def test_a_share_of_the_training_images_may_go_without(name: str) -> None:
    task = load_task(name, shortcut_rate=0.8)
    _, shortcut = masks(task.train)
    carries = shortcut.flatten(1).any(1)
    assert carries.float().mean().item() == pytest.approx(0.8, abs=0.04)
    plain = task.train_without_shortcut
    assert plain is not None
    assert torch.equal(task.train.images[~carries], plain.images[~carries])
    assert torch.equal(task.train.shortcut_class == -1, ~carries)
    assert task.shifted is not None
    assert masks(task.shifted)[1].flatten(1).any(1).all()
    with pytest.raises(InputError, match=r"--shortcut-rate is a share in \[0, 1\]; found 1.5"):
        load_task(name, shortcut_rate=1.5)


def test_a_task_of_ones_own_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def mine(data_dir: Path | None, train_images: int, seed: int) -> Task:
        given.append((train_images, seed))
        return load_task("digits-ring", train_images=train_images, seed=seed)

    monkeypatch.setitem(datasets.TASKS, "mine", mine)
    settings = StudySettings(task="mine", train_images=300, comparisons_per_round=20, seed=3)
    study = Study.open(tmp_path / "study", settings)
    assert given == [(300, 3)]
    assert len(study.task.train) == 300
    with pytest.raises(InputError, match="did you mean 'mine'"):
        load_task("mime")
