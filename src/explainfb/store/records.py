"""What the store hands out: frozen records, and how they are read from rows."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from explainfb.core.errors import InputError
from explainfb.core.types import GOOD, Answer, Comparison, ExplanationKey, Preference


class Role(StrEnum):
    """What a link opens."""

    ANNOTATOR = "annotator"
    RESEARCHER = "researcher"


class Kind(StrEnum):
    """What can happen to an annotator besides an answer."""

    CONSENTED = "consented"
    PRACTISED = "practised"
    """One practice comparison was answered; the detail names which."""
    PAUSED = "paused"
    RESUMED = "resumed"
    FINISHED = "finished"
    EXCLUDED = "excluded"
    """Left out of the fit; the detail says why, `by` says who decided."""
    INCLUDED = "included"
    ENDED = "ended"
    """Asked no more, with thanks; the detail says why."""
    JOINED = "joined"
    """Came by the open link."""
    SHORTCUTS_OFF = "shortcuts off"
    """Single keys are to do nothing."""
    SHORTCUTS_ON = "shortcuts on"


@dataclass(frozen=True)
class Annotator:
    """A person, or a simulated annotator, who has a name in the study."""

    id: int
    name: str
    role: Role
    has_link: bool
    excluded: bool
    """Whether the answers are left out of the fit."""


@dataclass(frozen=True)
class AnnotatorEvent:
    """Something that happened to an annotator."""

    annotator: str
    kind: Kind
    detail: str
    by: str
    at: datetime
    id: int = 0
    """In the order of recording."""


@dataclass(frozen=True)
class Forgotten:
    """What is left of people whose answers were deleted at their wish."""

    people: int
    answers: int
    """How many answers they had given."""


@dataclass(frozen=True)
class Visit:
    """Where an annotator has got to, as the events tell."""

    consented: bool
    practised: frozenset[str]
    """The practice comparisons answered."""
    paused: bool
    finished: bool
    ended: bool
    """Asked no more, unless a researcher took the person back since."""
    taken_back: bool
    """Whether a researcher ever took the person back: nothing is decided without one any more."""
    shortcuts: bool
    """Whether single keys answer."""


@dataclass(frozen=True)
class StoredComparison:
    """A comparison and its id, which orders comparisons by round and position."""

    id: int
    comparison: Comparison


@dataclass(frozen=True)
class Lease:
    """A comparison that is one annotator's to answer until it expires."""

    comparison: StoredComparison
    token: str
    """To be sent with the answer: however often it arrives, it counts once."""
    expires_at: datetime


@dataclass(frozen=True)
class Outlook:
    """How far one annotator is with the rounds that are open."""

    done: int
    """Comparisons of open rounds that the annotator has answered."""
    left: int
    """Those that the annotator could still be asked, unless others are quicker."""
    given: int
    """Comparisons of all rounds that the annotator has answered."""


@dataclass(frozen=True)
class StoredAnswer:
    """One event of answering; it never changes, and a later one may supersede it."""

    id: int
    comparison: StoredComparison
    annotator: str
    answer: Answer | None
    """None where the annotator took the superseded answer back."""
    seed: int
    shown_left: ExplanationKey
    shown_right: ExplanationKey
    shown_at: datetime
    responded_at: datetime
    recorded_at: datetime
    app_version: str
    comment: str | None
    supersedes: int | None
    """The id of the answer that this one replaces."""
    surplus: bool
    """On record, but not counted: enough others had answered, or the round was closed."""
    current: bool
    """Whether nothing supersedes it."""
    said: str | None = None
    """What else was said, in the question's own words: pieces pointed at, the best and the worst."""

    @property
    def is_as_known(self) -> bool:
        """Whether it is the known answer of its item; of a ranking, whether the good one was named as the best."""
        asked = self.comparison.comparison
        if self.answer is not Answer.RANKED:
            return self.answer is not None and self.answer == asked.gold
        best = (self.said or "").split()[1:2]
        return best == [str(place) for place, key in enumerate(asked.shown) if key.classifier == GOOD]

    @property
    def preference(self) -> Preference:
        """The answer as the reward model is taught it. Raises `InputError` for an answer taken back."""
        if self.answer is None:
            raise InputError(f"Event {self.id} takes an answer back; only an answer is a preference.")
        return Preference(
            self.comparison.comparison,
            self.answer,
            self.annotator,
            self.seed,
            self.shown_at,
            self.responded_at,
            self.said,
        )


@dataclass(frozen=True)
class Progress:
    """How far a round is."""

    asked: int
    """Comparisons in the round."""
    answered: int
    """Comparisons that have all the answers wanted."""
    answers: int
    """Answers that count, over all comparisons."""

    @property
    def complete(self) -> bool:
        return self.answered == self.asked


def stored_comparison(row: RowMapping) -> StoredComparison:
    """From a row with the columns of `comparisons`, its id under `comparison_id`."""
    comparison = Comparison(
        ExplanationKey(row["left_classifier"], row["left_image"], row["left_superpixel"]),
        ExplanationKey(row["right_classifier"], row["right_image"], row["right_superpixel"]),
        row["round"],
        None if row["gold"] is None else Answer(row["gold"]),
        row["asked"] or "compare",
        tuple(ExplanationKey.parse(key) for key in (row["others"] or "").split()),
    )
    return StoredComparison(row["comparison_id"], comparison)


def stored_answer(row: RowMapping, comparison: StoredComparison) -> StoredAnswer:
    """From a row with the columns of `answers`, the annotator's name and `superseded_by`."""
    same: dict[str, Any] = {name: row[name] for name in _SAME}
    return StoredAnswer(
        comparison=comparison,
        annotator=row["name"],
        answer=None if row["answer"] is None else Answer(row["answer"]),
        shown_left=ExplanationKey.parse(row["shown_left"]),
        shown_right=ExplanationKey.parse(row["shown_right"]),
        current=row["superseded_by"] is None,
        **same,
    )


_SAME = (
    "id", "seed", "shown_at", "responded_at", "recorded_at", "app_version", "comment", "supersedes", "surplus", "said",
)  # fmt: skip
