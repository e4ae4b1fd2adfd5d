"""Whole visits to the annotators' app in a real browser, from the link to the thanks."""

import re
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from app_visitors import NewVisitor, check_that_no_other_host_is_asked, requests_of
from explainfb.core.types import Answer
from explainfb.labelling.stimuli import Stimuli, scales
from explainfb.labelling.wording_files import wording_in
from explainfb.results.json_file import read_results
from explainfb.store import Kind, Store
from explainfb.study.settings import task_of
from explainfb.testing.app_server import WAITING, App, Visitor, running, served, wait_for_questions
from store_backends import check_counters

KEYS = {
    "ArrowLeft": Answer.LEFT,
    "ArrowRight": Answer.RIGHT,
    "ArrowUp": Answer.EQUAL,
    "ArrowDown": Answer.CANT_TELL,
    "1": Answer.LEFT,
    "2": Answer.RIGHT,
    "3": Answer.EQUAL,
    "4": Answer.BOTH_GOOD,
    "5": Answer.BOTH_BAD,
    "6": Answer.CANT_TELL,
}

COMPARED = [Answer(name) for name in ("left", "right", "equal", "both_good", "both_bad", "cant_tell")]
"""The answers of a comparison, in the order of their buttons."""


def test_a_visit_by_keyboard_from_the_link_to_the_thanks(new_visitor: NewVisitor, tmp_path: Path) -> None:
    """With `explainfb run --annotator human` waiting: it goes on by itself and its report says who answered."""
    study, settings = tmp_path / "study", replace(WAITING, rounds=2, comparisons_per_round=20)
    with running(study, settings) as process:
        wait_for_questions(study, process)
        with served(study) as app:
            visitor = new_visitor()
            visitor.get_ready(app.invite("Ada"))
            total = visitor.done[1]
            given = answer_by_keys(visitor, 10)
            check_shown(study, visitor)
            undo_and_answer_again(visitor, given)
            comment_with_letters(visitor, given)
            visitor.press("h")
            visitor.expect("back")
            change_the_first_listed(visitor, given)
            visitor.press("Escape")
            visitor.expect("progress")
            visitor.press("p")
            visitor.read("A pause")
            visitor.press("g")
            visitor.expect("progress")
            before = visitor.pictures()
            visitor.page.reload()
            visitor.expect("progress")
            assert visitor.pictures() == before
            given += answer_by_keys(visitor, total - len(given), last=True)
            visitor.read("Nothing to compare just now")
            check_answers(study, given)
            wait_for_questions(study, process, round=2)
            visitor.expect("progress")
            answer_by_keys(visitor, visitor.done[1], last=True)
            visitor.read("Thank you!")
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "explainfb label" in said
    assert read_results(study / "results.json").preferences.annotators == ("Ada",)
    assert "(Ada)" in (study / "report" / "index.html").read_text()
    with Store(study / "study.db") as store:
        assert {event.kind for event in store.annotators.events("Ada")} >= {Kind.CONSENTED, Kind.PAUSED, Kind.FINISHED}


def answer_by_keys(visitor: Visitor, count: int, *, last: bool = False) -> list[Answer]:
    """Answer with every key in turn; with `last`, the page shows no progress after the last answer."""
    done = visitor.done[0]
    given = []
    for number, key in zip(range(count), cycle(KEYS), strict=False):
        visitor.press(key)
        given.append(KEYS[key])
        if not (last and number == count - 1):
            visitor.wait_for_done(done + number + 1)
    return given


def check_shown(study: Path, visitor: Visitor) -> None:
    """What the browser shows on either side is what the database says is on that side."""
    stimuli = Stimuli(study, task_of(WAITING))
    with Store(study / "study.db") as store:
        place = len([answer for answer in store.answers() if answer.current])
        stored = store.comparisons(1)[place].comparison
    sides = [stimuli.stimulus(key, 1) for key in (stored.left, stored.right)]
    wanted = [side.picture("overlay", scale=scale) for side, scale in zip(sides, scales(*sides, WAITING), strict=True)]
    assert visitor.pictures() == wanted
    assert wanted[0] != wanted[1]
    page = re.sub(r"data:image/[^\"]+", "", visitor.page.content())
    assert all(side.describe(wording_in("en")) in page for side in sides)
    assert "round-0" not in page
    assert "gold" not in page


def undo_and_answer_again(visitor: Visitor, given: list[Answer]) -> None:
    visitor.press("u")
    visitor.wait_for_done(len(given) - 1)
    visitor.press("3")
    visitor.wait_for_done(len(given))
    given[-1] = Answer.EQUAL


def comment_with_letters(visitor: Visitor, given: list[Answer]) -> None:
    """Keys type letters while a comment is written: u, p, 1 and arrows answer nothing."""
    field = visitor.page.get_by_role("textbox")
    field.click()
    visitor.page.keyboard.type("up 1 ’ü <b>🙂")
    visitor.page.keyboard.press("ArrowLeft")
    visitor.page.keyboard.press("Enter")
    visitor.settle()
    assert visitor.done[0] == len(given)
    field.blur()
    visitor.press("1")
    given.append(Answer.LEFT)
    visitor.wait_for_done(len(given))


def change_the_first_listed(visitor: Visitor, given: list[Answer]) -> None:
    assert visitor.page.locator("[class*=st-key-change-] button").count() == 10
    visitor.page.locator("[class*=st-key-change-] button").first.focus()
    visitor.page.keyboard.press("Enter")
    visitor.expect("keep")
    visitor.press("2")
    visitor.expect("back")
    given[-1] = Answer.RIGHT


def check_answers(study: Path, given: list[Answer]) -> None:
    """Every answer is on record once, in the order given, with the sides that were shown; what it replaced too."""
    with Store(study / "study.db") as store:
        events = store.answers(1)
        current = sorted(
            (event for event in events if event.current and event.answer), key=lambda each: each.comparison.id
        )
        assert [event.answer for event in current] == given
        assert len({event.comparison.id for event in current}) == len(current) == len(store.comparisons(1))
        assert len(events) == len(current) + 3  # undone: the answer and its taking back; changed: what it was
        for event in events:
            assert (event.shown_left, event.shown_right) == (
                event.comparison.comparison.left,
                event.comparison.comparison.right,
            )
            assert event.shown_at <= event.responded_at <= event.recorded_at
            assert event.annotator == "Ada"
        assert [event.comment for event in events if event.comment] == ["up 1 ’ü <b>🙂"] * 2
        check_counters(store)


def test_a_visit_by_mouse(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
    requested = requests_of(visitor)
    visitor.visit(app.invite("Bo"), "agree")
    visitor.click("agree")
    for answer in ("left", "both_good", "both_bad"):
        visitor.expect("answers")
        visitor.click(f"{answer}-practice")
        visitor.expect("go-on")
        visitor.click("go-on")
    visitor.expect("progress")
    total = visitor.done[1]
    given = []
    for number, answer in zip(range(20), cycle(COMPARED), strict=False):
        visitor.click(f"{answer}-")
        visitor.wait_for_done(number + 1)
        given.append(answer)
    visitor.click("undo-")
    visitor.wait_for_done(19)
    visitor.click("right-")
    visitor.wait_for_done(20)
    given[-1] = Answer.RIGHT
    visitor.click("history")
    visitor.expect("back")
    visitor.click("change-")
    visitor.expect("keep")
    visitor.click("left-")
    visitor.expect("back")
    given[-1] = Answer.LEFT
    visitor.click("back")
    visitor.expect("progress")
    visitor.click("pause")
    visitor.read("A pause")
    visitor.page.reload()
    visitor.read("A pause")
    visitor.click("go-on")
    visitor.expect("progress")
    for number in range(20, total):
        visitor.click("equal-")
        given.append(Answer.EQUAL)
        if number < total - 1:
            visitor.wait_for_done(number + 1)
    visitor.read("Nothing to compare just now")
    with app.store as store:
        found = sorted(store.preferences(gold=True), key=lambda each: each.responded_at)
        by_comparison = {each.comparison: each.answer for each in found}
        assert [by_comparison[stored.comparison] for stored in store.comparisons(1)] == given
        check_counters(store)
    check_that_no_other_host_is_asked(app, visitor, requested)
