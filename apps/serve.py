"""The server around the annotators' app: personal links, uploads that are refused, and headers that keep to itself.

A link is ENTER#TOKEN. What follows the # is sent to no server, so it is in no log and no Referer. The page ENTER sends
the token on in the body of a request, and the answer keeps it in a cookie that no script can read.
"""

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.starlette import App

from explainfb.core.errors import InputError
from explainfb.labelling.recruiting import join
from explainfb.labelling.server import COOKIE_SECONDS, DATABASE, ENTER, STUDY, app_script, cookie_of
from explainfb.store import Store

LONGEST_LINK = 2_000
LOGGER = logging.getLogger("explainfb.app")
HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # browsers themselves refuse what would ask another host
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'none'",
}
ENTRANCE = """<!doctype html><html><head><meta charset="utf-8"><title>…</title></head><body><script>
const link = location.hash.slice(1) + location.search;
history.replaceState(null, "", location.pathname);
const handedOn = fetch(location.pathname, {method: "POST", body: link, credentials: "same-origin"});
handedOn.finally(() => location.replace("./"));
</script></body></html>"""
"""Takes the token out of the address at once, hands it on, and goes to the app, whether the token is right or not."""


@cache
def database() -> Store:
    from explainfb.study import folder  # with PyTorch, which the server itself starts without

    return Store(os.environ.get(DATABASE) or Path(os.environ[STUDY]) / folder.DATABASE)


@cache
def cookie() -> str:
    return cookie_of(database())


def recruit(token: str, query: str, cookies: Mapping[str, str]) -> str:
    """What the browser is to keep: of the open link, a token of its visitor's own."""
    return join(database(), token, query, known=cookies.get(cookie(), ""))


async def enter(request: Request) -> Response:
    if request.method == "GET":
        return HTMLResponse(ENTRANCE, headers={"Cache-Control": "no-store"})
    link = b""
    async for part in request.stream():
        link += part
        if len(link) > LONGEST_LINK:
            return PlainTextResponse("", status_code=413)
    token, _, query = link.decode("ascii", "ignore").partition("?")
    try:
        token = await run_in_threadpool(recruit, token, query, request.cookies)
    except InputError:  # the app itself will say that something is wrong; what the browser kept may be right
        LOGGER.warning("A link could not be looked up.")
        return PlainTextResponse("", status_code=503)
    response = PlainTextResponse("")
    proxied = request.headers.get("x-forwarded-proto", request.url.scheme)
    # without a path, so that it is that of the page, also where a web server serves the app under a path of its own
    response.set_cookie(
        cookie(),
        token,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=proxied == "https",
        path=None,
    )
    return response


class Closed:
    """Refuses uploads before anything of them is read, sends links of the old form on, and adds the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        query = parse_qs(scope["query_string"].decode("ascii", "ignore"))
        if "/upload_file" in scope["path"]:
            answer: ASGIApp = PlainTextResponse("Nothing can be uploaded here.", status_code=403)
        elif scope["path"] == "/" and "link" in query:
            answer = RedirectResponse(f"{ENTER}#{query['link'][0]}", status_code=303)
        else:
            answer = self.app
        await answer(scope, receive, send_with_headers)


app = App(app_script(), routes=[Route(f"/{ENTER}", enter, methods=["GET", "POST"])], middleware=[Middleware(Closed)])
