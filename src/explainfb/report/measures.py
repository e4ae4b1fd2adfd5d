"""The numbers that feedback may move, what they are called, and how they and their differences are written."""

from dataclasses import dataclass

from explainfb.core.types import Interval, Norm
from explainfb.report.numerals import percent, plain, signed
from explainfb.results.format1 import Evaluation, Results, arms

NORM_SIGNS: dict[str, str] = {"linf": "L∞", "l2": "L2"}


@dataclass(frozen=True)
class Measure:
    """A number that feedback may move."""

    key: str
    name: str
    short: str
    """The name in two or three words."""
    higher_is_better: bool = True
    in_points: bool = True
    """Percentages differ by points; calibration errors are plain decimals."""
    norm: Norm | None = None
    epsilon: float | None = None

    def value(self, evaluation: Evaluation) -> float | None:
        """What was measured on one arm."""
        if self.key != "robust_accuracy":
            found: float | None = evaluation[self.key]
            return found
        return next((float(row["accuracy"]) for row in evaluation[self.key] if self._is_it(row)), None)

    def reliable(self, evaluation: Evaluation) -> bool:
        """False for a robust accuracy that failed an honesty check."""
        rows = evaluation["robust_accuracy"] if self.key == "robust_accuracy" else []
        return all(row["reliable"] for row in rows if self._is_it(row))

    def difference(self, results: Results, arm: str) -> Interval | None:
        """After minus `arm`; None where it was not measured in pairs, or rests on a number that failed a check."""
        if arm in (a.key for a in arms(results) if not self.reliable(a.evaluation)) or not self.reliable(
            results["after"]
        ):
            return None
        found = results["differences"].get(arm, {}).get(self.key)
        if self.key == "robust_accuracy":
            found = next((row for row in found or [] if self._is_it(row)), None)
        return found and Interval(found["estimate"], found["low"], found["high"])

    def direction(self, difference: Interval | None) -> str:
        """`better`, `worse` or `unclear`: which side of 0 the whole interval lies on."""
        if difference is None or difference.low <= 0 <= difference.high:
            return "unclear"
        return "better" if (difference.low > 0) == self.higher_is_better else "worse"

    def write(self, value: float) -> str:
        return percent(value) if self.in_points else plain(value, digits=3)

    def write_change(self, value: float, *, sign: bool = True) -> str:
        scaled, digits = (100 * value, 1) if self.in_points else (value, 3)
        number = signed(scaled, digits=digits) if sign else plain(scaled, digits=digits)
        return f"{number} points" if self.in_points else number

    def write_interval(self, difference: Interval) -> str:
        scale, digits = (100, 1) if self.in_points else (1, 3)
        low, high = (plain(scale * end, digits=digits) for end in (difference.low, difference.high))
        return f"{low} to {high}"

    def _is_it(self, row: dict[str, object]) -> bool:
        return row["norm"] == self.norm and row["epsilon"] == self.epsilon


CLEAN = Measure("clean_accuracy", "accuracy on clean images", "clean accuracy")
TEST = Measure("clean_accuracy", "accuracy on test images", "test accuracy")
"""What stands in for `CLEAN` where the test images carry the shortcut themselves."""
SHIFTED = Measure("shifted_accuracy", "accuracy on images whose shortcut misleads", "shifted accuracy")
ECE = Measure("ece", "the calibration error", "calibration error", higher_is_better=False, in_points=False)
SHARE = Measure("shortcut_share", "the share of the reasons on the shortcut", "shortcut share", higher_is_better=False)


def robustness(results: Results) -> Measure | None:
    """Robust accuracy at the middle ε of the L∞ list (of L2 if there is none): fixed before anything is measured."""
    for norm in ("linf", "l2"):
        radii = sorted(row["epsilon"] for row in results["after"]["robust_accuracy"] if row["norm"] == norm)
        if radii:
            epsilon = radii[len(radii) // 2]
            where = f"{NORM_SIGNS[norm]} ε = {epsilon:g}"
            name, short = f"robust accuracy at {where}", f"robust accuracy, {where}"
            return Measure("robust_accuracy", name, short, norm=norm, epsilon=epsilon)
    return None


def has_shortcut(results: Results) -> bool:
    """Whether the task has images whose shortcut misleads."""
    return SHIFTED.value(results["before"]) is not None and SHIFTED.value(results["after"]) is not None


def carries_shortcut(results: Results) -> bool:
    """Whether the test images have their shortcut, with no others that lack it or whose shortcut misleads."""
    return not has_shortcut(results) and SHARE.value(results["before"]) is not None


def clean(results: Results) -> Measure:
    """Accuracy on the test images as they are, under the name that is true of them."""
    return TEST if carries_shortcut(results) else CLEAN


def deciding(results: Results) -> Measure:
    """The one measure that answers the study's question, by what the task has and was attacked with: accuracy on
    shifted images, without them robust accuracy at the middle ε, without an attack accuracy."""
    return SHIFTED if has_shortcut(results) else robustness(results) or clean(results)


def all_measures(results: Results) -> list[Measure]:
    """What was measured, in the order of the tables."""
    robust = robustness(results)
    return [clean(results), SHIFTED, ECE, SHARE, *([robust] if robust else [])]
