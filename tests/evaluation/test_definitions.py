"""Every measure against its definition in plain Python, where outputs are saturated, tied or missing."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from explainfb.core.types import Interval, RobustAccuracy, ThreatModel
from explainfb.evaluation.arm_contrasts import contrast_arms
from explainfb.evaluation.evaluator import Evaluation
from explainfb.evaluation.summary import difference, summarise
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass
from explainfb.results.measures import CLEAN, ECE, SHIFTED
from explainfb.results.records import ArmDescription
from explainfb.robustness.curves import RobustCurve
from explainfb.statistics.calibration import calibration_difference, calibration_error, reliability
from explainfb.statistics.intervals import accuracy_interval

ARM = ArmDescription("before", "before", "", "before")
LOGIT = st.sampled_from([-1e4, -40.0, -1.0, 0.0, 0.0, 0.5, 2.9444, 17.0, 40.0, 1e4])
"""Among them such whose softmax is 1 in float32, in float64, and such as tie."""


def expected_calibration_error(rows: Sequence[Sequence[float]], labels: Sequence[int], bins: int = 15) -> float:
    """Guo et al. 2017, equations 2 to 5: Σ_b |B_b| / n · |acc(B_b) − conf(B_b)|; the last bin holds 1."""
    members: dict[int, list[tuple[float, bool]]] = {}
    for row, label in zip(rows, labels, strict=True):
        confidence = max(row)
        members.setdefault(min(int(confidence * bins), bins - 1), []).append(
            (confidence, row.index(confidence) == label)
        )
    error = 0.0
    for found in members.values():
        accuracy, confidence = sum(right for _, right in found) / len(found), sum(c for c, _ in found) / len(found)
        error += len(found) / len(labels) * abs(accuracy - confidence)
    return error


@given(st.lists(st.tuples(LOGIT, LOGIT, LOGIT, st.integers(0, 2)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_calibration_error_is_its_definition(drawn: list[tuple[float, float, float, int]]) -> None:
    logits, labels = torch.tensor([row[:3] for row in drawn], dtype=torch.float64), torch.tensor([r[3] for r in drawn])
    for probabilities in (logits.softmax(1), logits.float().softmax(1)):
        expected = expected_calibration_error(probabilities.tolist(), labels.tolist())
        found = calibration_error(probabilities, labels, seed=0, resamples=2)
        assert found.estimate == pytest.approx(expected, abs=1e-9)
        bins = reliability(probabilities, labels)
        gaps = np.nan_to_num(bins.accuracy - bins.confidence) * bins.count
        assert np.abs(gaps).sum() / len(labels) == pytest.approx(expected, abs=1e-9)


def test_sure_and_nearly_sure_predictions_share_the_last_bin() -> None:
    """50 predictions at .95, all right, and 50 that float32 calls 1, three of them wrong: |50 · .05 − 3| / 100."""
    logits = torch.tensor([[0.0, 2.9444]] * 50 + [[0.0, 40.0]] * 50)
    labels = torch.ones(100, dtype=torch.int64)
    labels[50:53] = 0
    sure, coin = logits.double().softmax(1), torch.full((100, 2), 0.5, dtype=torch.float64)
    error, other = (calibration_error(each, labels, seed=0).estimate for each in (sure, coin))
    assert error == pytest.approx(0.005, abs=1e-5)
    assert calibration_difference(sure, coin, labels, seed=0).estimate == pytest.approx(error - other, abs=1e-12)


def evaluation(logits: Tensor, labels: Tensor, survived: Sequence[bool] = (True, False)) -> Evaluation:
    robust = RobustAccuracy(ThreatModel("linf", 0.1), Interval(0.5, 0.1, 0.9), len(survived), survived=tuple(survived))
    return Evaluation(logits, logits.flip(0), labels, None, (robust,))


def test_accuracy_is_the_share_of_right_decisions_and_what_is_not_finite_decides_nothing() -> None:
    logits = torch.tensor([[9.0, 0.0], [0.0, 9.0], [3.0, 3.0], [9.0, 0.0], [1e38, -1e38]])
    labels = torch.tensor([0, 0, 0, 1, 0])
    found = summarise(evaluation(logits, labels), ARM, seed=0)
    assert found.clean_accuracy.estimate == 3 / 5  # of equal logits the first counts
    broken = logits.clone()
    broken[0, 0] = math.nan  # argmax would call it class 0, which is the label
    once, twice = ([evaluation(each, labels)] for each in (logits, broken))
    without = replace(once[0], clean_logits=broken)
    assert difference(without, once[0], seed=0).of(CLEAN).estimate == pytest.approx(-1 / 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explainfb.evaluation.arm_contrasts.calibration_error", lambda *_, **__: Interval(0, 0, 0))
        patch.setattr("explainfb.evaluation.arm_contrasts.calibration_noise", lambda *_, **__: 0.0)
        [contrast] = contrast_arms(once, {"other": twice}, [CLEAN])
    assert contrast.difference == pytest.approx(1 / 5)


def test_a_difference_of_two_arms_is_the_difference_of_their_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (60,), generator=generator)
    here, there = (evaluation(30 * torch.randn(60, 10, generator=generator), labels) for _ in range(2))
    alone, paired = [summarise(each, ARM, seed=0) for each in (here, there)], difference(here, there, seed=0)
    for measure in (CLEAN, SHIFTED, ECE):
        first, second = (arm.measured(measure) for arm in alone)
        assert first is not None
        assert second is not None
        assert paired.of(measure).estimate == pytest.approx(first.estimate - second.estimate, abs=1e-12)


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (0, 12), (12, 12), (1, 30), (27, 30)])
def test_few_errors_have_wilsons_interval(right: int, n: int) -> None:
    """(p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), Wilson 1927."""
    p, z = right / n, 1.959963984540054
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    found = accuracy_interval(np.array([1.0] * right + [0.0] * (n - right)), seed=0)
    assert (found.estimate, found.low, found.high) == pytest.approx((p, low, high), abs=1e-9)


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_mean_distance_is_the_area_under_the_curve_by_trapezia(drawn: list[list[bool]]) -> None:
    epsilons = (0.0, 0.02, 0.1, 0.5)
    held = np.logical_and.accumulate(np.array(drawn).T)  # what is broken stays broken
    curve = RobustCurve("linf", epsilons, held, ((),) * 4)
    shares = [Fraction(int(row.sum()), len(row)) for row in held]
    area = sum(
        Fraction(str(right)) / 2 * (shares[place] + shares[place + 1])
        - Fraction(str(left)) / 2 * (shares[place] + shares[place + 1])
        for place, (left, right) in enumerate(pairwise(epsilons))
    )
    assert curve.distances.mean() == pytest.approx(float(area), abs=1e-12)


@given(
    st.lists(st.sampled_from([-1e300, -1.0, 0.0, 1e-300, 0.5, 1e300]), min_size=4, max_size=4), st.integers(0, 65535)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_relevance_mass_is_the_share_of_weight_pixel_by_pixel(weights: list[float], bits: int) -> None:
    segments = np.array([[0, 0, 0, 1], [0, 2, 2, 1], [0, 2, 2, 1], [3, 3, 3, 3]])
    mask = np.array([(bits >> place) & 1 for place in range(16)], dtype=bool).reshape(4, 4)
    why = Explanation(0, 0.5, segments, np.array(weights), 0.0, 1.0)
    sizes = [int((segments == label).sum()) for label in range(4)]
    total = sum(Fraction(abs(weight)) for weight in weights)
    inside = sum(
        Fraction(abs(weights[segments[place]])) / sizes[segments[place]] for place in np.ndindex(4, 4) if mask[place]
    )
    assert relevance_mass(why, mask) == pytest.approx(float(inside / total) if total else 0.0, abs=1e-9)
