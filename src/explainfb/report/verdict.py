"""The report's first sentence: did the feedback help, against the controls?

A difference is claimed only when its 95 % interval, paired over the same test images, excludes 0. To say that feedback
helped beyond its controls, after must be better than before and better than every control; all must hold at once, so no
correction for the number of controls is needed.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from explainfb.report.measures import CLEAN, ECE, SHARE, SHIFTED, Measure, has_shortcut, robustness
from explainfb.report.numerals import NO_BREAK
from explainfb.report.stops import not_followed, number_of_rounds
from explainfb.results import Arm, Results, arms
from explainfb.types import Interval

LEVEL = f"95{NO_BREAK}% interval"


class Outcome(StrEnum):
    """What may be said of one measure, or of the study."""

    BEYOND_CONTROLS = "helped beyond every control"
    NOT_BEYOND_CONTROLS = "helped, but not beyond every control"
    WITHOUT_CONTROLS = "helped, without a control"
    LEFT = "left the classifier as it was"
    UNCLEAR = "no difference can be told"
    WORSE = "made it worse"
    MIXED = "helped in one thing, made another worse"


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
    """The first sentences of the report, in words computed from the paired differences and their intervals."""
    ignored, rounds = not_followed(results), number_of_rounds(results)
    if ignored and len(ignored) == rounds:
        return Verdict(Outcome.LEFT, _left_as_it_was(ignored[-1].evidence, rounds))
    found = _with_shortcut(results) if has_shortcut(results) else _without_shortcut(results)
    return replace(found, sentence=f"{found.sentence} {_in_some_rounds(len(ignored), rounds)}") if ignored else found


def _left_as_it_was(evidence: str, rounds: int) -> str:
    where = "in the only round" if rounds == 1 else f"in any of {rounds} rounds"
    last = "" if rounds == 1 else "in the last one "
    return (
        f"The classifier was left as it was, because the reward was not followed {where}: {last}{evidence} It takes "
        "more answers: begin another study with more --comparisons."
    )


def _in_some_rounds(ignored: int, rounds: int) -> str:
    return f"In {ignored} of {rounds} rounds the reward was not followed, and the classifier was left as it was."


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
