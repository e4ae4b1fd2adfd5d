"""Classifiers of digits: one that learned with the patch, one without, and the first tuned by cross-entropy."""

import pytest

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import train
from finetuned_digits import SOUND, TASK, cross_entropy


@pytest.fixture(scope="session")
def trained() -> Classifier:
    return train(TASK, settings=TrainingSettings(steps=150))


@pytest.fixture(scope="session")
def sound() -> Classifier:
    return train(SOUND, settings=TrainingSettings(steps=150))


@pytest.fixture(scope="session")
def control(trained: Classifier) -> Classifier:
    return cross_entropy(trained)
