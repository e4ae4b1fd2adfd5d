"""What several test files share because it takes long to make."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from explainfb.testing.app_server import CHROMIUM, begin, chromium


@pytest.fixture(scope="session")
def waiting_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose first round waits for people; to be copied, not written to."""
    folder = tmp_path_factory.mktemp("waiting") / "study"
    begin(folder)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on the path")
    with chromium() as found:
        yield found
