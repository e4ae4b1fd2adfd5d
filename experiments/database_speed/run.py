"""How long an annotator waits for the database: the next comparison, and an answer, in a study that has many.

    python -m experiments.database_speed.run
    python -m experiments.database_speed.run --db postgresql://USER:PASSWORD@HOST/EMPTY

Beside each round trip stands a bare SQLite insert, one row and one commit to a file on the same disk, timed in turn
with it. `page` is everything that the app asks the database to draw one question. Medians over the repeats, in
milliseconds, with the 95th percentile; written to results.json in --output.
"""

import json
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import tyro
from rich.progress import track

from experiments.database_speed.page import page_of
from experiments.page import write_json, write_page
from explainfb.core.types import Answer, Comparison, ExplanationKey, Preference
from explainfb.labelling.session import FASTEST, AnnotationSession
from explainfb.store import Store


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A study with many answers."""

    comparisons: int = 10_000
    answers: int = 100_000
    """On record before anything is timed, by as many people as it takes, each answering every comparison."""
    repeats: int = 200
    db: str | None = None
    """An empty PostgreSQL database; a SQLite file in a temporary folder without it."""
    output: Path = Path("studies/database_speed")

    @property
    def people(self) -> int:
        return self.answers // self.comparisons


def fill(store: Store, settings: Settings) -> None:
    """Ask and answer."""
    asked = [
        Comparison(ExplanationKey("round-0", 2 * number), ExplanationKey("round-0", 2 * number + 1), 1)
        for number in range(settings.comparisons)
    ]
    store.add_comparisons(asked, seed=0)
    now = datetime.now(UTC)
    for person in track(range(settings.people), "answering"):
        store.record([Preference(comparison, Answer.LEFT, f"person {person}", 0, now, now) for comparison in asked])


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def bare_insert(path: Path) -> Callable[[], None]:
    """One row, one commit, in a file of its own with the store's journal."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE answers (id INTEGER PRIMARY KEY, answer TEXT, at TEXT)")
    connection.commit()

    def insert() -> None:
        connection.execute("INSERT INTO answers (answer, at) VALUES ('left', 'now')")
        connection.commit()

    return insert


def measure(store: Store, settings: Settings, folder: Path) -> dict[str, list[float]]:
    """The times of each repeat, what is compared taking turns."""
    token = store.annotators.add("newcomer")
    newcomer = next(person for person in store.annotators.all() if person.name == "newcomer")
    session = AnnotationSession(store=store, annotator=newcomer, overlap=settings.people + 1, lease_seconds=600)
    insert = bare_insert(folder / "bare.db")
    times: dict[str, list[float]] = {"next": [], "answer": [], "page": [], "bare insert": []}

    def page() -> None:
        store.annotators.authenticate(token)
        store.annotators.visit("newcomer")
        session.next()
        session.outlook()
        session.seconds_each()

    for _ in track(range(settings.repeats), "measuring"):
        lease = session.next()
        assert lease is not None
        shown_at = datetime.now(UTC) - FASTEST
        times["page"].append(milliseconds(page))
        times["answer"].append(milliseconds(lambda: session.answer(lease, Answer.LEFT, shown_at=shown_at)))  # noqa: B023
        times["next"].append(milliseconds(session.next))
        times["bare insert"].append(milliseconds(insert))
    assert len(session.history(settings.repeats)) == settings.repeats
    return times


def main(settings: Settings) -> None:
    settings.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.output) as name:
        folder = Path(name)
        with Store(settings.db or folder / "study.db") as store:
            fill(store, settings)
            times = measure(store, settings, folder)
    found = {
        what: {"median": round(statistics.median(each), 2), "p95": round(statistics.quantiles(each, n=20)[-1], 2)}
        for what, each in times.items()
    }
    backend = "postgresql" if settings.db else "sqlite"
    path = settings.output / "results.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    size = {"comparisons": settings.comparisons, "answers": settings.answers, "repeats": settings.repeats}
    where = {"python": sys.version.split()[0], "machine": platform.machine()}
    write_json(known | {backend: {"settings": size, "milliseconds": found} | where}, path)
    write_page(page_of(path), settings.output)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
