"""The app at 200 % by keyboard alone: nothing is cut off, nothing lies over something else, and the focus is seen."""

import pytest
from playwright.sync_api import Browser

from app_visitors import faults
from explainfb.store import Role
from explainfb.testing.app_server import App, Visitor
from explainfb.testing.windows import PHONE, ZOOMED, Window


def tab_to(visitor: Visitor, key: str) -> None:
    """By the keyboard to the widget with this key, which is then to be seen."""
    for _ in range(40):
        visitor.page.keyboard.press("Tab")
        there = visitor.page.evaluate(f"!!document.activeElement.closest('[class*=st-key-{key}]')")
        if there:
            break
    box = visitor.page.evaluate("(({top, bottom}) => [top, bottom])(document.activeElement.getBoundingClientRect())")
    assert there, f"no way to {key} by Tab"
    assert box[0] >= 0
    assert box[1] <= visitor.page.viewport_size["height"]  # type: ignore[index]


@pytest.mark.parametrize("window", [ZOOMED, PHONE], ids=lambda window: window.name)
def test_nothing_is_cut_off_and_every_button_is_reached(window: Window, browser: Browser, app: App) -> None:
    context = browser.new_context(**window.options)
    visitor = Visitor(context.new_page())
    visitor.visit(app.invite("Lea"), "agree")
    found = faults(visitor, "welcome")
    tab_to(visitor, "agree")
    visitor.page.keyboard.press("Enter")
    visitor.expect("answers")
    found += faults(visitor, "practice")
    tab_to(visitor, "both_bad-")
    visitor.page.keyboard.press("Enter")
    visitor.expect("go-on")
    found += faults(visitor, "feedback")
    visitor.visit(app.invite("Liz", practised=True), "progress")
    found += faults(visitor, "question")
    tab_to(visitor, "cant_tell-")
    visitor.page.wait_for_timeout(450)
    visitor.page.keyboard.press("Enter")
    visitor.wait_for_done(1)
    tab_to(visitor, "history")
    visitor.page.keyboard.press("Enter")
    visitor.expect("back")
    found += faults(visitor, "history")
    visitor.visit(app.invite("Rea", Role.RESEARCHER), "downloads")
    found += faults(visitor, "researchers")
    assert found == []
    visitor.visit(app.invite("Lou", practised=True), "progress")
    visitor.find("answers").get_by_role("button").nth(5).wait_for()
    move = "document.querySelector('[class*=st-key-right-] button').style.transform = 'translateX({})'"
    for way, told in (("-9rem", "lies over"), ("45rem", "is cut off at the edge")):
        visitor.page.evaluate(move.format(way))
        assert any(told in fault for fault in faults(visitor, "question"))
    context.close()
