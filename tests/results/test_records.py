"""Results as records: every measure is found, arms are in order, and what cannot be is not built."""

from dataclasses import replace

import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Interval, ThreatModel
from explainfb.results.measures import CLEAN, ECE, SHIFTED, robust_accuracy_under
from explainfb.results.records import ReliabilityBins, in_order
from results_example import MODELS, example_results, with_flag, with_twins, without_arms, without_shortcut


def test_every_measure_of_an_arm_is_found() -> None:
    arm = example_results().before
    assert arm.measured(CLEAN) == Interval(0.962, 0.95, 0.974)
    assert arm.measured(replace(SHIFTED, name="by another name")) == arm.shifted_accuracy
    assert arm.measured(robust_accuracy_under(ThreatModel("linf", 0.1))).estimate == 0.23
    assert arm.measured(robust_accuracy_under(ThreatModel("linf", 0.3))) is None
    assert without_shortcut(example_results()).before.measured(SHIFTED) is None


def test_only_a_robust_accuracy_that_failed_a_check_is_unreliable() -> None:
    arm = with_flag(example_results(), "before", MODELS[0], "zero_gradients").before
    under = [robust_accuracy_under(model) for model in MODELS]
    assert [arm.is_reliable(measure) for measure in under] == [False] + [True] * 6
    assert arm.is_reliable(ECE)


def test_arms_come_in_the_order_of_the_tables() -> None:
    results = with_twins(example_results(), "rrr", "wrong_masks")
    named = ["before", "cross_entropy", "random_answers", "wrong_masks", "rrr", "feedback", "no_shortcut"]
    assert list(results.arms) == named
    shuffled = [results.arms[name] for name in sorted(named)]
    assert list(in_order(shuffled)) == named
    assert [arm.arm.name for arm in results.of_role("reference", "ceiling")] == ["rrr", "no_shortcut"]


@pytest.mark.parametrize("name", ["before", "feedback"])
def test_results_without_what_they_are_about_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"need the arm {name}; found"):
        without_arms(example_results(), name)


def test_bins_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(InputError, match=r"as many .* found \(2, 2, 1\)"):
        ReliabilityBins((None, 0.9), (None, 0.8), (3,))
