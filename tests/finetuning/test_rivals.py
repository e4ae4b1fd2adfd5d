"""The rivals that ask nobody: cutout covers what it says, and one map for all images is one map for all images."""

import numpy as np
import pytest
import torch

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import validate
from explainfb.core.seeding import torch_generator
from explainfb.finetuning.baselines import ConstantMap, cross_entropy, known_relevance
from explainfb.finetuning.batches import Batch, Cutout
from explainfb.study.arms.methods import _with_more_steps
from finetuned_digits import LIME, QUICK, TASK

TRAIN = TASK.train


def shifted_accuracy(classifier: Classifier) -> float:
    assert TASK.shifted is not None
    return validate(classifier, TASK.shifted)[1]


@pytest.mark.parametrize("size", [0.25, 0.5, 1.0])
def test_cutout_blackens_one_square_around_a_place_drawn_evenly(sound: Classifier, size: float) -> None:
    white = Batch(torch.ones(2000, 1, 28, 28), torch.zeros(2000, dtype=torch.int64), torch.arange(2000))
    black = Cutout(size, torch_generator(0, "test"))(sound, white).images[:, 0] == 0
    rows, columns = black.any(2), black.any(1)
    assert torch.equal(black, rows[:, :, None] & columns[:, None])  # a rectangle, wherever it is cut off
    side = round(28 * size)
    for covered in (rows, columns):
        assert covered.sum(1).max() == side
        assert all(np.ptp(np.flatnonzero(line)) + 1 == line.sum() for line in covered.numpy())  # in one piece
    # every pixel is the middle equally often, so those in the middle are covered size² of the time
    if size < 1:
        assert black[:, 13:15, 13:15].float().mean().item() == pytest.approx(size**2, abs=0.03)


def test_one_map_for_all_is_the_mean_of_their_masks() -> None:
    masks = torch.tensor([[[1, 0], [0, 0]], [[1, 1], [0, 0]]], dtype=torch.bool)
    said = ConstantMap(masks)(torch.rand(3, 1, 2, 2), torch.tensor([1, 1, 0]))
    assert said.tolist() == [[[1.0, 0.5], [0.0, 0.0]]] * 3


def test_one_sentence_repairs_what_one_sentence_describes(trained: Classifier, control: Classifier) -> None:
    assert TRAIN.relevance is not None
    said = ConstantMap(TRAIN.relevance)
    repaired = known_relevance(trained, TRAIN, relevance_map=said, lime=LIME, settings=QUICK, seed=0).classifier
    assert shifted_accuracy(repaired) > shifted_accuracy(control) + 0.2


def test_more_steps_are_told_as_a_round_of_the_usual_length(trained: Classifier) -> None:
    told: list[int] = []
    _with_more_steps(cross_entropy, 4)(
        trained, TRAIN, settings=QUICK, seed=0, on_step=lambda point: told.append(point.step)
    )
    assert told == [4 * (step + 1) for step in range(QUICK.steps)]
