"""Measures in the report: which one answers its question, what counts as a difference, how numbers are written."""

from typing import Literal

from explainfb.core.types import Interval, ThreatModel
from explainfb.report.number_format import percent, plain, signed
from explainfb.results.measures import CLEAN, MEASURES, ROBUST, SHIFTED, Measure, robust_accuracy_under
from explainfb.results.records import ArmResult, StudyResults

Direction = Literal["better", "worse", "unclear"]
TEST = Measure(CLEAN.key, "accuracy on test images", "test accuracy", "test")
"""What stands in for `CLEAN` where the test images carry the shortcut themselves."""


def threat_models(results: StudyResults) -> list[ThreatModel]:
    """Those that any arm was attacked under: L∞ before L2, the smaller before the larger."""
    found = {robust.threat_model for arm in results.arms.values() for robust in arm.robust_accuracy}
    return sorted(found, key=lambda model: (model.norm != "linf", model.epsilon))


def robustness(results: StudyResults) -> Measure | None:
    """Robust accuracy at the middle ε of the L∞ list (of L2 if there is none): fixed before anything is measured."""
    # the list of ε is a setting, so that the choice cannot follow from what was measured
    attacked = sorted(robust.threat_model for robust in results.feedback.robust_accuracy)
    for norm in ("linf", "l2"):
        models = [model for model in attacked if model.norm == norm]
        if models:
            return robust_accuracy_under(models[len(models) // 2])
    return None


def has_shortcut(results: StudyResults) -> bool:
    """Whether the task has images whose shortcut misleads."""
    return results.before.shifted_accuracy is not None and results.feedback.shifted_accuracy is not None


def own_shifted(results: StudyResults) -> bool:
    """Whether these images are pictures of their own, in a folder's `test-shifted`, and nothing was planted."""
    given = results.settings
    return has_shortcut(results) and str(given.get("task")).startswith("folder:") and given.get("plant") is None


def carries_shortcut(results: StudyResults) -> bool:
    """Whether the test images have their shortcut, with no others that lack it or whose shortcut misleads."""
    return not has_shortcut(results) and results.before.shortcut_share is not None


def clean(results: StudyResults) -> Measure:
    """Accuracy on the test images as they are, under the name that is true of them."""
    return TEST if carries_shortcut(results) else CLEAN


def deciding(results: StudyResults) -> Measure:
    """The one measure that answers the study's question: the one that it was declared for, `decides`, or else, by what
    the task has and was attacked with, accuracy on shifted images, without them robust accuracy at the middle ε (of a
    network with published weights, which an undefended one has none of, accuracy), without an attack accuracy."""
    declared = results.settings.get("decides")
    if declared == ROBUST:
        return robustness(results) or clean(results)
    if declared is not None:
        return next((measure for measure in all_measures(results) if measure.key == declared), clean(results))
    if not has_shortcut(results) and results.settings.get("weights") is not None:
        return clean(results)
    return SHIFTED if has_shortcut(results) else robustness(results) or clean(results)


def plain_measures(results: StudyResults) -> list[Measure]:
    """All but robust accuracies, in the order of the tables."""
    return [clean(results) if measure == CLEAN else measure for measure in MEASURES]


def all_measures(results: StudyResults) -> list[Measure]:
    """What was measured, in the order of the tables."""
    robust = robustness(results)
    return [*plain_measures(results), *([robust] if robust else [])]


def difference(results: StudyResults, measure: Measure, other: ArmResult) -> Interval | None:
    """Feedback minus `other`; None where it was not measured in pairs, or rests on a number that failed a check."""
    if not (results.feedback.is_reliable(measure) and other.is_reliable(measure)):
        return None
    found = results.differences.get(other.arm.name)
    return None if found is None else found.of(measure)


def direction(measure: Measure, difference: Interval | None) -> Direction:
    """Which side of 0 the whole interval lies on."""
    if difference is None or difference.low <= 0 <= difference.high:
        return "unclear"
    return "better" if (difference.low > 0) == measure.higher_is_better else "worse"


def write(measure: Measure, value: float) -> str:
    """`41.6 %` or `0.031`."""
    return percent(value) if measure.in_percent else plain(value, digits=3)


def write_change(measure: Measure, value: float, *, sign: bool = True) -> str:
    """`+7.3 points` or `+0.031`."""
    scaled, digits = (100 * value, 1) if measure.in_percent else (value, 3)
    number = signed(scaled, digits=digits) if sign else plain(scaled, digits=digits)
    return f"{number} points" if measure.in_percent else number


def write_interval(measure: Measure, difference: Interval) -> str:
    """`27.1 to 35.8` or `0.012 to 0.040`."""
    scale, digits = (100, 1) if measure.in_percent else (1, 3)
    low, high = (plain(scale * end, digits=digits) for end in (difference.low, difference.high))
    return f"{low} to {high}"
