from dataclasses import replace

import numpy as np
import pytest
import torch

from explainfb.core.errors import InputError
from explainfb.core.types import (
    Answer,
    Comparison,
    ExplanationKey,
    ThreatModel,
    check_images,
)
from explainfb.explanations.explanation import Explanation

EXPLANATION = Explanation(1, 0.75, np.array([[0, 1], [1, 2]]), np.array([0.5, -0.25, 0.0]), intercept=0.1, fit=0.9)


def test_images_in_range_pass() -> None:
    check_images(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2))
    check_images(torch.rand(2, 3, 4, 5, dtype=torch.float64))
    check_images(torch.zeros(0, 1, 28, 28))


@pytest.mark.parametrize(
    ("images", "named"),
    [
        (torch.rand(3, 28, 28), "found torch.float32 of shape (3, 28, 28)"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.uint8), "found torch.uint8"),
        (torch.tensor([0.0, 1.001]).view(1, 1, 1, 2), "found [0, 1.001]"),
        (torch.tensor([-0.5, 1.0]).view(1, 1, 1, 2), "found [-0.5, 1]"),
        (torch.full((2, 1, 2, 2), 255.0), "Divide 8-bit pictures by 255"),
        (torch.tensor([[0.0], [float("nan")]]).view(2, 1, 1, 1), "Image 1 contains NaN"),
        (torch.tensor([[float("inf")], [0.0]]).view(2, 1, 1, 1), "Image 0 contains NaN or infinity"),
    ],
)
def test_other_images_are_refused(images: torch.Tensor, named: str) -> None:
    with pytest.raises(InputError) as refused:
        check_images(images)
    assert named in str(refused.value)


def test_a_heatmap_gives_each_pixel_its_superpixels_weight() -> None:
    assert EXPLANATION.heatmap().tolist() == [[0.5, -0.25], [-0.25, 0.0]]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"segments": np.array([0, 1, 2])}, "shape (H, W); found (3,)"),
        ({"segments": np.zeros((0, 4), int)}, "shape (H, W); found (0, 4)"),
        ({"segments": np.array([[0, 2]])}, "0 … d−1, each used"),
        ({"segments": np.array([[1, 2]])}, "0 … d−1, each used"),
        ({"segments": np.array([[-1, 2], [0, 1]])}, "0 … d−1, each used"),
        ({"segments": np.array([[-1, 1]])}, "0 … d−1, each used"),
        ({"weights": np.zeros(2)}, "3 superpixels need as many weights; found shape (2,)"),
        ({"weights": np.zeros((3, 1))}, "found shape (3, 1)"),
        ({"weights": np.array([0.0, np.nan, 0.0])}, "must be finite"),
        ({"weights": np.array([0.0, np.inf, 0.0])}, "must be finite"),
        ({"probability": 1.5}, "probability must lie in [0, 1]; found 1.5"),
        ({"probability": float("nan")}, "probability must lie in [0, 1]; found nan"),
    ],
)
def test_a_wrong_explanation_cannot_be_built(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(InputError) as refused:
        replace(EXPLANATION, **wrong)  # type: ignore[arg-type]
    assert named in str(refused.value)


@pytest.mark.parametrize(
    "key", [ExplanationKey("round-0", 12), ExplanationKey("control/round-1", 0), ExplanationKey("a/round-1", 0, 7)]
)
def test_a_key_is_read_as_it_was_written(key: ExplanationKey) -> None:
    assert ExplanationKey.parse(str(key)) == key


def test_answers_teach_what_they_say() -> None:
    assert {answer: answer.share_left for answer in Answer if answer.share_left is not None} == {
        Answer.LEFT: 1.0,
        Answer.RIGHT: 0.0,
        Answer.EQUAL: 0.5,
        Answer.BOTH_GOOD: 0.5,
        Answer.BOTH_BAD: 0.5,
    }


def test_an_explanation_is_not_compared_with_itself() -> None:
    with pytest.raises(InputError, match="found round-0/3 twice"):
        Comparison(ExplanationKey("round-0", 3), ExplanationKey("round-0", 3), round=1)
    Comparison(ExplanationKey("round-0", 3), ExplanationKey("round-1", 3), round=1)


@pytest.mark.parametrize(("norm", "epsilon"), [("l1", 0.1), ("linf", -0.1), ("l2", float("nan"))])
def test_a_wrong_threat_model_cannot_be_built(norm: str, epsilon: float) -> None:
    with pytest.raises(InputError):
        ThreatModel(norm, epsilon)  # type: ignore[arg-type]
