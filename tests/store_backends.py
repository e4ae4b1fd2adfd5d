"""Fresh databases for the store's tests: a SQLite file, and a schema of its own on the PostgreSQL server if any."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, make_url, select, text

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
def fresh_url(backend: str, folder: Path, server_url: str = "") -> Iterator[str]:
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'study.db'}"
        return
    schema = f"test_{secrets.token_hex(8)}"
    server = make_url(server_url or POSTGRESQL).set(drivername="postgresql+psycopg")
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)  # it may crash meanwhile
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


PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Where Debian keeps those of PostgreSQL's newest version."""


def server_is_there() -> bool:
    """Whether a server of one's own can be started, and tests with PostgreSQL are wanted."""
    return PROGRAMS is not None and bool(POSTGRESQL)


@dataclass(frozen=True)
class OwnServer:
    """A PostgreSQL server that nobody else uses, so that it can be stopped."""

    url: str
    folder: Path
    user: str | None
    """Whose it is: PostgreSQL refuses to run as root."""

    def control(self, *words: str) -> None:
        assert PROGRAMS is not None
        command = [PROGRAMS / "pg_ctl", "--pgdata", self.folder / "data", "--silent", "--wait", *words]
        subprocess.run(command, check=True, user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        self.control("start", "--log", str(self.folder / "log"))

    def crash(self) -> None:
        """As power that fails: every connection ends, and its next start has to recover."""
        self.control("stop", "--mode", "immediate")


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A server of one's own while inside; the test is skipped where PostgreSQL's programs are not there."""
    if not server_is_there():
        pytest.skip("no PostgreSQL of Debian's is installed, or its tests are not wanted")
    assert PROGRAMS is not None
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="explainfb-postgresql-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if user is not None:
        shutil.chown(folder, user)
    server = OwnServer(f"postgresql://owner@127.0.0.1:{port}/postgres", folder, user)
    begin = [PROGRAMS / "initdb", "--pgdata", folder / "data", "--username", "owner", "--auth", "trust", "--no-sync"]
    subprocess.run(begin, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write(f"port = {port}\nunix_socket_directories = '{folder}'\nshared_buffers = '16MB'\nfsync = off\n")
    server.start()
    try:
        yield server
    finally:
        server.crash()
        shutil.rmtree(folder)


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
