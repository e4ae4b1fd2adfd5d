"""For the tests of the annotators' app: studies that wait for answers, the app's server, people with browsers."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from explainfb.core.types import Comparison
from explainfb.labelling.practice import NAMES
from explainfb.labelling.server import link
from explainfb.questions import QUESTIONS
from explainfb.store import Kind, Role, Store
from explainfb.study.folder import STUDY
from explainfb.study.settings import StudySettings, command_line
from explainfb.study.settings_file import read_settings, write_settings
from explainfb.testing.tiny import TINY

WAITING = replace(TINY, annotator="human", comparisons_per_round=24, rounds=1, controls=())
"""A tiny study for people: 24 comparisons and up to 2 gold ones in one round."""
CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # which Chromium needs where tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OfExplanations = Literal["compare", "yes-no", "point", "rank"]
PATIENCE = 120_000
"""Milliseconds for anything to appear."""
DELIBERATE = 450
"""Milliseconds after which a press is not taken for the second half of a double press."""

STILL = 200
"""Milliseconds after which pictures that have not changed are taken for all that is to come."""
PICTURES = """() => {
    const sources = key => [...document.querySelectorAll(`[class*=st-key-${key}-] img`)].map(image => image.src);
    const drawn = document.querySelector("[data-test-script-state=notRunning]:not(:has([data-ahead]))");
    return drawn && sources("picture").length === sources("beneath").length ? sources("picture") : null;
}"""
"""The explanations on the page, or null while it is being drawn."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "explainfb", *arguments]


def run_command(folder: Path, settings: StudySettings, *more: str) -> list[str]:
    return command(*shlex.split(command_line(settings))[1:], "--study", str(folder), *more)


def begin(folder: Path, settings: StudySettings = WAITING) -> None:
    """Run the study as far as its first questions, then kill it, so that nobody waits for the answers."""
    with running(folder, settings) as process:
        wait_for_questions(folder, process)


@contextmanager
def running(folder: Path, settings: StudySettings, *more: str) -> Iterator[subprocess.Popen[str]]:
    """`explainfb run` in a process of its own, killed at the end if it has not ended."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        run_command(folder, settings, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_questions(folder: Path, process: subprocess.Popen[str], round: int = 1) -> None:
    deadline = time.monotonic() + 600  # on a machine that has much else to do
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        if (folder / "identity.json").is_file():
            with Store(folder / "study.db") as store:
                if store.comparisons(round):
                    return
        time.sleep(0.2)
    raise AssertionError("no comparison was asked within ten minutes")


def copy_study(template: Path, folder: Path) -> Path:
    shutil.copytree(template, folder)
    return folder


def move_to_database(folder: Path, url: str) -> None:
    """Put the study's questions into another database, as if it had been begun with it."""
    with Store(folder / "study.db") as old, Store(url) as new:
        identity = old.read_setting(STUDY)
        assert identity is not None
        new.write_setting(STUDY, identity)
        seed = WAITING.seed
        new.add_comparisons([stored.comparison for stored in old.comparisons()], seed=seed)


def ask_instead(folder: Path, *questions: OfExplanations) -> Path:
    """Let the study ask these questions in turn, as if it had been begun with the first; returns the folder."""
    settings = replace(read_settings(folder / "study.toml"), question=questions[0])
    write_settings(settings, folder / "study.toml")
    with Store(folder / "study.db") as old:
        identity = old.read_setting(STUDY)
        keys = dict.fromkeys(key for stored in old.comparisons() for key in stored.comparison.shown if not key.gold)
    assert identity is not None
    for file in folder.glob("study.db*"):
        file.unlink()
    rest, items = list(keys), list[Comparison]()
    for kind in cycle(questions):
        shown, rest = rest[: QUESTIONS[kind].shows], rest[QUESTIONS[kind].shows :]
        if len(shown) < QUESTIONS[kind].shows:
            break
        items.append(Comparison.about(shown, 1, asked=kind))
    with Store(folder / "study.db") as store:
        store.write_setting(STUDY, identity)
        store.add_comparisons(items, seed=settings.seed)
    return folder


@dataclass
class App:
    """The app's server."""

    study: Path
    port: int
    log: Path
    database: str | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Store:
        return Store(self.database or self.study / "study.db")

    def start(self) -> None:
        arguments = ["label", "--study", str(self.study), "--port", str(self.port)]
        arguments += ["--db", self.database] if self.database else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(*arguments), stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )
        deadline = time.monotonic() + 240  # on a machine that has much else to do
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            with (
                suppress(OSError, urllib.error.URLError),
                urllib.request.urlopen(f"{self.base}/_stcore/health") as page,
            ):
                assert page.status == 200
                return
            time.sleep(0.1)
        raise AssertionError(f"the app did not answer: {self.log.read_text()}")

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def invite(self, name: str, role: Role = Role.ANNOTATOR, *, practised: bool = False) -> str:
        """The personal link of someone, on wish past consent and practice."""
        with self.store as store:
            token = store.annotators.add(name, role=role)
            if practised:
                store.annotators.note(name, Kind.CONSENTED)
                for example in NAMES:
                    store.annotators.note(name, Kind.PRACTISED, detail=example)
            return link(self.base, token)


@contextmanager
def served(study: Path, database: str | None = None) -> Iterator[App]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = App(study, port, study.parent / f"app-{port}.log", database)
    app.start()
    try:
        yield app
    finally:
        app.kill()


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """Someone at a page of the app."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE)

    def find(self, key: str) -> Locator:
        """The widget or container with this key."""
        return self.page.locator(f".st-key-{key}")

    def settle(self) -> None:
        """Until the app has drawn everything that it was asked for."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")

    def visit(self, link: str, expected: str) -> None:
        self.page.goto(link)
        self.expect(expected)

    def expect(self, key: str) -> None:
        self.find(key).first.wait_for()
        self.settle()

    def read(self, text: str) -> None:
        """Wait until the page says `text`."""
        self.page.get_by_text(text).first.wait_for()
        self.settle()

    def press(self, key: str) -> None:
        """As a person does who looked first."""
        self.page.wait_for_timeout(DELIBERATE)
        self.page.keyboard.press(key)

    def click(self, key: str) -> None:
        self.page.wait_for_timeout(DELIBERATE)
        self.page.locator(f"[class*=st-key-{key}] button").first.click()

    @property
    def done(self) -> tuple[int, int]:
        """How many of how many, as the page tells."""
        text = self.find("progress").get_by_text(re.compile(r"\d+ of \d+,")).first.inner_text()
        found = re.search(r"(\d+) of (\d+),", text)
        assert found is not None
        return int(found[1]), int(found[2])

    def wait_for_done(self, count: int) -> None:
        self.find("progress").get_by_text(re.compile(rf"^{count} of \d+,")).wait_for()
        self.settle()

    def pictures(self) -> list[str]:
        """What the left and the right explanation look like, as data URIs, once the page has stopped changing them."""
        deadline = time.monotonic() + PATIENCE / 1000
        before: list[str] | None = None
        while True:
            shown: list[str] | None = self.page.evaluate(PICTURES)
            if shown and shown == before:
                return shown
            assert time.monotonic() < deadline, "no pictures were shown"
            before = shown
            self.page.wait_for_timeout(STILL)

    def wait_for_other_pictures(self, old: list[str]) -> bool:
        """Until another question is shown, or that there is none; whether there is one."""
        self.page.wait_for_function(
            """old => {
                const shown = [...document.querySelectorAll("[class*=st-key-picture-] img")].map(image => image.src);
                if (document.body.innerText.includes("Nothing to compare just now")) return true;
                return shown.length === old.length && shown.join() !== old.join();
            }""",
            arg=old,
        )
        self.settle()
        return self.page.get_by_text("Nothing to compare just now").count() == 0

    def get_ready(self, link: str) -> None:
        """Consent and practice by keyboard, as far as the first question."""
        self.visit(link, "agree")
        self.press("y")
        for key, further in (("2", "Enter"), ("4", "g"), ("5", "Enter")):
            self.page.get_by_text("Practice").first.wait_for()
            self.expect("answers")
            self.press(key)
            self.expect("go-on")
            self.press(further)
        self.expect("progress")
