"""Who does not seem to look: known answers missed, a pace nobody reads at, one side again and again."""

from collections.abc import Sequence
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
