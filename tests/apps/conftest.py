"""A server of the annotators' app that many tests share, each with the study as it was begun, and people who visit."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from app_visitors import NewVisitor
from explainfb.testing.app_server import App, Visitor, copy_study, served


@pytest.fixture(scope="session")
def shared_server(waiting_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with served(copy_study(waiting_study, tmp_path_factory.mktemp("shared") / "study")) as app:
        yield app


@pytest.fixture
def app(shared_server: App, waiting_study: Path, tmp_path: Path) -> App:
    """For tests that need no server of their own: it runs, and nobody was invited and nothing answered yet."""
    as_begun = copy_study(waiting_study, tmp_path / "as begun")
    with (
        closing(sqlite3.connect(as_begun / "study.db")) as begun,
        closing(sqlite3.connect(shared_server.study / "study.db")) as used,
    ):
        begun.backup(used)
    assert shared_server.process is not None
    if shared_server.process.poll() is not None:  # another test failed after it had killed the server
        shared_server.start()
    return shared_server


@pytest.fixture
def new_visitor(browser: Browser) -> Iterator[NewVisitor]:
    """Someone with a browser of their own, who leaves when the test ends: an open page goes on asking its server."""
    opened: list[BrowserContext] = []

    def arrive() -> Visitor:
        opened.append(browser.new_context())
        return Visitor(opened[-1].new_page())

    yield arrive
    for context in opened:
        context.close()
