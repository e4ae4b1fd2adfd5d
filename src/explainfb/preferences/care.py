"""Who does not seem to look: known answers missed, a pace nobody reads at, one side again and again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explainfb.preferences.agreement import annotator_quality
from explainfb.preferences.settings import CareSettings
from explainfb.store import StoredAnswer


@dataclass(frozen=True)
class Concern:
    """What speaks against one person's answers; to be looked at, and no proof."""

    annotator: str
    reasons: tuple[str, ...]
    """In sentences without an end, such as `1 of 6 known answers right`."""

    def __str__(self) -> str:
        return f"{self.annotator}: {'; '.join(self.reasons)}"


def concerns(answers: Sequence[StoredAnswer], settings: CareSettings) -> list[Concern]:
    """Those among whoever answered of whom something is to be said, in the order of their names."""
    found = []
    for quality in annotator_quality(answers):
        reasons = []
        right, of = quality.gold_correct, quality.gold_answered
        if of >= settings.known_answers and right < settings.right * of:
            reasons.append(f"{right} of {of} known answers right, under {settings.right:.0%}")
        if quality.answers >= settings.answers:
            if quality.seconds < settings.seconds:
                reasons.append(f"{quality.seconds:.1f} s an answer, under {settings.seconds:g} s")
            left = quality.left_share
            share = None if left is None else max(left.estimate, 1 - left.estimate)
            if left is not None and share is not None and share > settings.one_sided:
                side = "left" if left.estimate > 0.5 else "right"
                reasons.append(f"{side} in {share:.0%} of choices between the sides, over {settings.one_sided:.0%}")
        if reasons:
            found.append(Concern(quality.annotator, tuple(reasons)))
    return found


def effect_of_leaving_out(answers: Sequence[StoredAnswer], name: str, rounds: Mapping[int, bool]) -> str:
    """What leaving `name` out would change, or taking them back, in sentences; `rounds` tells which rounds are open."""
    mine = [each for each in answers if each.annotator == name and each.current and each.answer and not each.surplus]
    given = Counter(each.comparison.comparison.round for each in mine)
    if not given:
        return f"{name} has no answers that count, so nothing would change."
    listed = ", ".join(f"{given[each]} in round {each}" for each in sorted(given) if rounds.get(each))
    closed = ", ".join(f"{given[each]} in round {each}" for each in sorted(given) if not rounds.get(each))
    said = [f"Of the answers of {name}, those in open rounds ({listed}) would be asked of others."] if listed else []
    if closed:
        said.append(
            f"Rounds that are closed ({closed}) have learned from them already, and their rewards and classifiers "
            "stay as they are until explainfb run --refit learns them anew. What would change at once is agreement, "
            "left bias and exports, and the rewards of later rounds, which are fitted to the answers of all so far."
        )
    return " ".join(said)
