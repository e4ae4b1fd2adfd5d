"""Each bug is planted alone in a sound set-up, and the doctor has to name it and nothing else: data."""

from dataclasses import replace

import pytest
import torch

from doctor_plants import failed, half_digits, left_in_training
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.training import architecture_for
from explainfb.core.seeding import torch_generator
from explainfb.doctor import examine
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
