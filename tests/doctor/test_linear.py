"""The linear model that a network has to beat."""

import pytest
import torch

from explainfb.doctor.linear import fit_linear
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def decoy() -> Task:
    return load_task("digits-decoy")


def test_the_linear_model_shows_the_shortcut(decoy: Task) -> None:
    model = fit_linear(decoy.train, 10)
    assert decoy.train.shortcut is not None
    for label in range(10):
        patch = decoy.train.shortcut[decoy.train.labels == label][0].numpy()
        assert patch.flat[model.weights[label, 0].argmax()]
