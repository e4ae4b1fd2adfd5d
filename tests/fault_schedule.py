"""A fault schedule, as Jepsen has it: one thing after the other happens to a tiny study until it ends, which must then
be the study to which nothing happened, to the last bit.

    python tests/fault_schedule.py                                    # five minutes
    python tests/fault_schedule.py --seconds 3600 --seed 1            # an hour

With EXPLAINFB_TEST_POSTGRESQL every second study keeps its answers on a PostgreSQL server of its own. Printed is a
table of what was tried and what held; status 1 where something did not. tests/counting.py writes it into the documents.
"""

import argparse
import errno
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from counting import Tally
from explainfb.archive.checking import check_study
from explainfb.classifiers.classifier import fingerprint, load_classifier
from explainfb.core.errors import InputError
from explainfb.preferences import gathering
from explainfb.results.json_file import read_results
from explainfb.store import Store, annotators, study_store
from explainfb.study import folder as folder_module
from explainfb.study.folder import locked
from explainfb.study.settings import task_of
from explainfb.study.study import Study
from kills import TOLD, begin_child, end_child, kill
from small_studies import SMALL
from store_backends import OwnServer, fresh_url, own_server, server_is_there

LAST = 10**6
"""A point that no run comes to."""
FARTHEST = 25
"""Points that a run passes at most before something happens to it: a whole study has some 150."""
LOCKED = 4
"""Points that a run passes before its folder is locked: those of making it."""


@dataclass
class Trial:
    """One study, and what happens to it."""

    folder: Path
    database: str | Path
    drawn: random.Random
    server: OwnServer | None = None
    """That of the database; None of a SQLite file."""

    def work(self) -> None:
        with locked(self.folder):
            Study.open(self.folder, SMALL, database=self.database).run()

    def suffer(self, fault: Callable[[], object], work: Callable[[], None] | None = None) -> int | None:
        """Run until `fault` at a drawn point, and then on as far as it goes; returns its status, None where it ended
        before that point."""
        at = self.drawn.randint(1, FARTHEST)
        passed, status = end_child(*begin_child(work or self.work, at, fault))
        return None if status == 0 and passed < at else status


Held = bool | None
"""Whether a fault was survived as is promised; None where the study ended before it happened."""


def held(status: int | None, *expected: int) -> Held:
    return None if status is None else status in expected


def killed(trial: Trial) -> Held:
    return held(trial.suffer(kill), -signal.SIGKILL)


def refused(number: int, trial: Trial) -> Held:
    """From some point on the disk takes nothing more; the run must end in words, or at its end, if that was near."""

    def refuse() -> None:
        def say_no(*given: Any, **named: Any) -> None:
            raise OSError(number, os.strerror(number), str(given[0]) if given else None)

        for name in ("fsync", "replace", "mkdir"):
            setattr(os, name, say_no)

    return held(trial.suffer(refuse), 0, TOLD)


def clock_stepped(trial: Trial) -> Held:
    """The clock is wrong by up to two days, and the run is killed at some point."""
    off = timedelta(hours=trial.drawn.choice([-48, -1, 1, 24]))

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + off

    def work() -> None:
        for module in (gathering, annotators, study_store):
            module.datetime = Shifted  # type: ignore[attr-defined]
        trial.work()

    return held(trial.suffer(kill, work), -signal.SIGKILL)


def run_twice_at_once(trial: Trial) -> Held:
    """A second run is told that there is one already, wherever the first one is."""
    at = LOCKED + trial.drawn.randint(1, FARTHEST)
    child, reading = begin_child(trial.work, at, lambda: os.kill(os.getpid(), signal.SIGSTOP))
    stopped = os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    if not stopped:  # it had ended before
        os.close(reading)
        return None
    told = False
    try:
        with locked(trial.folder):
            pass
    except InputError as error:
        told = "being run by another process" in str(error)
    os.kill(child, signal.SIGKILL)
    end_child(child, reading)
    return told


def database_away(trial: Trial) -> Held:
    """Connections are ended by the server; a SQLite file is held by another program for a while."""
    return held(trial.suffer(partial(_take_away, trial.database)), 0, TOLD)


def _take_away(database: str | Path) -> None:
    if isinstance(database, Path):
        threading.Thread(target=_hold, args=(database,)).start()
        return
    url = make_url(database)
    admin = create_engine(url.set(drivername="postgresql+psycopg", query={}), isolation_level="AUTOCOMMIT")
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
    with admin.connect() as connection:
        connection.execute(text(ended), {"name": url.query["application_name"]})
    admin.dispose()


def server_crashed(trial: Trial) -> Held:
    """The whole server fails as by power, and is started again: waited for, or told at once where a run begins."""
    server = trial.server
    assert server is not None

    def crash() -> None:
        server.crash()
        server.start()

    return held(trial.suffer(crash), 0, TOLD)


def _hold(database: Path) -> None:
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(0.3)


FAULTS: dict[str, Callable[[Trial], Held]] = {
    "kill -9": killed,
    "a full disk": partial(refused, errno.ENOSPC),
    "a file system that became read-only": partial(refused, errno.EROFS),
    "a clock set wrong, then kill -9": clock_stepped,
    "a second run at once, then kill -9 of the first": run_twice_at_once,
    "the database away for a moment": database_away,
}
OF_A_SERVER: dict[str, Callable[[Trial], Held]] = {"the database's server crashed": server_crashed}


def numbers(folder: Path, database: str | Path) -> object:
    """What the study found, without how long it took and where."""
    with Store(database) as store:
        answers = [(each.comparison, each.annotator, each.answer) for each in store.answers()]
    weights = {
        path.relative_to(folder): fingerprint(load_classifier(path))
        for path in folder.rglob("classifiers/*.safetensors")
    }
    return replace(read_results(folder / "results.json"), seconds={}), answers, weights


def run_schedule(seconds: float, seed: int, folder: Path, tally: Tally | None = None) -> Tally:
    """One study after the other until the time is up, everything has happened, and each database had one."""
    task, drawn, tally = task_of(SMALL), random.Random(seed), tally or Tally()
    folder_module.task_of = lambda *_: task  # type: ignore[assignment]  # loaded once: what is tried comes after it
    begin = time.monotonic()
    Study.open(folder / "nothing happened", SMALL).run()
    expected = numbers(folder / "nothing happened", folder / "nothing happened" / "study.db")
    with ExitStack() as opened:
        servers = [None, *([opened.enter_context(own_server())] if server_is_there() else [])]
        number, wanted = 0, {*FAULTS, *(OF_A_SERVER if len(servers) > 1 else ())}
        while time.monotonic() - begin < seconds or number < len(servers) or not wanted <= tally.tried.keys():
            server = servers[number % len(servers)]
            backend = "SQLite" if server is None else "PostgreSQL"
            place = folder / f"study-{number}"
            with _fresh_database(server, place) as database:
                _suffer_all(Trial(place, database, drawn, server), tally)
                ended = numbers(place, database) == expected
                sound = not check_study(place, None if server is None else database).damaged
            tally.count(f"studies on {backend} that ended with the numbers of the one to which nothing happened", ended)
            tally.count("and that check found sound", sound)
            shutil.rmtree(place)
            number += 1
    return tally


@contextmanager
def _fresh_database(server: OwnServer | None, place: Path) -> Iterator[str | Path]:
    """An empty one, whose connections are known by a name of their own."""
    if server is None:
        yield place / "study.db"
        return
    with fresh_url("postgresql", place, server.url) as url:
        named = make_url(url).update_query_dict({"application_name": f"faults-{os.getpid()}-{place.name}"})
        yield named.render_as_string(hide_password=False)


def _suffer_all(trial: Trial, tally: Tally) -> None:
    """Every fault once, in a drawn order, and then to the end."""
    faults = FAULTS | (OF_A_SERVER if trial.server else {})
    for name in trial.drawn.sample(list(faults), len(faults)):
        if (survived := faults[name](trial)) is not None:
            tally.count(name, survived)
    passed, status = end_child(*begin_child(trial.work, LAST, kill))
    tally.count("the same command at last, undisturbed", status == 0 and passed > 0)


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--seconds", type=float, default=300, help="how long, about")
    given.add_argument("--seed", type=int, default=0, help="what is drawn from it: which faults, and when")
    wanted = given.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = run_schedule(wanted.seconds, wanted.seed, Path(made))
    print(found.table())
    sys.exit(found.held != found.tried)
