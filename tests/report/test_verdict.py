"""The report's first sentence: it may claim only what the paired intervals allow."""

from dataclasses import replace

import pytest

from explainfb.core.types import Interval, ThreatModel
from explainfb.report.measures import direction, has_shortcut
from explainfb.report.verdict import Outcome, findings, outcome, reach_verdict
from explainfb.results.measures import CLEAN, ECE, SHIFTED, Measure, robust_accuracy_under
from explainfb.results.records import StudyResults
from results_example import (
    example_results,
    with_arm,
    with_difference,
    with_flag,
    with_twins,
    without_arms,
    without_shortcut,
)

BETTER = Interval(0.3, 0.2, 0.4)
WORSE = Interval(-0.3, -0.4, -0.2)
CHANCE = Interval(0.01, -0.02, 0.04)
MIDDLE = ThreatModel("linf", 0.1)
ROBUST = robust_accuracy_under(MIDDLE)
"""What decides where there is no shortcut."""


def study(
    before: Interval | None, cross_entropy: Interval | None = None, random_answers: Interval | None = None
) -> StudyResults:
    """With these differences in shifted accuracy."""
    results = with_difference(example_results(), "before", SHIFTED, before)
    results = with_difference(results, "cross_entropy", SHIFTED, cross_entropy)
    return with_difference(results, "random_answers", SHIFTED, random_answers)


def everywhere(results: StudyResults, measure: Measure, found: Interval | None) -> StudyResults:
    """With this difference to every arm."""
    for name in results.differences:
        results = with_difference(results, name, measure, found)
    return results


@pytest.mark.parametrize(
    ("before", "cross_entropy", "random_answers", "expected", "words"),
    [
        (BETTER, BETTER, BETTER, Outcome.BEYOND_CONTROLS, "Yes, the feedback helped, beyond every control:"),
        (BETTER, BETTER, CHANCE, Outcome.NOT_BEYOND_CONTROLS, "random answers (+1.0 points, −2.0 to 4.0)"),
        (BETTER, WORSE, BETTER, Outcome.NOT_BEYOND_CONTROLS, "30.0 points below cross-entropy only (20.0 to 40.0)"),
        (BETTER, BETTER, None, Outcome.NOT_BEYOND_CONTROLS, "not compared with random answers"),
        (CHANCE, BETTER, BETTER, Outcome.UNCLEAR, "No difference from before is shown:"),
        (WORSE, BETTER, BETTER, Outcome.WORSE, "No, the classifier is worse than before:"),
        (None, BETTER, BETTER, Outcome.UNCLEAR, "cannot be said"),
    ],
)  # fmt: skip
def test_each_case_gets_its_words(
    before: Interval | None,
    cross_entropy: Interval | None,
    random_answers: Interval | None,
    expected: Outcome,
    words: str,
) -> None:
    found = reach_verdict(study(before, cross_entropy, random_answers))
    assert found.outcome is expected
    assert words in found.sentence
    assert found.sentence.startswith("Yes") == (expected is Outcome.BEYOND_CONTROLS)


def test_without_controls_the_gain_is_credited_to_nobody() -> None:
    results = without_arms(study(BETTER), "cross_entropy", "random_answers")
    found = reach_verdict(results)
    assert found.outcome is Outcome.WITHOUT_CONTROLS
    assert "no control was run" in found.sentence
    assert "ending" not in found.sentence


def test_a_control_without_a_paired_difference_cannot_be_beaten() -> None:
    results = study(BETTER, BETTER, BETTER)
    differences = {name: each for name, each in results.differences.items() if name != "random_answers"}
    results = replace(results, differences=differences)
    assert reach_verdict(results).outcome is Outcome.NOT_BEYOND_CONTROLS


def test_the_whole_sentence() -> None:
    nb = "\N{NO-BREAK SPACE}"
    assert reach_verdict(example_results()).sentence == (
        "Yes, the feedback helped, beyond every control: accuracy on images whose shortcut misleads rose from "
        f"41.6{nb}% to 89.9{nb}%, by 48.3 points (95{nb}% interval 44.6 to 52.0), ending 60.1 points above "
        "cross-entropy only (56.4 to 63.8) and 63.8 points above random answers (60.1 to 67.5)."
    )


@pytest.mark.parametrize(
    ("low", "high", "accuracy", "calibration"),
    [(0.01, 0.2, "better", "worse"), (-0.2, -0.01, "worse", "better"), (-0.1, 0.1, "unclear", "unclear"),
     (0.0, 0.2, "unclear", "unclear"), (-0.2, 0.0, "unclear", "unclear")],
)  # fmt: skip
def test_only_an_interval_clear_of_zero_has_a_direction(
    low: float, high: float, accuracy: str, calibration: str
) -> None:
    difference = Interval((low + high) / 2, low, high)
    assert direction(SHIFTED, difference) == accuracy
    assert direction(ECE, difference) == calibration


def test_without_a_shortcut_robustness_alone_decides() -> None:
    results = without_shortcut(example_results())
    assert not has_shortcut(results)
    found = reach_verdict(results)
    assert found.outcome is Outcome.BEYOND_CONTROLS
    assert found.sentence.startswith(
        "Yes, the feedback helped, beyond every control: robust accuracy at L∞ ε = 0.1 rose from"
    )
    assert "42.3 points above cross-entropy only" in found.sentence
    assert "shortcut" not in found.sentence
    assert [topic for topic, _ in findings(results)] == ["Calibration", "Clean images"]


def test_a_gain_in_another_measure_earns_no_yes() -> None:
    """Of three measures one passes by chance more often than a single one does."""
    results = without_shortcut(example_results())
    for measure, found in ((ROBUST, CHANCE), (CLEAN, BETTER), (ECE, WORSE)):
        results = everywhere(results, measure, found)
    verdict = reach_verdict(results)
    assert verdict.outcome is Outcome.UNCLEAR
    assert verdict.sentence.startswith("No difference from before is shown: robust accuracy at L∞ ε = 0.1 went from")
    assert "fell from" in dict(findings(results))["Calibration"]


def test_without_an_attack_accuracy_decides() -> None:
    results = without_shortcut(example_results())
    for name in results.arms:
        results = with_arm(results, name, robust_accuracy=())
    results = everywhere(results, CLEAN, BETTER)
    assert reach_verdict(results).sentence.startswith(
        "Yes, the feedback helped, beyond every control: accuracy on clean"
    )


def test_a_loss_is_told_with_the_gain() -> None:
    results = with_difference(example_results(), "cross_entropy", CLEAN, Interval(-0.073, -0.09, -0.06))
    results = with_difference(results, "before", ECE, Interval(0.04, 0.03, 0.05))
    found = reach_verdict(results)
    assert found.outcome is Outcome.BEYOND_CONTROLS
    assert found.sentence.startswith(
        "Yes, the feedback helped, beyond every control, in accuracy on images whose shortcut misleads; accuracy on "
        "clean images is 7.3 points below cross-entropy only; the calibration error is 0.040 above before: accuracy on "
        "images whose shortcut misleads rose from"
    )


def test_losing_to_the_ceiling_or_another_method_is_no_loss() -> None:
    results = with_twins(example_results(), "rrr", of="no_shortcut")
    for name in ("rrr", "no_shortcut"):
        results = with_difference(results, name, CLEAN, WORSE)
    assert reach_verdict(results).sentence.startswith("Yes, the feedback helped, beyond every control: ")


def test_a_loss_is_told_where_nothing_was_gained() -> None:
    results = everywhere(without_shortcut(example_results()), ROBUST, CHANCE)
    results = with_difference(results, "before", CLEAN, WORSE)
    assert reach_verdict(results).sentence.startswith(
        "No difference from before is shown in robust accuracy at L∞ ε = 0.1; accuracy on clean images is 30.0 "
        "points below before: robust accuracy"
    )


def test_where_the_deciding_number_failed_a_check_nothing_else_decides() -> None:
    results = with_flag(without_shortcut(example_results()), "feedback", MIDDLE, "zero_gradients")
    results = with_difference(results, "before", CLEAN, WORSE)
    found = reach_verdict(results)
    assert found.outcome is Outcome.UNCLEAR
    assert found.sentence.startswith("Whether the feedback helped cannot be said: robust accuracy at L∞ ε = 0.1")
    assert "sanity check failed for feedback" in found.sentence
    assert found.sentence.endswith("Accuracy on clean images is 30.0 points below before.")
    assert "Robustness" in dict(findings(results))


def test_a_number_that_failed_a_check_supports_no_claim() -> None:
    results = example_results()
    assert outcome(results, ROBUST) is Outcome.BEYOND_CONTROLS
    results = with_flag(results, "feedback", MIDDLE, "Gradients are zero.")
    assert outcome(results, ROBUST) is Outcome.UNCLEAR
    text = dict(findings(results))["Robustness"]
    assert "sanity check failed for feedback" in text


def test_a_control_whose_number_failed_a_check_is_not_beaten() -> None:
    results = with_flag(example_results(), "cross_entropy", MIDDLE, "zero_gradients")
    assert outcome(results, ROBUST) is Outcome.NOT_BEYOND_CONTROLS
    assert "not compared with cross-entropy only" in dict(findings(results))["Robustness"]


def test_robustness_without_pairs_is_told_without_a_claim() -> None:
    results = everywhere(example_results(), ROBUST, None)
    text = dict(findings(results))["Robustness"]
    assert "no difference is claimed" in text
    assert not {"rose", "fell", "above", "below"} & set(text.split())


def test_findings_cover_what_the_first_sentence_leaves_out() -> None:
    assert [topic for topic, _ in findings(example_results())] == [
        "Calibration", "Robustness", "Reasons", "Clean images",
    ]  # fmt: skip


def test_losing_to_another_method_is_not_losing_to_a_control() -> None:
    results = with_twins(study(BETTER, BETTER, BETTER), "rrr", of="no_shortcut")
    results = with_difference(results, "rrr", SHIFTED, WORSE)
    found = reach_verdict(results)
    assert found.outcome is Outcome.BEYOND_CONTROLS
    assert "RRR" not in found.sentence
    results = with_difference(with_twins(results, "wrong_masks"), "wrong_masks", SHIFTED, CHANCE)
    assert reach_verdict(results).outcome is Outcome.NOT_BEYOND_CONTROLS
