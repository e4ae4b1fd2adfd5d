"""The report's first sentence: did the feedback help, against the controls?

A difference is claimed only when its 95 % interval, paired over the same test images, excludes 0. One measure decides,
`deciding`, which nothing that was measured can change. To say that feedback helped beyond its controls, after must be
better than before and better than every control in it; all must hold at once (an intersection–union test, Berger 1982),
so no correction for the number of controls is needed. Gains in other measures are findings and never earn a "Yes".
Losses in them are told in the first sentence; they are not corrected for their number, so that one may be chance.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from explainfb.core.types import Interval
from explainfb.report.measures import (
    ECE,
    SHARE,
    SHIFTED,
    Measure,
    all_measures,
    carries_shortcut,
    clean,
    deciding,
    robustness,
)
from explainfb.report.numerals import NO_BREAK
from explainfb.report.stops import not_followed, number_of_rounds
from explainfb.results.format1 import Arm, Results, arms

LEVEL = f"95{NO_BREAK}% interval"


class Outcome(StrEnum):
    """What may be said of one measure, or of the study."""

    BEYOND_CONTROLS = "helped beyond every control"
    NOT_BEYOND_CONTROLS = "helped, but not beyond every control"
    WITHOUT_CONTROLS = "helped, without a control"
    LEFT = "left the classifier as it was"
    UNCLEAR = "no difference can be told"
    WORSE = "made it worse"


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


def reach_verdict(results: Results) -> Verdict:
    """The first sentences of the report, in words computed from the paired differences and their intervals."""
    ignored, rounds = not_followed(results), number_of_rounds(results)
    if ignored and len(ignored) == rounds:
        return Verdict(Outcome.LEFT, _left_as_it_was(ignored[-1].evidence, rounds))
    found = _answer(results, deciding(results))
    return replace(found, sentence=f"{found.sentence} {_in_some_rounds(len(ignored), rounds)}") if ignored else found


def _left_as_it_was(evidence: str, rounds: int) -> str:
    where = "in the only round" if rounds == 1 else f"in any of {rounds} rounds"
    last = "" if rounds == 1 else "in the last one "
    return (
        f"The classifier was left as it was, because the reward was not followed {where}: {last}{evidence} It takes "
        "more answers: begin another study with more --comparisons-per-round."
    )


def _in_some_rounds(ignored: int, rounds: int) -> str:
    return f"In {ignored} of {rounds} rounds the reward was not followed, and the classifier was left as it was."


def _answer(results: Results, measure: Measure) -> Verdict:
    found, lost = outcome(results, measure), losses(results, besides=measure)
    if not is_told(results, measure):
        also = f" {_capital(lost)}." if lost else ""
        return Verdict(found, f"Whether the feedback helped cannot be said: {_undecided(results, measure)}.{also}")
    where = f" in {measure.name}" if lost else ""
    lead = {
        Outcome.BEYOND_CONTROLS: f"Yes, the feedback helped, beyond every control{where and ','}{where}",
        Outcome.NOT_BEYOND_CONTROLS: f"Better than before{where}, but not beyond every control, so the gain cannot be "
        "put down to what the answers said",
        Outcome.WITHOUT_CONTROLS: f"Better than before{where}, but no control was run, so it is not known how much of "
        "the gain is owed to the answers",
        Outcome.UNCLEAR: f"No difference from before can be told{where}",
        Outcome.WORSE: f"No, the classifier is worse than before{where}",
    }[found]
    worse = f"; {lost}" if lost else ""
    return Verdict(found, f"{lead}{worse}: {_change(results, measure)}{_against_controls(results, measure)}.")


def is_told(results: Results, measure: Measure) -> bool:
    """Whether after and before were compared in `measure`."""
    return measure.difference(results, "before") is not None


def _undecided(results: Results, measure: Measure) -> str:
    return f"{measure.name} decides, and {_no_claim(results, measure)}"


def losses(results: Results, *, besides: Measure) -> str:
    """Every other measure in which after is worse than before or than a control, in a clause; empty without any."""
    rivals = [arm for arm in arms(results) if arm.role in ("before", "control")]
    found = []
    for measure in all_measures(results):
        compared = [(arm, measure.difference(results, arm.key)) for arm in rivals if measure != besides]
        lost = [_distance(measure, there, arm) for arm, there in compared if measure.direction(there) == "worse"]
        found += [f"{measure.name} is {_listed(lost)}"] if lost else []
    return "; ".join(found)


def findings(results: Results) -> list[tuple[str, str]]:
    """(topic, sentence) for each measure that the first sentence does not tell of."""
    told = deciding(results) if reach_verdict(results).outcome is not Outcome.LEFT else None
    topics = {SHIFTED: "Shifted images", ECE: "Calibration", robustness(results): "Robustness", SHARE: "Reasons"}
    topics[clean(results)] = "Test images" if carries_shortcut(results) else "Clean images"
    texts = [
        (topic, _finding(results, measure))
        for measure, topic in topics.items()
        if measure is not None and not (measure == told and is_told(results, measure))
    ]
    return [(topic, _capital(text) + ".") for topic, text in texts if text]


def _finding(results: Results, measure: Measure) -> str:
    if is_told(results, measure):
        return _change(results, measure) + _against_controls(results, measure)
    values = [(arm.label, measure.value(arm.evaluation)) for arm in arms(results)]
    known = [f"{measure.write(value)} ({label})" for label, value in values if value is not None]
    return f"{measure.name} is {_listed(known)}; {_no_claim(results, measure)}" if known else ""


def _no_claim(results: Results, measure: Measure) -> str:
    compared = [arm for arm in arms(results) if arm.key in ("before", "after")]
    doubtful = [arm.label for arm in compared if not measure.reliable(arm.evaluation)]
    why = f"an honesty check failed for {_listed(doubtful)}" if doubtful else "it was not compared in pairs"
    return f"no difference is claimed, because {why}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


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
    return f"{_distance(measure, difference, arm)} ({measure.write_interval(_absolute(difference))})"


def _distance(measure: Measure, difference: Interval | None, arm: Arm) -> str:
    """`7.3 points below random exchange`."""
    assert difference is not None
    size = measure.write_change(abs(difference.estimate), sign=False)
    return f"{size} {'above' if difference.estimate > 0 else 'below'} {arm.label}"
