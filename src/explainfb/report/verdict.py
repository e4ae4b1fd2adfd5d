"""The report's first sentence: did the feedback help, against the controls?

A difference is claimed only when its 95 % interval, paired over the same test images, excludes 0. One measure decides,
`deciding`, and it does not depend on what was measured. To say that feedback helped beyond its controls, it must be
better than before and better than every control in it. All must hold at once (an intersection–union test, Berger 1982),
so no correction for the number of controls is needed. Gains in other measures are findings and never earn a "Yes".
Losses in them are named in the first sentence; they are not corrected for their number, so one may be chance.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from explainfb.core.types import Interval
from explainfb.report.measures import (
    all_measures,
    carries_shortcut,
    clean,
    deciding,
    difference,
    direction,
    robustness,
    write,
    write_change,
    write_interval,
)
from explainfb.report.number_format import NO_BREAK
from explainfb.report.stopped_rounds import not_followed, what_was_predicted
from explainfb.results.measures import ECE, SHIFTED, SHORTCUT_SHARE, Measure
from explainfb.results.records import ArmResult, StudyResults

LEVEL = f"95{NO_BREAK}% interval"


class Outcome(StrEnum):
    """What may be said of one measure, or of the study."""

    BEYOND_CONTROLS = "helped beyond every control"
    NOT_BEYOND_CONTROLS = "helped, but not beyond every control"
    WITHOUT_CONTROLS = "helped, without a control"
    LEFT = "left the classifier as it was"
    UNCLEAR = "no difference is shown"
    WORSE = "made it worse"


def outcome(results: StudyResults, measure: Measure) -> Outcome:
    """What may be said of `measure`, from its paired differences alone."""
    against_before = direction(measure, difference(results, measure, results.before))
    if against_before != "better":
        return Outcome.WORSE if against_before == "worse" else Outcome.UNCLEAR
    controls = results.of_role("control")
    if not controls:
        return Outcome.WITHOUT_CONTROLS
    beaten = [direction(measure, difference(results, measure, control)) == "better" for control in controls]
    return Outcome.BEYOND_CONTROLS if all(beaten) else Outcome.NOT_BEYOND_CONTROLS


@dataclass(frozen=True)
class Verdict:
    """The answer to the study's question, in parts."""

    outcome: Outcome
    answer: str
    """The answer alone, without a full stop."""
    measured: str
    """What it rests on: the change of the deciding measure, or why there is no answer."""
    compared: str = ""
    """What feedback gained over each control; empty without any."""
    remark: str = ""
    """What else a reader must know at once, in whole sentences; may be empty."""

    @property
    def short(self) -> str:
        """Without the controls one by one."""
        return f"{self.answer}: {self.measured}.{self.remark and ' '}{self.remark}"

    @property
    def rest(self) -> str:
        """All but the answer."""
        return f"{self.measured}{self.compared}.{self.remark and ' '}{self.remark}"

    @property
    def sentence(self) -> str:
        """All of it."""
        return f"{self.answer}: {self.rest}"


def reach_verdict(results: StudyResults) -> Verdict:
    """The first sentences of the report, in words computed from the paired differences and their intervals."""
    ignored, rounds = not_followed(results), len(results.preferences.rounds)
    if ignored and len(ignored) == rounds:
        return _left_as_it_was(what_was_predicted(ignored[-1]), rounds)
    found = _answer(results, deciding(results))
    if not ignored:
        return found
    some = f"In {len(ignored)} of {rounds} rounds the reward was not followed, and the classifier was left as it was."
    return replace(found, remark=f"{found.remark}{found.remark and ' '}{some}")


def _left_as_it_was(why: str, rounds: int) -> Verdict:
    where = "in the only round" if rounds == 1 else f"in any of {rounds} rounds"
    last = "" if rounds == 1 else "in the last one "
    return Verdict(
        Outcome.LEFT,
        f"The classifier was left as it was, because the reward was not followed {where}",
        f"{last}{why.removesuffix('.')}",
        remark="It takes more answers: begin another study with more --comparisons-per-round.",
    )


def _answer(results: StudyResults, measure: Measure) -> Verdict:
    found, lost = outcome(results, measure), losses(results, besides=measure)
    if not is_told(results, measure):
        remark = f"{_capital(lost)}." if lost else ""
        return Verdict(found, "Whether the feedback helped cannot be said", _undecided(results, measure), remark=remark)
    where = f" in {measure.name}" if lost else ""
    lead = {
        Outcome.BEYOND_CONTROLS: f"Yes, the feedback helped, beyond every control{where and ','}{where}",
        Outcome.NOT_BEYOND_CONTROLS: f"Better than before{where}, but not beyond every control, so the gain cannot be "
        "put down to what the answers said",
        Outcome.WITHOUT_CONTROLS: f"Better than before{where}, but no control was run, so it is not known how much of "
        "the gain is owed to the answers",
        Outcome.UNCLEAR: f"No difference from before is shown{where}",
        Outcome.WORSE: f"No, the classifier is worse than before{where}",
    }[found]
    worse = f"; {lost}" if lost else ""
    return Verdict(found, lead + worse, _change(results, measure), _against_controls(results, measure))


def is_told(results: StudyResults, measure: Measure) -> bool:
    """Whether feedback and before were compared in `measure`."""
    return difference(results, measure, results.before) is not None


def _undecided(results: StudyResults, measure: Measure) -> str:
    return f"{measure.name} decides, and {_no_claim(results, measure)}"


def losses(results: StudyResults, *, besides: Measure) -> str:
    """Every other measure in which feedback is worse than before or than a control, in a clause; empty without any."""
    # not references and the ceiling, which know more: to lose to them says nothing about the answers
    rivals = results.of_role("before", "control")
    found = []
    for measure in all_measures(results):
        compared = [(arm, difference(results, measure, arm)) for arm in rivals if measure != besides]
        lost = [_distance(measure, there, arm) for arm, there in compared if direction(measure, there) == "worse"]
        found += [f"{measure.name} is {_listed(lost)}"] if lost else []
    return "; ".join(found)


def findings(results: StudyResults) -> list[tuple[str, str]]:
    """(topic, sentence) for each measure that the first sentence does not tell of."""
    told = deciding(results) if reach_verdict(results).outcome is not Outcome.LEFT else None
    topics = {SHIFTED: "Shifted images", ECE: "Calibration", robustness(results): "Robustness"}
    topics[SHORTCUT_SHARE] = "Reasons"
    topics[clean(results)] = "Test images" if carries_shortcut(results) else "Clean images"
    texts = [
        (topic, _finding(results, measure))
        for measure, topic in topics.items()
        if measure is not None and not (measure == told and is_told(results, measure))
    ]
    return [(topic, _capital(text) + ".") for topic, text in texts if text]


def _finding(results: StudyResults, measure: Measure) -> str:
    if is_told(results, measure):
        return _change(results, measure) + _against_controls(results, measure)
    values = [(arm.arm.label, arm.measured(measure)) for arm in results.arms.values()]
    known = [f"{write(measure, value.estimate)} ({label})" for label, value in values if value is not None]
    return f"{measure.name} is {_listed(known)}; {_no_claim(results, measure)}" if known else ""


def _no_claim(results: StudyResults, measure: Measure) -> str:
    doubtful = [arm.arm.label for arm in (results.before, results.feedback) if not arm.is_reliable(measure)]
    why = f"a sanity check failed for {_listed(doubtful)}" if doubtful else "it was not compared in pairs"
    return f"no difference is claimed, because {why}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(items: list[str]) -> str:
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def _change(results: StudyResults, measure: Measure) -> str:
    """`accuracy … rose from 41.6 % to 73.1 %, by 31.5 points (95 % interval 27.1 to 35.8)`."""
    changed = difference(results, measure, results.before)
    before, after = results.before.measured(measure), results.feedback.measured(measure)
    assert changed is not None
    assert before is not None
    assert after is not None
    told = direction(measure, changed) != "unclear"
    verb = ("rose" if changed.estimate > 0 else "fell") if told else "went"
    limits = write_interval(measure, _absolute(changed) if told else changed)
    if told:
        size = f"by {write_change(measure, abs(changed.estimate), sign=False)} ({LEVEL} {limits})"
    else:
        size = f"a change within chance ({write_change(measure, changed.estimate)}, {LEVEL} {limits})"
    ends = f"from {write(measure, before.estimate)} to {write(measure, after.estimate)}"
    return f"{measure.name} {verb} {ends}, {size}"


def _absolute(found: Interval) -> Interval:
    """The size of a difference that lies wholly on one side of 0."""
    return found if found.estimate >= 0 else Interval(-found.estimate, -found.high, -found.low)


def _against_controls(results: StudyResults, measure: Measure) -> str:
    """`, ending 43.3 points above cross-entropy only (39.0 to 47.7) and …`: one clause for each control."""
    clauses = [_against(results, measure, control) for control in results.of_role("control")]
    return f", ending {_listed(clauses)}" if clauses else ""


def _against(results: StudyResults, measure: Measure, arm: ArmResult) -> str:
    found = difference(results, measure, arm)
    if found is None:
        return f"not compared with {arm.arm.label}"
    if direction(measure, found) == "unclear":
        size = write_change(measure, found.estimate)
        return f"within chance of {arm.arm.label} ({size}, {write_interval(measure, found)})"
    return f"{_distance(measure, found, arm)} ({write_interval(measure, _absolute(found))})"


def _distance(measure: Measure, found: Interval | None, arm: ArmResult) -> str:
    """`7.3 points below random exchange`."""
    assert found is not None
    size = write_change(measure, abs(found.estimate), sign=False)
    return f"{size} {'above' if found.estimate > 0 else 'below'} {arm.arm.label}"
