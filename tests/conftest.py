"""What several test files share because it takes long to make."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from explainfb.results.records import StudyResults
from explainfb.testing.app_server import CHROMIUM, begin, chromium


@pytest.fixture(scope="session")
def waiting_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose first round waits for people; to be copied, not written to."""
    folder = tmp_path_factory.mktemp("waiting") / "study"
    begin(folder)
    return folder


@pytest.fixture(scope="module")
def blank_reports() -> Iterator[None]:
    """Studies of this file end with a page that says nothing: the real one takes half of a tiny study's time."""

    def write_blank(results: StudyResults, data: object, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(results.task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explainfb.study.study.collect_report_data", lambda context: None)
        patch.setattr("explainfb.study.study.write_report", write_blank)
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on the path")
    with chromium() as found:
        yield found
