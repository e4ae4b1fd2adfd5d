"""One annotator at the session: being asked, answering and undoing as the page does it."""

from datetime import UTC, datetime, timedelta

from explainfb.core.types import Answer
from explainfb.labelling.session import AnnotationSession
from explainfb.store import Annotator, Lease, Store

COMPARISONS = 4
"""How many the store of these tests asks for."""


def desk_of(store: Store, who: Annotator, *, overlap: int = 1, lease_seconds: float = 60) -> AnnotationSession:
    return AnnotationSession(store=store, annotator=who, overlap=overlap, lease_seconds=lease_seconds)


def looked(seconds: float = 5) -> datetime:
    """When a question was first shown, to someone who has looked at it since."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def must_ask(session: AnnotationSession) -> Lease:
    lease = session.next()
    assert lease is not None
    return lease


def on_record(store: Store) -> list[tuple[Answer | None, bool]]:
    return [(event.answer, event.current) for event in store.answers()]


def answer_next(session: AnnotationSession, answer: Answer = Answer.LEFT) -> Lease:
    lease = must_ask(session)
    assert session.answer(lease, answer, shown_at=looked()) is not None
    return lease


def undo(session: AnnotationSession) -> bool:
    """As the page does, which knows the latest answer."""
    latest = next(iter(session.history(1)), None)
    return session.undo(latest and latest.id, shown_at=looked())
