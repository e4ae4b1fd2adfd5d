"""A difference is called one where seeds and images both say so, and seldom where there is none."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from explainfb.core.errors import InputError
from explainfb.core.types import Interval, RobustAccuracy, ThreatModel
from explainfb.evaluation.arm_contrasts import contrast_arms
from explainfb.evaluation.evaluator import Evaluation
from explainfb.results.measures import CLEAN, ECE, SHIFTED, robust_accuracy_under
from explainfb.statistics.contrasts import LEVEL, corrected

IMAGES = 400


def evaluation(accuracy: float, generator: np.random.Generator, *, shifted: bool = True) -> Evaluation:
    """A classifier that gets so many of the shifted images right, whatever the images."""
    labels = torch.zeros(IMAGES, dtype=torch.int64)
    logits = torch.zeros(IMAGES, 2)
    right = torch.from_numpy(generator.random(IMAGES) < accuracy)
    logits[:, 1] = torch.where(right, -1.0, 1.0)
    survived = tuple(bool(each) for each in generator.random(50) < accuracy / 2)
    robust = RobustAccuracy(ThreatModel("linf", 0.1), Interval(0, 0, 0), 50, survived=survived)
    return Evaluation(logits, logits if shifted else None, labels, None, (robust,))


def over_seeds(accuracies: Sequence[float], seed: int) -> list[Evaluation]:
    generator = np.random.default_rng(seed)
    return [evaluation(accuracy, generator) for accuracy in accuracies]


def test_a_large_difference_is_one_with_its_size_and_interval() -> None:
    found = contrast_arms(
        over_seeds([0.9, 0.91, 0.89, 0.9, 0.92], 0), {"other": over_seeds([0.5, 0.52, 0.49, 0.5, 0.51], 1)}
    )
    shifted = next(contrast for contrast in found if contrast.measure == SHIFTED.key)
    assert shifted.is_significant
    assert shifted.difference == pytest.approx(0.4, abs=0.03)
    assert shifted.low is not None
    assert shifted.high is not None
    assert shifted.low < shifted.difference < shifted.high
    assert [abs(contrast.difference) for contrast in found] == sorted((abs(c.difference) for c in found), reverse=True)


def test_one_lucky_seed_is_no_difference() -> None:
    """Over images it is beyond doubt, over seeds it is not."""
    (shifted,) = [
        contrast
        for contrast in contrast_arms(over_seeds([0.9, 0.5, 0.5, 0.5, 0.5], 0), {"other": over_seeds([0.5] * 5, 1)})
        if contrast.measure == SHIFTED.key
    ]
    assert shifted.p_images is not None
    assert shifted.p_images < LEVEL
    assert not shifted.is_significant


def test_the_same_small_gain_on_every_seed_is_no_difference_over_few_images() -> None:
    """Over seeds it is beyond doubt, over images it is not."""
    right = np.arange(IMAGES) < 200
    evaluations = []
    for gain in (2, 0):
        logits = torch.zeros(IMAGES, 2)
        logits[:, 1] = torch.where(torch.from_numpy(right | (np.arange(IMAGES) < 200 + gain)), -1.0, 1.0)
        labels = torch.zeros(IMAGES, dtype=torch.int64)
        evaluations.append([Evaluation(logits, None, labels, None, ())] * 3)
    clean = next(c for c in contrast_arms(evaluations[0], {"other": evaluations[1]}) if c.measure == CLEAN.key)
    assert clean.p_seeds is not None
    assert clean.p_seeds < LEVEL
    assert not clean.is_significant


def test_arms_that_are_alike_are_seldom_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under no difference, 40 sweeps of 4 arms give at most one false alarm at p < .01."""
    monkeypatch.setattr("gc.collect", lambda: 0)  # statsmodels calls it at each correction, which takes .4 s
    measures, alarms = (CLEAN, SHIFTED, robust_accuracy_under(ThreatModel("linf", 0.1))), 0
    for sweep in range(40):
        arms = {f"arm {arm}": over_seeds([0.7] * 5, 1000 * sweep + arm + 1) for arm in range(4)}
        found = contrast_arms(over_seeds([0.7] * 5, 1000 * sweep), arms, measures)
        alarms += any(contrast.is_significant for contrast in found)
    assert alarms <= 1


def test_more_contrasts_ask_for_more() -> None:
    reference, other = over_seeds([0.8, 0.82, 0.81], 0), over_seeds([0.6, 0.62, 0.61], 1)
    alone = contrast_arms(reference, {"other": other})
    many = contrast_arms(reference, {"other": other} | {f"same {number}": reference for number in range(20)})
    p = {c.measure: c.p for c in alone}
    for contrast in many:
        if contrast.arm == "other":
            assert contrast.p is not None
            assert contrast.p >= (p[contrast.measure] or 0)
    assert [c.p for c in many if c.arm == "same 3"] == [1.0] * 4


def test_one_seed_is_an_anecdote() -> None:
    found = contrast_arms(over_seeds([0.9], 0), {"other": over_seeds([0.1], 1)})
    assert not any(contrast.is_significant for contrast in found)
    assert all(contrast.p is None and contrast.low is None for contrast in found)


def test_an_arm_with_fewer_seeds_is_refused() -> None:
    with pytest.raises(InputError, match="other has 1 seeds"):
        contrast_arms(over_seeds([0.9, 0.9], 0), {"other": over_seeds([0.1], 1)})


def test_a_number_that_failed_a_check_is_never_a_difference() -> None:
    strong, weak = over_seeds([0.9] * 5, 0), over_seeds([0.1] * 5, 1)
    robust = tuple(replace(one, flags=("zero_gradients",)) for one in weak[4].robust)
    measures = (SHIFTED, robust_accuracy_under(ThreatModel("linf", 0.1)))
    assert [each.is_significant for each in contrast_arms(strong, {"weak": weak}, measures)] == [True, True]
    found = {
        each.measure: each
        for each in contrast_arms(strong, {"weak": [*weak[:4], replace(weak[4], robust=robust)]}, measures)
    }
    assert [found[measure.key].is_significant for measure in measures] == [True, False]
    assert found[measures[1].key].p is not None


def test_calibration_errors_that_noise_alone_sets_apart_are_no_difference() -> None:
    """Two calibrated classifiers on every seed, one always at .65 and one anywhere above .3."""
    generator = np.random.default_rng(0)
    sharp, dull = [], []
    for _ in range(8):
        confidence = torch.from_numpy(0.3 + 0.7 * generator.random(IMAGES))
        labels = torch.from_numpy((generator.random(IMAGES) > confidence.numpy()).astype(np.int64))
        for found, sure in ((sharp, confidence), (dull, torch.full_like(confidence, 0.65))):
            probabilities = torch.cat([sure[:, None], ((1 - sure) / 9)[:, None].expand(-1, 9)], 1)
            found.append(Evaluation(probabilities.log(), None, labels, None, ()))
    (error,) = contrast_arms(sharp, {"dull": dull}, [ECE])
    assert error.p is not None
    assert error.p < LEVEL
    assert abs(error.difference) < error.noise
    assert not error.is_significant


def test_all_that_is_tested_together_is_corrected_together() -> None:
    first = contrast_arms(over_seeds([0.9] * 5, 0), {"one": over_seeds([0.5] * 5, 1)}, [SHIFTED])
    second = contrast_arms(over_seeds([0.9] * 5, 2), {"other": over_seeds([0.85] * 5, 3)}, [SHIFTED])
    alone = [each.p or 0 for each in (*first, *second)]
    together = [each.p for each in corrected([*first, *second])]
    assert together == [pytest.approx(2 * alone[0]), pytest.approx(max(alone[1], 2 * alone[0]))]
