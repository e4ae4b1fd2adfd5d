"""Answers a study that waits for people, in a real browser, as people would who are wrong one time in ten.

    explainfb run --study studies/people --annotator human &
    python -m experiments.labelling_app.run --study studies/people

Needs Chromium on the path and what the tests need (`pip install -e ".[test]"`). Each person has a browser context of
their own, looks at what the database leased to them, waits as long as a quick person would, and presses a key.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import tyro
from playwright.sync_api import Browser
from rich.console import Console

from explainfb.core.types import Answer
from explainfb.labelling.served_study import ServedStudy
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.store import Annotator
from explainfb.study.settings_file import read_settings
from explainfb.testing.app_server import App, Visitor, chromium, served

KEYS = {Answer.LEFT: "1", Answer.RIGHT: "2", Answer.EQUAL: "3"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Who answers what."""

    study: Path
    people: int = 3
    error_rate: float = 0.1
    seconds: float = 0.5
    """Between seeing a question and answering it; under 0.4 an answer is taken for a double press."""


class Person:
    """Someone at the browser who knows where good reasons lie."""

    def __init__(self, study: ServedStudy, app: App, browser: Browser, number: int, settings: Settings) -> None:
        self.study, self.seconds = study, settings.seconds
        self.visitor = Visitor(browser.new_context().new_page())
        name = f"person {number + 1}"
        self.visitor.page.goto(app.invite(name, practised=True))
        self.who: Annotator = next(each for each in study.store.annotators.all() if each.name == name)
        self.judge = SimulatedAnnotator(
            split=study.study.task.train, seed=number, error_rate=settings.error_rate, name=name
        )
        self.seen, self.since, self.answers = "", time.monotonic(), 0

    @property
    def is_done(self) -> bool:
        return self.visitor.page.get_by_text("Thank you!").count() > 0

    def look(self) -> None:
        """Answer the question on the page once it has been there for long enough."""
        shown = "".join(self.visitor.page.locator(".st-key-progress").all_inner_texts())
        if shown != self.seen:
            self.seen, self.since = shown, time.monotonic()
        elif shown and time.monotonic() - self.since > self.seconds:
            self._press()
            self.since = time.monotonic() + 3  # for as long, the page may take to show the next one

    def _press(self) -> None:
        session = self.study.session(self.who)
        lease = session.next()
        if lease is None:
            return
        asked = lease.comparison.comparison
        left, right = (self.study.stimuli.stimulus(key, asked.round).explanation for key in (asked.left, asked.right))
        self.visitor.page.keyboard.press(KEYS[asked.gold or self.judge.answer(asked, left, right)])
        self.answers += 1


def main(settings: Settings) -> None:
    console, start = Console(), datetime.now(UTC)
    read_settings(settings.study / "study.toml")
    study = ServedStudy.open(settings.study)
    with served(settings.study) as app, chromium() as browser:
        people = [Person(study, app, browser, number, settings) for number in range(settings.people)]
        while not all(person.is_done for person in people):
            for person in people:
                person.look()
            time.sleep(0.02)
    pressed = sum(person.answers for person in people)
    stored = sum(answer.current for answer in study.store.answers())
    console.print(f"{stored} answers on record of {pressed} pressed, {datetime.now(UTC) - start} in all")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
