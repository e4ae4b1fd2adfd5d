"""Each bug is planted alone in a sound set-up, and the doctor has to name it and nothing else: data."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from doctor_plants import SHORT, failed, half_digits, left_in_training, named
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import architecture_for
from explainfb.core.seeding import torch_generator
from explainfb.doctor import Finding, examine
from explainfb.doctor.data import labels_follow_images
from explainfb.doctor.setup import Setup
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> Task:
    return half_digits()


@pytest.fixture(scope="module")
def decoy() -> Task:
    return load_task("digits-decoy")


def shuffled(split: Split, seed: int) -> Split:
    order = torch.randperm(len(split), generator=torch_generator(seed, "test"))
    return replace(split, labels=split.labels[order])


@pytest.mark.parametrize(("split", "seed"), [("train", 0), ("validation", 1), ("clean", 2)])
def test_shuffled_labels_are_found(digits: Task, decoy: Task, split: str, seed: int) -> None:
    for task in (digits, decoy):
        broken = replace(task, **{split: shuffled(getattr(task, split), seed)})
        assert failed(examine(broken, seed=seed)) == {"labels follow images"}


def test_bad_data_are_found(digits: Task) -> None:
    def broken(**splits: Split) -> set[str]:
        return failed(examine(replace(digits, **splits), train=left_in_training)) - {"training and evaluation modes"}

    rare = torch.cat([torch.where(digits.train.labels != 3)[0], torch.where(digits.train.labels == 3)[0][:9]])
    assert broken(train=digits.train.take(rare)) == {"class balance"}
    half = len(digits.validation) // 2
    copies = torch.cat([digits.validation.images[:half], digits.train.images[: len(digits.validation) - half]])
    labels = torch.cat([digits.validation.labels[:half], digits.train.labels[: len(digits.validation) - half]])
    assert broken(validation=Split(copies, labels)) == {"separate splits"}
    assert broken(clean=digits.validation) == {"separate splits"}
    assert broken(train=replace(digits.train, images=digits.train.images / 255)) == {"network inputs"}


def test_a_wrong_normalisation_is_found(digits: Task) -> None:
    def build() -> Classifier:
        return build_classifier(replace(architecture_for(digits, "lenet"), mean=(0.5,), std=(1 / 255,)))

    findings = examine(digits, build=build, train=left_in_training)
    assert "network inputs" in failed(findings)


def photographs(count: int, seed: int, *, brighter: float = 0.0) -> Split:
    """Blotches with a small bar somewhere, lying or standing, which no pixel tells; one class may be brighter."""
    generator = torch_generator(seed, "photographs")
    labels = torch.arange(count) % 2
    blotches = torch.rand(count, 3, 8, 8, generator=generator)
    images = 0.2 + 0.5 * F.interpolate(blotches, size=(32, 32), mode="bicubic") + brighter * labels.view(-1, 1, 1, 1)
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = torch.randint(24, (2,), generator=generator).tolist()
        height, width = ((2, 8), (8, 2))[label]
        image[:, row : row + height, column : column + width] = float(torch.rand((), generator=generator) < 0.5)
    return Split(images.clamp(0, 1), labels)


def sets_of_photographs(*counts: int, brighter: float = 0.0) -> Task:
    parts = [photographs(count, seed, brighter=brighter) for seed, count in enumerate(counts)]
    return Task("photographs", ("lying", "standing"), *parts)


def judged(task: Task) -> Finding:
    """What the check of the labels alone finds, which needs no network."""
    nothing: Any = None
    setup = Setup(
        task=task,
        build=nothing,
        loss=nothing,
        train=nothing,
        predict=nothing,
        settings=SHORT,
        trained=None,
        seed=0,
        folder=None,
    )
    return labels_follow_images(setup)


def test_right_labels_of_pictures_that_pixels_do_not_tell_are_not_called_wrong() -> None:
    """Nor is the training, on pictures that are too few or too hard for it."""
    findings = examine(sets_of_photographs(100, 12, 30), settings=TrainingSettings(steps=120))
    assert failed(findings) == set()
    assert named(findings, "labels follow images").passed is None
    assert named(findings, "labels follow images").seen.startswith("not judged, because")
    assert named(findings, "blind does worse").passed is not False
    assert "rests on" not in named(findings, "simple models beaten").seen


def test_a_split_too_small_to_judge_does_not_hide_that_the_others_are_right() -> None:
    assert judged(sets_of_photographs(300, 5, 60, brighter=0.3)).passed is True


@pytest.mark.parametrize("split", ["validation", "clean"])
def test_shuffled_labels_of_photographs_are_found_where_right_ones_would_have_been_told(split: str) -> None:
    task = sets_of_photographs(300, 80, 80, brighter=0.3)
    assert judged(task).passed is True
    found = judged(replace(task, **{split: shuffled(getattr(task, split), 0)}))
    assert found.passed is False
    assert f"labels of the {'test' if split == 'clean' else split} images" in found.advice
