"""What a browser is given to keep when it follows a link, without a browser."""

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from explainfb.labelling.recruiting import open_link
from explainfb.labelling.server import COOKIE_SECONDS, app_script, cookie_of
from explainfb.store import Store
from explainfb.store.database_errors import UnreachableError


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(app_script().parent))
    return importlib.import_module("serve")


def serve_study(serve: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "database", lambda: store)
    serve.cookie.cache_clear()


def follow(serve: Any, link: str, cookies: str = "") -> Response:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": link.encode(), "more_body": False}

    headers = [(b"cookie", cookies.encode())]
    scope = {"type": "http", "method": "POST", "scheme": "http", "path": "/enter", "headers": headers}
    # in a thread of its own: in this one the browser of other tests may have a loop that runs
    with ThreadPoolExecutor(1) as thread:
        answer: Response = thread.submit(lambda: asyncio.run(serve.enter(Request(scope, receive)))).result()
    return answer


def kept(answer: Response) -> SimpleCookie:
    return SimpleCookie(answer.headers["set-cookie"])


def test_two_studies_on_one_host_keep_apart_and_a_visitor_comes_back(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar: dict[str, str] = {}
    for name in ("one", "other", "one"):  # after a restart, the first one again
        with Store(tmp_path / f"{name}.db") as store:
            store.write_setting("study", f"the identity of {name}")
            serve_study(serve, store, monkeypatch)
            token = open_link(store, most=5)
            cookies = "; ".join(f"{key}={value}" for key, value in jar.items())
            (found,) = kept(follow(serve, token, cookies)).values()
            assert found.key == cookie_of(store)
            assert int(found["max-age"]) == COOKIE_SECONDS
            jar[found.key] = found.value
            assert [person.name for person in store.annotators.all()] == ["visitor 1"]
    assert len(jar) == 2


def test_nothing_is_kept_where_the_database_is_away(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*given: object, **named: object) -> str:
        raise UnreachableError("away")

    with Store(tmp_path / "study.db") as store:
        serve_study(serve, store, monkeypatch)
        token = open_link(store, most=5)
        monkeypatch.setattr(store.annotators, "add", away)
        answer = follow(serve, token)
    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers
