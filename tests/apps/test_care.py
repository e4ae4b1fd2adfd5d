"""What people cannot see, cannot press or should not be told: focus, single keys, phones, addresses, uploads."""

import http.client
import re
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from app_visitors import NewVisitor
from explainfb.core.types import Answer
from explainfb.labelling.server import COOKIE_SECONDS, cookie_of
from explainfb.store import Kind
from explainfb.testing.app_server import App, Visitor

FOCUS = "document.activeElement.dataset.screen ?? document.activeElement.tagName"
VISIBLE = (
    "key => document.querySelector(`.st-key-${key} button, [class*=st-key-${key}] button`)?.getBoundingClientRect()"
)


@pytest.fixture
def phone(browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    yield Visitor(context.new_page())
    context.close()


def test_the_focus_goes_to_the_new_question_which_is_announced(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
    visitor.visit(app.invite("Fay", practised=True), "progress")
    for number, key in enumerate(("1", "5"), 1):
        visitor.press(key)
        visitor.wait_for_done(number)
        visitor.page.wait_for_function(f"() => ({FOCUS}) === document.querySelector('h1').dataset.screen")
        announced = visitor.page.locator("#announced[aria-live=polite]").inner_text()
        assert re.match(r"Which shows .*Left: the classifier says .* sure\..*Right: ", announced)
    levels = visitor.page.eval_on_selector_all("h1, h2, h3, h4", "found => found.map(each => each.tagName)")
    assert levels == ["H1"]
    for key, screen in (("i", "instructions"), ("Escape", "progress")):
        visitor.press(key)
        visitor.expect("back" if screen == "instructions" else "progress")
    before = visitor.pictures()
    visitor.press("o")
    visitor.page.wait_for_function(
        "old => document.querySelector('[class*=st-key-picture-] img').src !== old", arg=before[0]
    )
    beneath = visitor.page.eval_on_selector_all("[class*=st-key-beneath-] img", "found => found.map(each => each.src)")
    assert visitor.pictures() == beneath
    visitor.press("o")
    visitor.page.wait_for_function(
        "old => document.querySelector('[class*=st-key-picture-] img').src === old", arg=before[0]
    )
    with app.store as store:
        assert [event.answer for event in store.answers()] == [Answer.LEFT, Answer.BOTH_BAD]


def test_legend_and_undo_are_seen_without_scrolling(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
    visitor.page.set_viewport_size({"width": 1280, "height": 800})
    visitor.visit(app.invite("Flo", practised=True), "progress")
    visitor.pictures()
    for wanted in (".legend", "[class*=st-key-undo-] button", "[class*=st-key-picture-] img"):
        box = visitor.page.locator(wanted).first.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800


def test_single_keys_can_be_switched_off_for_good(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
    visitor.visit(app.invite("Guy", practised=True), "progress")
    visitor.press("i")
    visitor.expect("back")
    visitor.find("shortcuts").locator("label").first.click()
    visitor.page.get_by_text("On a keyboard").wait_for(state="hidden")
    visitor.click("back")
    visitor.expect("progress")
    for key in ("1", "ArrowLeft", "5", "u", "p", "h", "i", "o"):
        visitor.press(key)
    visitor.page.reload()
    visitor.expect("progress")
    visitor.press("1")
    visitor.page.wait_for_timeout(400)
    assert visitor.done[0] == 0
    visitor.click("both_good-")
    visitor.wait_for_done(1)
    with app.store as store:
        assert [event.answer for event in store.answers()] == [Answer.BOTH_GOOD]
        assert [event.kind for event in store.annotators.events("Guy")][-1] is Kind.SHORTCUTS_OFF


def test_phones_show_no_keys(phone: Visitor, new_visitor: NewVisitor, app: App) -> None:
    desktop, shown = new_visitor(), {}
    for name, visitor in (("Hal", desktop), ("Hugo", phone)):
        visitor.visit(app.invite(name, practised=True), "progress")
        visitor.pictures()
        shown[name] = visitor.find("answers").inner_text() + visitor.find("elsewhere").inner_text()
    for key in ("1", "4", "6", "←", "U"):
        assert re.search(rf"(^|\s){key}($|\s)", shown["Hal"])
        assert re.search(rf"(^|\s){key}($|\s)", shown["Hugo"]) is None


def test_a_link_is_in_no_address_and_no_log(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(f"{request.url} {request.headers.get('referer', '')}"))
    link = app.invite("Ike", practised=True)
    token = link.partition("#")[2]
    visitor.visit(link, "progress")
    assert visitor.page.url == f"{app.base}/"
    visitor.press("1")
    visitor.wait_for_done(1)
    visitor.page.reload()
    visitor.wait_for_done(1)
    assert [address for address in asked if token in address] == []
    assert token not in app.log.read_text()
    assert token not in visitor.page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})")
    with app.store as store:
        name = cookie_of(store)
    (cookie,) = [each for each in visitor.page.context.cookies() if each["name"] == name]
    assert (cookie["value"], cookie["httpOnly"], cookie["sameSite"]) == (token, True, "Lax")
    assert cookie["expires"] == pytest.approx(time.time() + COOKIE_SECONDS, abs=300)


def ask(app: App, method: str, path: str, body: bytes = b"") -> http.client.HTTPResponse:
    with closing(http.client.HTTPConnection(urlsplit(app.base).netloc, timeout=20)) as connection:
        connection.request(method, path, body)
        found = connection.getresponse()
        found.read()
        return found


def test_nothing_can_be_uploaded(app: App) -> None:
    for method in ("PUT", "POST", "DELETE"):
        assert ask(app, method, "/_stcore/upload_file/some-session/some-file", b"x" * 10_000).status == 403
    assert ask(app, "POST", "/enter", b"x" * 10_000).status == 413


def test_pages_tell_browsers_to_keep_to_themselves(app: App) -> None:
    for path in ("/", "/enter", "/_stcore/health", "/nowhere"):
        headers = ask(app, "GET", path).headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
    old = ask(app, "GET", "/?link=a-token")
    assert (old.status, old.headers["location"]) == (303, "enter#a-token")
