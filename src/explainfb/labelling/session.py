"""One annotator's work: what is asked next, and what an answer does. The database is the only memory."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from explainfb.core.types import Answer, ExplanationKey
from explainfb.store import Annotator, Lease, Outlook, Rating, Response, Store, StoredAnswer, StoredComparison
from explainfb.store.answers import APP_VERSION

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")
FASTEST = timedelta(seconds=0.4)
"""Nobody has seen a comparison after less; such an answer is the second half of a double press."""
USUAL_SECONDS = 6.0
"""Taken for an answer until the annotator's own pace is known."""
PACE_ANSWERS = 20
"""The latest answers that tell the pace."""
BREAK_SECONDS = 120.0
"""A longer time between two answers is a break and tells nothing about the pace."""


@dataclass(frozen=True)
class Moment:
    """When something was shown: the time since then is that of a clock that nobody sets."""

    tick: float = field(default_factory=time.monotonic)

    @property
    def by_clock(self) -> datetime:
        """By the clock as it is set now. Were it written down when it was shown, and the clock set before the answer,
        an answer would have taken an hour more than it did, or have been given before it was asked."""
        return datetime.now(UTC) - timedelta(seconds=time.monotonic() - self.tick)


@dataclass(frozen=True, kw_only=True)
class AnnotationSession:
    """Where one annotator is asked. Every method may raise `InputError`, whose message is for the annotator."""

    store: Store
    annotator: Annotator
    overlap: int
    """How many people answer each comparison."""
    lease_seconds: float

    def next(self) -> Lease | None:
        """The comparison to be answered now, after a reload the same one; None when there is none."""
        return self.store.next_comparison(
            self.annotator, now=datetime.now(UTC), overlap=self.overlap, lease_seconds=self.lease_seconds
        )

    def upcoming(self) -> StoredComparison | None:
        """What will be asked after the present comparison, kept from others; None where nothing can be promised."""
        return self.store.keep_next(
            self.annotator, now=datetime.now(UTC), overlap=self.overlap, lease_seconds=self.lease_seconds
        )

    def answer(
        self, lease: Lease, answer: Answer, *, shown_at: datetime, comment: str = "", said: str | None = None
    ) -> StoredAnswer | None:
        """Store the answer, once however often it is sent; None when it came too soon to be one."""
        if _too_soon(shown_at):
            return None
        return self._respond(lease.comparison, answer, shown_at=shown_at, token=lease.token, comment=comment, said=said)

    def change(
        self,
        old: StoredAnswer,
        answer: Answer,
        *,
        shown_at: datetime,
        token: str,
        comment: str = "",
        said: str | None = None,
    ) -> StoredAnswer | None:
        """Put another answer in the place of `old`, which stays on record; None when it came too soon to be one."""
        if _too_soon(shown_at):
            return None
        return self._respond(
            old.comparison, answer, shown_at=shown_at, token=token, comment=comment, supersedes=old.id, said=said
        )

    def undo(self, latest: int | None, *, shown_at: datetime) -> bool:
        """Take back answer `latest`, the last one that the page knew, and ask its comparison again.

        Where one side of the present comparison is rated, that rating is taken back instead. Nothing is taken back
        twice, and nothing too soon to be meant. False when there is nothing to take back.
        """
        now = datetime.now(UTC)
        if _too_soon(shown_at):
            return True
        # `latest` is what the page showed: a second press, or another tab, takes back no further answer
        lease = self.next()
        if lease is not None and self._rated(lease):
            self.store.lease_anew(self.annotator, lease.comparison, now=now, lease_seconds=self.lease_seconds)
            return True
        answers = self.history(1)
        if answers and answers[0].id == latest:
            self.store.undo(self.annotator, answers[0], now=now, overlap=self.overlap, lease_seconds=self.lease_seconds)
        return bool(answers)

    def history(self, limit: int = 10) -> list[StoredAnswer]:
        """The annotator's current answers, the latest first."""
        return self.store.history(self.annotator, limit=limit)

    def next_to_rate(self) -> tuple[Lease, Side] | None:
        """The comparison whose explanations are to be rated now, and which of them; None when there is none."""
        while (lease := self.next()) is not None:
            rated = self._rated(lease)
            unrated = next((side for side in SIDES if side not in rated), None)
            if unrated is not None:
                return lease, unrated
            self._answer_by_ratings(lease, rated)  # after a crash between the second rating and the answer
        return None

    def rate(self, lease: Lease, side: Side, rating: int, *, shown_at: datetime, comment: str = "") -> bool:
        """Store a rating from 1 to 5; with that of the second side, the comparison is answered by the higher one.

        False when the rating came too soon to be one.
        """
        if _too_soon(shown_at):
            return False
        asked = lease.comparison.comparison
        key = asked.left if side == "left" else asked.right
        self._store_rating(key, asked.round, rating, shown_at, token=_rating_token(lease, side), comment=comment)
        rated = self._rated(lease)
        if len(rated) == 2:
            self._answer_by_ratings(lease, rated)
        return True

    def ratings_of(self, answer: StoredAnswer) -> dict[Side, int]:
        """The annotator's present ratings of the two sides of an answered comparison."""
        asked = answer.comparison.comparison
        found = {each.explanation: each.rating for each in self.store.ratings(self.annotator.name, asked.round)}
        sides = zip(SIDES, (asked.left, asked.right), strict=True)
        return {side: found[key] for side, key in sides if key in found}

    def change_ratings(
        self, old: StoredAnswer, ratings: Mapping[Side, int], *, shown_at: datetime, token: str
    ) -> StoredAnswer | None:
        """Rate both sides of an answered comparison anew and put the answer that follows in the place of `old`.

        None when it came too soon to be meant.
        """
        changed = self.change(old, _by_ratings(ratings["left"], ratings["right"]), shown_at=shown_at, token=token)
        if changed is not None:
            asked = old.comparison.comparison
            for side, key in zip(SIDES, (asked.left, asked.right), strict=True):
                self._store_rating(key, asked.round, ratings[side], shown_at, token=f"{token}-{side}")
        return changed

    def outlook(self) -> Outlook:
        """How many comparisons are done and how many are left."""
        return self.store.outlook(self.annotator, now=datetime.now(UTC), overlap=self.overlap)

    def seconds_each(self) -> float:
        """How long the annotator takes from one answer to the next, about."""
        moments = sorted(answer.responded_at for answer in self.history(PACE_ANSWERS))
        between = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
        paces = [seconds for seconds in between if 0 <= seconds < BREAK_SECONDS]
        return median(paces) if len(paces) >= 3 else USUAL_SECONDS

    def _rated(self, lease: Lease) -> dict[Side, Rating]:
        """The ratings given under this lease; those before an undo have another token."""
        found = self.store.ratings(self.annotator.name, lease.comparison.comparison.round)
        return {side: each for side in SIDES for each in found if each.token == _rating_token(lease, side)}

    def _store_rating(
        self,
        key: ExplanationKey,
        round_number: int,
        rating: int,
        shown_at: datetime,
        *,
        token: str,
        comment: str = "",
    ) -> None:
        now = datetime.now(UTC)
        given = Rating(
            explanation=key,
            rating=rating,
            annotator=self.annotator.name,
            round=round_number,
            shown_at=shown_at,
            responded_at=now,
            comment=comment or None,
            token=token,
        )
        self.store.rate(self.annotator, given, now=now)

    def _answer_by_ratings(self, lease: Lease, rated: dict[Side, Rating]) -> None:
        left, right = rated["left"], rated["right"]
        answer = _by_ratings(left.rating, right.rating)
        self._respond(
            lease.comparison,
            answer,
            shown_at=min(left.shown_at, right.shown_at),
            responded_at=max(left.responded_at, right.responded_at),
            token=lease.token,
        )

    def _respond(
        self,
        comparison: StoredComparison,
        answer: Answer,
        *,
        shown_at: datetime,
        token: str,
        responded_at: datetime | None = None,
        comment: str = "",
        supersedes: int | None = None,
        said: str | None = None,
    ) -> StoredAnswer:
        now = datetime.now(UTC)
        response = Response(
            comparison=comparison,
            answer=answer,
            shown_at=shown_at,
            responded_at=responded_at or now,
            app_version=APP_VERSION,
            token=token,
            comment=comment or None,
            supersedes=supersedes,
            said=said,
        )
        return self.store.answer(self.annotator, response, now=now, overlap=self.overlap)


def _too_soon(shown_at: datetime) -> bool:
    """Whether a press is the second half of a double press. One before its question was shown is not: between the two
    the clock was set back, and for an hour nothing that people press would count."""
    return timedelta(0) <= datetime.now(UTC) - shown_at < FASTEST


def _by_ratings(left: int, right: int) -> Answer:
    if left == right:
        return Answer.EQUAL
    return Answer.LEFT if left > right else Answer.RIGHT


def _rating_token(lease: Lease, side: Side) -> str:
    return f"{lease.token}-{side}"
