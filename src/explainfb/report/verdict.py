"""The report's first sentence: did the feedback help, against the controls?

A difference is claimed only when its 95 % interval, paired over the same test images, excludes 0. To say that feedback
helped beyond its controls, after must be better than before and better than every control; all must hold at once, so no
correction for the number of controls is needed.
"""

from dataclasses import dataclass
from enum import StrEnum

from explainfb.report.numerals import NO_BREAK, percent, plain, signed
from explainfb.results import Arm, Evaluation, Results, arms
from explainfb.types import Interval, Norm

LEVEL = f"95{NO_BREAK}% interval"
NORM_SIGNS: dict[str, str] = {"linf": "L∞", "l2": "L2"}


class Outcome(StrEnum):
    """What may be said of one measure, or of the study."""

    BEYOND_CONTROLS = "helped beyond every control"
    NOT_BEYOND_CONTROLS = "helped, but not beyond every control"
    WITHOUT_CONTROLS = "helped, without a control"
    UNCLEAR = "no difference can be told"
    WORSE = "made it worse"
    MIXED = "helped in one thing, made another worse"


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
    """Whether the task has a shortcut, so that accuracy on shifted images is the measure that decides."""
    return SHIFTED.value(results["before"]) is not None and SHIFTED.value(results["after"]) is not None


def outcome(results: Results, measure: Measure) -> Outcome:
    """What may be said of `measure`, from its paired differences alone."""
    against_before = measure.direction(measure.difference(results, "before"))
    if against_before != "better":
        return Outcome.WORSE if against_before == "worse" else Outcome.UNCLEAR
    controls = [arm.key for arm in arms(results) if arm.role == "control"]
    if not controls:
        return Outcome.WITHOUT_CONTROLS
    beaten = [measure.direction(measure.difference(results, name)) == "better" for name in controls]
    return Outcome.BEYOND_CONTROLS if all(beaten) else Outcome.NOT_BEYOND_CONTROLS


@dataclass(frozen=True)
class Verdict:
    """The answer to the study's question."""

    outcome: Outcome
    sentence: str


def verdict(results: Results) -> Verdict:
    """The first sentence of the report, in words computed from the paired differences and their intervals."""
    return _with_shortcut(results) if has_shortcut(results) else _without_shortcut(results)


def _with_shortcut(results: Results) -> Verdict:
    found = outcome(results, SHIFTED)
    if SHIFTED.difference(results, "before") is None:
        return Verdict(found, "Whether the feedback helped cannot be said: after was not paired with before.")
    lead = {
        Outcome.BEYOND_CONTROLS: "Yes, the feedback helped, beyond every control",
        Outcome.NOT_BEYOND_CONTROLS: "Better than before, but not beyond every control, so the gain cannot be put down "
        "to what the answers said",
        Outcome.WITHOUT_CONTROLS: "Better than before, but no control was run, so it is not known how much of the gain "
        "is owed to the answers",
        Outcome.UNCLEAR: "No difference from before can be told",
        Outcome.WORSE: "No, the classifier is worse than before",
    }[found]
    return Verdict(found, f"{lead}: {_change(results, SHIFTED)}{_against_controls(results, SHIFTED)}.")


def _without_shortcut(results: Results) -> Verdict:
    robust = robustness(results)
    measures = [CLEAN, ECE, *([robust] if robust else [])]
    compared = [m for m in measures if m.difference(results, "before") is not None]
    if not compared:
        return Verdict(Outcome.UNCLEAR, "Whether the feedback helped cannot be said: after was not paired with before.")
    outcomes = {m.name: outcome(results, m) for m in compared}
    found = overall(list(outcomes.values()))
    lead = {
        Outcome.BEYOND_CONTROLS: f"Yes, the feedback helped beyond every control in {_named(outcomes, found)}",
        Outcome.NOT_BEYOND_CONTROLS: "Better than before, but not beyond every control, so the gain cannot be put down "
        "to what the answers said",
        Outcome.WITHOUT_CONTROLS: "Better than before, but no control was run, so it is not known how much of the gain "
        "is owed to the answers",
        Outcome.UNCLEAR: "No difference from before can be told",
        Outcome.WORSE: f"No, the classifier is worse than before in {_named(outcomes, found)}",
        Outcome.MIXED: f"Better than before in one thing, worse in {_named(outcomes, Outcome.WORSE)}",
    }[found]
    clauses = [_change(results, m) for m in compared]
    return Verdict(found, f"{lead}: {'; '.join(clauses)}.")


def overall(outcomes: list[Outcome]) -> Outcome:
    """One outcome for several measures: a loss anywhere is never hidden behind a gain elsewhere."""
    helped = [Outcome.BEYOND_CONTROLS, Outcome.NOT_BEYOND_CONTROLS, Outcome.WITHOUT_CONTROLS]
    best = next((good for good in helped if good in outcomes), Outcome.UNCLEAR)
    if Outcome.WORSE in outcomes:
        return Outcome.WORSE if best is Outcome.UNCLEAR else Outcome.MIXED
    return best


def findings(results: Results) -> list[tuple[str, str]]:
    """(topic, sentence) for each measure but accuracy on shifted images, which is the first sentence's."""
    topics = [("Calibration", ECE), ("Robustness", robustness(results)), ("Reasons", SHARE), ("Clean images", CLEAN)]
    texts = [(topic, _finding(results, measure)) for topic, measure in topics if measure is not None]
    return [(topic, text[0].upper() + text[1:] + ".") for topic, text in texts if text]


def _finding(results: Results, measure: Measure) -> str:
    if measure.difference(results, "before") is not None:
        return _change(results, measure) + _against_controls(results, measure)
    values = [(arm.label, measure.value(arm.evaluation)) for arm in arms(results)]
    known = [f"{measure.write(value)} ({label})" for label, value in values if value is not None]
    doubtful = [arm.label for arm in arms(results) if not measure.reliable(arm.evaluation)]
    why = f"an honesty check failed for {_listed(doubtful)}" if doubtful else "it was not compared in pairs"
    return f"{measure.name} is {_listed(known)}; no difference is claimed, because {why}" if known else ""


def _named(outcomes: dict[str, Outcome], wanted: Outcome) -> str:
    return _listed([name for name, found in outcomes.items() if found is wanted])


def _listed(items: list[str]) -> str:
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def _change(results: Results, measure: Measure) -> str:
    """`accuracy … rose from 41.6 % to 73.1 %, by 31.5 points (95 % interval 27.1 to 35.8)`."""
    difference = measure.difference(results, "before")
    before, after = (measure.value(results[arm]) for arm in ("before", "after"))
    assert difference is not None
    assert before is not None
    assert after is not None
    told = measure.direction(difference) != "unclear"
    verb = ("rose" if difference.estimate > 0 else "fell") if told else "went"
    limits = measure.write_interval(_absolute(difference) if told else difference)
    if told:
        size = f"by {measure.write_change(abs(difference.estimate), sign=False)} ({LEVEL} {limits})"
    else:
        size = f"a change within chance ({measure.write_change(difference.estimate)}, {LEVEL} {limits})"
    return f"{measure.name} {verb} from {measure.write(before)} to {measure.write(after)}, {size}"


def _absolute(difference: Interval) -> Interval:
    """The size of a difference that lies wholly on one side of 0."""
    if difference.estimate >= 0:
        return difference
    return Interval(-difference.estimate, -difference.high, -difference.low)


def _against_controls(results: Results, measure: Measure) -> str:
    """`, ending 43.3 points above cross-entropy only (39.0 to 47.7) and …`: one clause for each control."""
    clauses = [_against(results, measure, arm) for arm in arms(results) if arm.role == "control"]
    return f", ending {_listed(clauses)}" if clauses else ""


def _against(results: Results, measure: Measure, arm: Arm) -> str:
    difference = measure.difference(results, arm.key)
    if difference is None:
        return f"not compared with {arm.label}"
    if measure.direction(difference) == "unclear":
        size = measure.write_change(difference.estimate)
        return f"within chance of {arm.label} ({size}, {measure.write_interval(difference)})"
    size = measure.write_change(abs(difference.estimate), sign=False)
    side = "above" if difference.estimate > 0 else "below"
    return f"{size} {side} {arm.label} ({measure.write_interval(_absolute(difference))})"
