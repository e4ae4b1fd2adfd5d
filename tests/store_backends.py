"""Fresh databases for the store's tests: a SQLite file, and a schema of its own on the PostgreSQL server if any."""

import os
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, select, text

from explainfb.core.types import Answer, Comparison, ExplanationKey, Preference
from explainfb.store import Annotator, Response, Store, StoredComparison, schema
from explainfb.store import comparisons as store_comparisons

POSTGRESQL = os.environ.get("EXPLAINFB_TEST_POSTGRESQL", "")
BACKENDS = [
    "sqlite",
    pytest.param(
        "postgresql",
        marks=pytest.mark.skipif(not POSTGRESQL, reason="EXPLAINFB_TEST_POSTGRESQL holds no postgresql:// URL"),
    ),
]
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


@contextmanager
def fresh_url(backend: str, folder: Path) -> Iterator[str]:
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'study.db'}"
        return
    schema = f"test_{secrets.token_hex(8)}"
    server = make_url(POSTGRESQL).set(drivername="postgresql+psycopg")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        yield server.update_query_dict({"options": f"-csearch_path={schema} -cTimeZone=Asia/Kolkata"}).render_as_string(
            hide_password=False
        )
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        admin.dispose()


def comparison(image: int, *, round: int = 1, gold: Answer | None = None) -> Comparison:
    return Comparison(ExplanationKey("round-0", image), ExplanationKey(f"round-{round}", image), round, gold)


def comparisons(count: int, *, round: int = 1) -> list[Comparison]:
    return [comparison(image, round=round) for image in range(count)]


def preference(item: Comparison, answer: Answer = Answer.LEFT, annotator: str = "simulated") -> Preference:
    return Preference(item, answer, annotator, 7, NOON, NOON + timedelta(seconds=2))


def people(store: Store, *names: str) -> list[Annotator]:
    """Add annotators; return them in the order of their names' arguments."""
    for name in names:
        store.annotators.add(name)
    known = {each.name: each for each in store.annotators.all()}
    return [known[name] for name in names]


def response(
    stored: StoredComparison, answer: Answer | None, token: str | None = None, supersedes: int | None = None
) -> Response:
    return Response(
        comparison=stored,
        answer=answer,
        shown_at=NOON,
        responded_at=NOON + timedelta(seconds=3),
        app_version="1.0",
        token=token,
        supersedes=supersedes,
    )


def answered_ids(store: Store) -> Sequence[int]:
    return [each.comparison.id for each in store.answers()]


def check_counters(store: Store) -> None:
    """Assert that the counter of every comparison is what its events add up to, and that counting anew agrees."""
    excluded = {each.name for each in store.annotators.all() if each.excluded}
    counted = Counter(
        each.comparison.id
        for each in store.answers()
        if each.current and each.answer and not each.surplus and each.annotator not in excluded
    )
    query = select(schema.comparisons.c.id, schema.comparisons.c.answers)
    with store._database.write() as connection:
        kept = {key: answers for key, answers in connection.execute(query) if answers}
        store_comparisons.recount(connection, select(schema.rounds.c.round))
        assert kept == counted == {key: answers for key, answers in connection.execute(query) if answers}
