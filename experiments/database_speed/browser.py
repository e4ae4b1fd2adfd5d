"""How long from the press of a key to the next pictures, painted in Chromium, in a study that has many answers?

    python -m experiments.database_speed.browser
    python -m experiments.database_speed.browser --db postgresql://USER:PASSWORD@HOST/EMPTY

First one browser alone, then eight at once for two minutes: answers a second, median and 95th percentile, and the most
memory that the server took. The clock is the browser's: it starts at the key and ends in the frame after both pictures
were there and decoded. Every press must be on record. Printed, and written to browser-BACKEND.json in --output.
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import tyro
from playwright.sync_api import Browser
from rich.console import Console

from experiments.page import write_json
from explainfb.core.types import Answer, Comparison, Preference
from explainfb.store import Store
from explainfb.study.folder import STUDY
from explainfb.testing.app_server import WAITING, App, Visitor, begin, chromium, served

WATCH = """() => {
    const sources = within => [...document.querySelectorAll(`${within} [class*=st-key-picture-] img`)];
    const asked = () => document.querySelector("h1[data-screen]")?.dataset.screen;
    const running = () => document.querySelector("[data-testid=stApp]").dataset.testScriptState !== "notRunning";
    const now = images => images.map(image => image.src).join();
    let pressed = 0, before = "", question = "", painted = false;
    window.waits = [];
    window.questions = [];
    window.addEventListener("keydown", () => {
        [pressed, before, question, painted] = [performance.now(), now(sources("")), asked(), false];
    }, true);
    const look = async () => {
        const ahead = sources("[data-ahead]"), images = ahead.length ? ahead : sources("");
        const since = pressed;
        if (since && !painted && images.length === 2 && now(images) !== before && images.every(each => each.complete)) {
            painted = true;
            await Promise.all(images.map(image => image.decode().catch(() => null)));
            requestAnimationFrame(() => window.waits.push(performance.now() - since));
        }
        if (since && painted && asked() !== question && !running() && !sources("[data-ahead]").length) {
            pressed = 0;
            requestAnimationFrame(() => window.questions.push(performance.now() - since));
        }
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
LAST_ONES = 30
"""Seconds that the last questions of all browsers may take."""
DELIBERATE = 0.6
"""Seconds from one answer's pictures to the next key; under 0.4 it would be taken for a double press."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A study with many answers, and who visits it."""

    comparisons: int = 10_000
    people: int = 10
    """Who have answered each comparison before."""
    presses: int = 100
    """Of the browser alone."""
    browsers: int = 8
    seconds: float = 120
    db: str | None = None
    """An empty PostgreSQL database; the study's SQLite file without it."""
    output: Path = Path("studies/database_speed")


def begin_study(folder: Path, settings: Settings) -> str | None:
    """A study whose first round has so many comparisons, all answered by so many people; its database."""
    more = settings.people + settings.browsers + 1
    begin(folder, replace(WAITING, train_images=1_000, comparisons_per_round=200, overlap=more, gold=0.0))
    path = folder / "study.db"
    with Store(path) as old:
        identity = old.read_setting(STUDY)
        shown = list(dict.fromkeys(key for each in old.comparisons() for key in each.comparison.shown))
    assert identity is not None
    path.unlink()
    pairs = itertools.islice(itertools.combinations(shown, 2), settings.comparisons)
    asked = [Comparison(left, right, 1) for left, right in pairs]
    assert len(asked) == settings.comparisons
    with Store(settings.db or path) as store:
        store.write_setting(STUDY, identity)
        store.add_comparisons(asked, seed=0)
        now = datetime.now(UTC)
        for person in range(settings.people):
            store.record([Preference(each, Answer.LEFT, f"person {person}", 0, now, now) for each in asked])
    return settings.db


class Person:
    """Someone at a browser, who presses a key as soon as a person could."""

    def __init__(self, app: App, browser: Browser, name: str) -> None:
        self.visitor, self.pressed, self.since = Visitor(browser.new_context().new_page()), 0, time.monotonic()
        self.visitor.visit(app.invite(name, practised=True), "progress")
        self.visitor.pictures()
        self.visitor.page.evaluate(WATCH)

    @property
    def waits(self) -> list[float]:
        """Milliseconds from each key to the next pictures."""
        found: list[float] = self.visitor.page.evaluate("window.waits")
        return found

    @property
    def questions(self) -> list[float]:
        """Milliseconds from each key to the next question as the server drew it, whose buttons answer."""
        found: list[float] = self.visitor.page.evaluate("window.questions")
        return found

    def press(self) -> None:
        """If the last answer's question has been there for long enough."""
        if len(self.questions) < self.pressed:
            self.since = time.monotonic()
        elif time.monotonic() - self.since > DELIBERATE:
            self.visitor.page.keyboard.press("12345"[self.pressed % 5])
            self.pressed += 1


def visit(people: Sequence[Person], until: float, presses: int) -> dict[str, float]:
    """Everybody answers until the clock says so or each has pressed so often."""
    start = time.monotonic()
    while time.monotonic() < until and any(person.pressed < presses for person in people):
        for person in people:
            person.press()
        time.sleep(0.005)
    took = time.monotonic() - start
    pressed = sum(person.pressed for person in people)
    for _ in range(LAST_ONES):  # of eight at once, the last may wait for seconds
        time.sleep(1)
        waits = [wait for person in people for wait in person.waits]
        if len(waits) == pressed:
            break
    else:
        raise RuntimeError(f"{pressed} keys were pressed and {len(waits)} new questions shown.")
    return {
        "answers": len(waits),
        "answers_a_second": round(len(waits) / took, 2),
        "median": round(statistics.median(waits), 1),
        "p95": round(statistics.quantiles(waits, n=20)[-1], 1),
    }


def most_memory(app: App) -> float:
    """Of the server's process so far, in MB, on Linux."""
    assert app.process is not None
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main(settings: Settings) -> None:
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        study = Path(name) / "study"
        database = begin_study(study, settings)
        with served(study, database) as app, chromium() as browser:
            alone = [Person(app, browser, "alone")]
            found: dict[str, object] = {"one browser": visit(alone, time.monotonic() + 600, settings.presses)}
            alone[0].visitor.page.context.close()
            together = [Person(app, browser, f"visitor at {number}") for number in range(settings.browsers)]
            found[f"{settings.browsers} browsers"] = visit(together, time.monotonic() + settings.seconds, 10**9)
            found["server, MB"] = round(most_memory(app))
            with app.store as store:
                stored = sum(answer.current for answer in store.answers())
    given = settings.comparisons * settings.people
    pressed = alone[0].pressed + sum(person.pressed for person in together)
    found |= {"on record": stored - given, "pressed": pressed, "before": given, "load": round(os.getloadavg()[0], 1)}
    settings.output.mkdir(parents=True, exist_ok=True)
    write_json(found, settings.output / f"browser-{'postgresql' if settings.db else 'sqlite'}.json")
    console.print_json(data=found)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
