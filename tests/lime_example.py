"""A small classifier and images for the tests of LIME, and how two explanations are compared."""

import numpy as np
import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.seeding import torch_generator
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.settings import LimeSettings


def random(*shape: int, name: object = "images") -> Tensor:
    return torch.rand(*shape, generator=torch_generator(0, "test lime", name))


def small_classifier(shape: tuple[int, int, int], classes: int = 3, seed: int = 0) -> Classifier:
    """An untrained network whose answers depend strongly on its input."""
    classifier = build_classifier(Architecture("mlp", classes, *shape, (0.5,) * shape[0], (0.1,) * shape[0]), seed)
    with torch.no_grad():
        classifier.network[-1].weight.mul_(3)
    return classifier


def same(one: Explanation, other: Explanation) -> bool:
    """To the last bit."""
    return (
        (one.target, one.probability, one.intercept, one.fit)
        == (other.target, other.probability, other.intercept, other.fit)
        and np.array_equal(one.weights, other.weights)
        and np.array_equal(one.segments, other.segments)
    )


class Recorder:
    """How many images reached a classifier in each of its calls."""

    def __init__(self, classifier: Classifier) -> None:
        self.sizes: list[int] = []
        classifier.register_forward_pre_hook(lambda _, inputs: self.sizes.append(len(inputs[0])))


CLASSIFIER = small_classifier((1, 12, 10))
IMAGES = random(5, 1, 12, 10)
BACKGROUND = random(20, 1, 12, 10, name="background")
QUICK = LimeSettings(n_samples=60, n_segments=9)
