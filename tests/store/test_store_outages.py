"""A database that is away for a while: a run waits for it, says so once, and goes on."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from counting import count
from explainfb.core.errors import InputError
from explainfb.preferences import gathering
from explainfb.preferences.gathering import wait_for_people
from explainfb.store import Store
from explainfb.store.safekeeping import outages
from store_backends import BACKENDS, POSTGRESQL, comparisons, fresh_url, own_server, preference

ITEMS = comparisons(3)


@dataclass
class Proxy:
    """Passes connections on to the PostgreSQL server, until it is told to be away."""

    target: tuple[str, int]
    away: bool = False
    open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """As a server that is stopped: connections end, and new ones are refused."""
        self.away = True
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.away:
                    client.close()
                    continue
                server = socket.create_connection(self.target)
                self.open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(outages, "FIRST_WAIT", 0.05)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    if not POSTGRESQL:
        pytest.skip("EXPLAINFB_TEST_POSTGRESQL holds no postgresql:// URL")
    with fresh_url("postgresql", tmp_path) as url:
        yield url


@contextmanager
def waiting(url: str | Path, said: list[str]) -> Iterator[None]:
    """A run that waits for people, until it has its answers; they come after what is done inside."""
    with Store(url) as store:
        store.add_comparisons(ITEMS, seed=7)
    done = threading.Event()

    def wait() -> None:
        with Store(url, on_outage=said.append, busy_seconds=0.1) as store:
            wait_for_people(store, 1, overlap=1, step=lambda _: None)
        done.set()

    run = threading.Thread(target=wait, daemon=True)
    run.start()
    time.sleep(0.2)
    yield
    with Store(url) as store:
        store.record([preference(item) for item in ITEMS])
    assert done.wait(20), said
    with Store(url) as store:
        assert store.rounds() == {1: False}


def test_a_server_that_is_stopped_and_started_is_waited_for(server: str) -> None:
    parsed, said = make_url(server), []
    proxy = Proxy((parsed.host or "127.0.0.1", parsed.port or 5432))
    through = parsed.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    with waiting(through, said):
        proxy.cut()
        time.sleep(1.5)
        proxy.away = False
        time.sleep(0.5)
    assert len(said) == 2
    assert "cannot be reached" in said[0]
    assert "It is waited for" in said[0]
    assert said[1] == "The database is there again."
    assert str(parsed.password) not in said[0]


def test_a_server_that_crashes_and_comes_back_is_waited_for_and_has_what_it_had() -> None:
    said: list[str] = []
    with own_server() as server, waiting(server.url, said):
        with Store(server.url) as store:
            store.record([preference(ITEMS[0], annotator="the first")])
        for _ in range(2):
            server.crash()
            time.sleep(0.3)
            server.start()
        with Store(server.url) as store:
            assert [each.annotator for each in store.answers()] == ["the first"]
    assert "cannot be reached" in said[0]
    assert said[-1] == "The database is there again."
    count("a PostgreSQL server that crashes under a run that waits for people", times=2)


def test_a_server_that_ends_connections_is_asked_again(server: str) -> None:
    marked, said = make_url(server).update_query_dict({"application_name": "explainfb-outage"}), []
    admin = create_engine(make_url(POSTGRESQL).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with waiting(marked.render_as_string(hide_password=False), said), admin.connect() as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'explainfb-outage'"
        ended = 0
        for _ in range(60):
            ended += len(connection.execute(text(query)).all())
            time.sleep(0.01)
    admin.dispose()
    assert ended >= 3  # it waits longer each time


def test_a_database_that_others_hold_is_waited_for(tmp_path: Path) -> None:
    file, said = tmp_path / "study.db", []
    with Store(file, on_outage=said.append, busy_seconds=0.1) as store:
        store.add_comparisons(ITEMS, seed=7)
        other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.8, other.rollback).start()
        store.close_round(1)
        assert store.rounds() == {1: False}
        other.close()
    assert len(said) == 2
    assert "is held by another program" in said[0]


def test_an_outage_without_anybody_to_tell_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be reached"):
        Store("postgresql://127.0.0.1:1/study", on_outage=lambda _: None)


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_a_process_has_few_connections(backend: str, tmp_path: Path) -> None:
    """A server has a hundred for everybody."""
    with fresh_url(backend, tmp_path) as url:
        marked = make_url(url).update_query_dict({"application_name": "explainfb-crowd"})
        admin = create_engine(make_url(POSTGRESQL).set(drivername="postgresql+psycopg"))
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'explainfb-crowd'"
        with Store(marked.render_as_string(hide_password=False)) as store, admin.connect() as connection:
            threads = [threading.Thread(target=lambda: [store.comparisons() for _ in range(10)]) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert connection.execute(text(count)).scalar_one() <= 4
        admin.dispose()
