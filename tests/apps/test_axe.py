"""axe-core finds nothing on any screen that keeps people out: contrast, names, roles, the order of headings."""

import pytest
from playwright.sync_api import Browser

from app_visitors import complaints
from explainfb.store import Role
from explainfb.testing.app_server import App, Visitor

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.mark.parametrize(
    ("scheme", "size", "mobile"), [("light", DESKTOP, False), ("dark", PHONE, True)], ids=["desktop", "phone"]
)
def test_nothing_keeps_people_out(scheme: str, size: dict[str, int], mobile: bool, browser: Browser, app: App) -> None:
    context = browser.new_context(viewport=size, color_scheme=scheme, is_mobile=mobile, has_touch=mobile)  # type: ignore[arg-type]
    visitor, found = Visitor(context.new_page()), []
    visitor.page.goto(app.base)
    visitor.read("needs a personal link")
    found += complaints(visitor, "no link")
    visitor.visit(app.invite("Lea"), "agree")
    found += complaints(visitor, "welcome")
    visitor.click("agree")
    visitor.expect("answers")
    found += complaints(visitor, "practice")
    visitor.click("right-")
    visitor.expect("go-on")
    found += complaints(visitor, "feedback")
    visitor.visit(app.invite("Liz", practised=True), "progress")
    found += complaints(visitor, "question")
    visitor.click("left-")
    visitor.wait_for_done(1)
    visitor.click("history")
    visitor.expect("back")
    found += complaints(visitor, "history")
    visitor.click("back")
    visitor.expect("progress")
    visitor.click("help")
    visitor.expect("back")
    found += complaints(visitor, "instructions")
    visitor.click("back")
    visitor.expect("progress")
    visitor.click("pause")
    visitor.expect("go-on")
    found += complaints(visitor, "pause")
    visitor.visit(app.invite("Rea", Role.RESEARCHER), "downloads")
    found += complaints(visitor, "researchers")
    context.close()
    assert found == []
