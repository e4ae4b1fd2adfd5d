"""The next question's pictures are there at the press that answers, while the server has not answered yet."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from app_visitors import NewVisitor, faults
from explainfb.core.types import Answer, Asked
from explainfb.labelling.practice import NAMES
from explainfb.labelling.recruiting import open_link
from explainfb.labelling.server import link
from explainfb.questions import pointing
from explainfb.store import Kind, Role
from explainfb.study.settings_file import read_settings, write_settings
from explainfb.testing.app_server import App, Visitor, ask_instead, copy_study, served

PICTURES = (
    """within => [...document.querySelectorAll(`${within} [class*=st-key-picture-] img`)].map(each => each.src)"""
)
"""Those within whatever the selector is of."""
AHEAD = "[data-ahead]"
"""The next question's pictures over those of this one."""
READY = "[data-after] img"
"""What has been sent of the next question, which nobody sees yet."""


@contextmanager
def frozen(app: App) -> Iterator[None]:
    """While the server does nothing, as on a line that is slow."""
    assert app.process is not None
    app.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        app.process.send_signal(signal.SIGCONT)


def get_ready(visitor: Visitor, app: App, name: str) -> None:
    visitor.visit(app.invite(name, practised=True), "progress")
    wait_until_sent(visitor)


def wait_until_sent(visitor: Visitor) -> None:
    visitor.page.locator(READY).first.wait_for(state="attached")
    visitor.settle()


def wait_until_ahead(visitor: Visitor) -> list[str]:
    visitor.page.wait_for_selector(AHEAD, timeout=5_000)
    found: list[str] = visitor.page.evaluate(PICTURES, AHEAD)
    return found


def wait_until_drawn(visitor: Visitor) -> list[str]:
    visitor.page.wait_for_selector(AHEAD, state="detached")
    return visitor.pictures()


def test_the_next_pair_is_shown_before_the_server_has_answered(new_visitor: NewVisitor, app: App) -> None:
    visitor, other = new_visitor(), new_visitor()
    get_ready(visitor, app, "Ann")
    other.visit(app.invite("Ben", practised=True), "progress")
    other.press("2")  # somebody else is asked what would have come next
    other.wait_for_done(1)
    for number, press in enumerate(("ArrowRight", "2", "right-"), 1):
        before = visitor.pictures()
        with frozen(app):
            visitor.click(press) if press == "right-" else visitor.press(press)
            ahead = wait_until_ahead(visitor)
            assert len(ahead) == 2
            assert ahead != before
            assert misplaced(visitor) == []
        visitor.wait_for_done(number)
        assert wait_until_drawn(visitor) == ahead
        wait_until_sent(visitor)
    with app.store as store:
        given = [answer.answer for answer in store.answers() if answer.annotator == "Ann"]
        assert given == [Answer.RIGHT] * 3
        assert len({answer.comparison.id for answer in store.answers()}) == 4, "nobody is asked what another was"


def misplaced(visitor: Visitor) -> list[str]:
    """Where a picture that is ahead is not just where that which it covers is."""
    found: list[str] = visitor.page.evaluate(
        """() => {
            const boxes = within => [...document.querySelectorAll(`${within} [class*=st-key-picture-] img`)]
                .map(each => each.getBoundingClientRect());
            const ahead = boxes("[data-ahead]"), all = boxes(""), under = all.slice(0, ahead.length);
            const far = (a, b) => ["left", "top", "width", "height"].some(side => Math.abs(a[side] - b[side]) > 1);
            return ahead.filter((box, number) => far(box, under[number])).map(box => JSON.stringify(box));
        }"""
    )
    return found


@pytest.mark.parametrize(("asked", "presses"), [("rate", "4"), ("point", "1g"), ("rank", "21")], ids=lambda each: each)
def test_every_question_gives_way_at_once(
    new_visitor: NewVisitor, waiting_study: Path, tmp_path: Path, asked: Asked, presses: str
) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    if asked == "rate":
        write_settings(replace(read_settings(study / "study.toml"), question="rate"), study / "study.toml")
    else:
        ask_instead(study, asked)
    with served(study) as app:
        visitor = new_visitor()
        get_ready(visitor, app, "Ann")
        for number, key in enumerate(presses, 1):
            if number == len(presses):
                break
            visitor.press(key)  # does not end the question
            visitor.page.locator("button[kind=primary]").first.wait_for()
            assert visitor.page.locator(AHEAD).count() == 0
            wait_until_sent(visitor)
        with frozen(app):
            visitor.press(presses[-1])
            ahead = wait_until_ahead(visitor)
        visitor.page.wait_for_selector(AHEAD, state="detached")
        visitor.settle()
        now = visitor.page.evaluate(PICTURES, "")
        assert now == ahead
        assert faults(visitor, asked) == []
        with app.store as store:
            if asked == "point":
                assert len(pointing.decode(store.answers()[0].said)[0]) == 1
            assert len(store.answers()) == (0 if asked == "rate" else 1)


def test_pictures_that_come_ahead_are_drawn_as_the_switches_say(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
    get_ready(visitor, app, "Ann")
    visitor.press("o")
    visitor.page.wait_for_function("""() => {
        const [picture, original] = document.querySelectorAll("[data-after] img");
        return picture && picture.src === original.src;
    }""")
    visitor.settle()
    with frozen(app):
        visitor.press("1")
        ahead = wait_until_ahead(visitor)
    assert wait_until_drawn(visitor) == ahead


def test_a_press_that_stores_nothing_brings_the_present_pictures_back(new_visitor: NewVisitor, app: App) -> None:
    """A letter in the comment, a double press, and keys that are switched off show nothing; a lost one not for long."""
    visitor = new_visitor()
    get_ready(visitor, app, "Ann")
    before = visitor.pictures()
    visitor.page.get_by_role("textbox").click()
    visitor.press("1")
    assert visitor.page.locator(AHEAD).count() == 0
    visitor.page.get_by_role("textbox").fill("")
    visitor.page.get_by_role("textbox").blur()
    visitor.settle()
    wait_until_sent(visitor)
    with frozen(app):
        visitor.press("1")
        wait_until_ahead(visitor)
        visitor.page.wait_for_selector(AHEAD, state="detached", timeout=15_000)
        assert visitor.page.locator("[class*=st-key-picture-] img").first.get_attribute("src") == before[0]
    visitor.wait_for_done(1)


def test_nothing_comes_after_the_last_question(new_visitor: NewVisitor, app: App) -> None:
    with app.store as store:
        token = open_link(store, most=1, quota=2)
    visitor = new_visitor()
    visitor.visit(link(app.base, token), "agree")
    with app.store as store:
        (who,) = [each.name for each in store.annotators.all() if each.role is Role.ANNOTATOR]
        store.annotators.note(who, Kind.CONSENTED)
        for example in NAMES:
            store.annotators.note(who, Kind.PRACTISED, detail=example)
    visitor.page.reload()
    visitor.expect("progress")
    wait_until_sent(visitor)
    visitor.press("1")
    visitor.wait_for_done(1)
    assert visitor.page.locator(READY).count() == 0
    visitor.press("1")
    visitor.read("Thank you, that is all")
