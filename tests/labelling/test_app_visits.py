"""Whole visits to the annotators' app in a real browser."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

from playwright.sync_api import Browser

from explainfb.core.types import Answer
from explainfb.labelling.stimuli import Stimuli, scales
from explainfb.results.json_file import read_results
from explainfb.store import Kind, Store
from explainfb.study.settings import task_of
from explainfb.testing.app_server import WAITING, Visitor, copy_study, running, served, wait_for_questions
from store_backends import check_counters, response

KEYS = {
    "ArrowLeft": Answer.LEFT,
    "ArrowRight": Answer.RIGHT,
    "ArrowUp": Answer.EQUAL,
    "ArrowDown": Answer.CANT_TELL,
    "1": Answer.LEFT,
    "2": Answer.RIGHT,
    "3": Answer.EQUAL,
    "4": Answer.CANT_TELL,
}


def test_a_visit_by_keyboard_from_the_link_to_the_thanks(browser: Browser, tmp_path: Path) -> None:
    """With `explainfb run --annotator human` waiting: it goes on by itself and its report says who answered."""
    study, settings = tmp_path / "study", replace(WAITING, rounds=2, comparisons_per_round=20)
    with running(study, settings) as process:
        wait_for_questions(study, process)
        with served(study) as app:
            visitor = Visitor(browser.new_page())
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
    assert all(side.description in page for side in sides)
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


def test_a_visit_by_mouse(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        visitor = Visitor(browser.new_page())
        visitor.visit(app.invite("Bo"), "agree")
        visitor.click("agree")
        for answer in ("left", "right", "equal"):
            visitor.expect("answers")
            visitor.click(f"{answer}-practice")
            visitor.expect("go-on")
            visitor.click("go-on")
        visitor.expect("progress")
        total = visitor.done[1]
        given = []
        for number, answer in zip(range(20), cycle(Answer), strict=False):
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
            found = sorted(store.preferences(), key=lambda each: each.responded_at)
            by_comparison = {each.comparison: each.answer for each in found}
            assert [by_comparison[stored.comparison] for stored in store.comparisons(1)] == given
            check_counters(store)


def test_double_presses_count_once(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        visitor = Visitor(browser.new_page())
        visitor.get_ready(app.invite("Cy"))
        for number in range(1, 4):
            visitor.page.wait_for_timeout(500)
            visitor.page.keyboard.press("1")
            visitor.page.keyboard.press("1")
            visitor.wait_for_done(number)
        for number in range(4, 7):
            visitor.page.wait_for_timeout(500)
            visitor.page.locator("[class*=st-key-right-] button").first.dblclick()
            visitor.wait_for_done(number)
        visitor.page.wait_for_timeout(1000)
        assert visitor.done[0] == 6
        with app.store as store:
            assert [event.answer for event in store.answers()] == [Answer.LEFT] * 3 + [Answer.RIGHT] * 3


def test_a_key_held_down_is_one_press(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        visitor = Visitor(browser.new_page())
        visitor.visit(app.invite("Di", practised=True), "progress")
        for number, key in enumerate("12"):
            visitor.pictures()
            visitor.page.wait_for_timeout(500)
            hold(visitor, key)
            visitor.wait_for_done(number + 1)
        visitor.page.wait_for_timeout(500)
        hold(visitor, "u")
        visitor.wait_for_done(1)
        with app.store as store:
            assert [event.answer for event in store.answers()] == [Answer.LEFT, Answer.RIGHT, None]


def hold(visitor: Visitor, key: str) -> None:
    """Down for as long as it takes a keyboard to repeat it twenty times."""
    for _ in range(20):
        visitor.page.keyboard.down(key)
        visitor.page.wait_for_timeout(80)
    visitor.page.keyboard.up(key)


def test_the_first_visitor_reads_that_the_study_loads(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        visitor = Visitor(browser.new_page())
        visitor.page.goto(app.invite("Ida"))
        visitor.page.get_by_text("Loading the study").wait_for()
        visitor.expect("agree")
        assert visitor.page.get_by_text("Loading the study").count() == 0


def test_enter_on_a_button_presses_that_button_alone(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    """Consent is given by no key that also presses what has the focus."""
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        visitor = Visitor(browser.new_page())
        visitor.visit(app.invite("Di"), "decline")
        visitor.find("decline").get_by_role("button").focus()
        visitor.press("Enter")
        visitor.read("Thank you for having a look")
        with app.store as store:
            assert store.annotators.events("Di") == []


def test_the_last_answer_of_a_round_can_still_be_taken_back(
    browser: Browser, waiting_study: Path, tmp_path: Path
) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        visitor = Visitor(browser.new_page())
        link = app.invite("Di", practised=True)
        with app.store as store:
            (person,) = store.annotators.all()
            for stored in store.comparisons(1)[:-1]:
                store.answer(person, response(stored, Answer.LEFT, str(stored.id)), now=datetime.now(UTC), overlap=1)
        visitor.visit(link, "progress")
        visitor.press("1")
        visitor.read("Nothing to compare just now")
        visitor.press("u")
        visitor.expect("progress")
        visitor.press("2")
        visitor.read("Nothing to compare just now")
        with app.store as store:
            assert [event.answer for event in store.answers()[-3:]] == [Answer.LEFT, None, Answer.RIGHT]


def test_another_device_and_a_reload_show_the_same_comparison(
    browser: Browser, waiting_study: Path, tmp_path: Path
) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        link = app.invite("Di")
        visitor, phone = Visitor(browser.new_page()), Visitor(browser.new_context().new_page())
        visitor.get_ready(link)
        phone.visit(link, "progress")
        assert phone.pictures() == visitor.pictures()
        phone.press("1")
        phone.wait_for_done(1)
        visitor.press("2")  # the page still shows what was answered on the phone
        visitor.wait_for_done(1)
        assert visitor.pictures() == phone.pictures()
        with app.store as store:
            assert [event.answer for event in store.answers()] == [Answer.LEFT]


def test_a_lease_that_expires_while_its_annotator_sleeps(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    settings = (study / "study.toml").read_text()
    assert "lease_minutes = 10" in settings
    (study / "study.toml").write_text(settings.replace("lease_minutes = 10", "lease_minutes = 0.03"))
    with served(study) as app:
        sleeper, other = (Visitor(browser.new_context().new_page()) for _ in range(2))
        sleeper.get_ready(app.invite("Eve"))
        first = sleeper.pictures()
        other.get_ready(app.invite("Flo"))
        if other.pictures() != first:  # getting ready was quicker than the lease
            time.sleep(2)
            other.page.reload()
            other.expect("progress")
        assert other.pictures() == first
        other.press("2")
        other.wait_for_done(1)
        sleeper.press("1")
        sleeper.expect("progress")
        sleeper.page.wait_for_timeout(500)
        with app.store as store:
            late = [(event.annotator, event.answer, event.surplus) for event in store.answers()]
            assert late == [("Flo", Answer.RIGHT, False), ("Eve", Answer.LEFT, True)]
            check_counters(store)
        assert sleeper.pictures() != first


def test_a_visit_that_rates(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    settings = (study / "study.toml").read_text()
    (study / "study.toml").write_text(settings.replace('question = "compare"', 'question = "rate"'))
    with served(study) as app:
        visitor = Visitor(browser.new_page())
        visitor.visit(app.invite("Gil"), "agree")
        visitor.press("y")
        for key in ("1", "5", "5"):
            visitor.expect("answers")
            visitor.press(key)
            visitor.expect("go-on")
            visitor.press("g")
        visitor.expect("progress")
        for number, (left, right) in enumerate([("5", "2"), ("1", "4"), ("3", "3")]):
            shown = visitor.pictures()
            assert len(shown) == 1
            visitor.press(left)
            visitor.page.wait_for_function(
                "old => document.querySelector('[class*=st-key-picture-] img')?.src !== old", arg=shown[0]
            )
            visitor.settle()
            if number == 1:
                visitor.page.reload()
                visitor.expect("progress")
            visitor.press(right)
            visitor.wait_for_done(number + 1)
        visitor.press("u")
        visitor.wait_for_done(2)
        shown = visitor.pictures()
        visitor.press("2")
        visitor.wait_for_other_pictures(shown)
        visitor.press("1")
        visitor.wait_for_done(3)
        visitor.press("h")
        visitor.read("Left 2, right 1")
        visitor.click("change-")
        visitor.expect("save")
        visitor.page.locator("[class*=st-key-right-]").get_by_text("5", exact=True).click()
        visitor.settle()
        visitor.click("save")
        visitor.read("Left 2, right 5")
        with app.store as store:
            current = [event.answer for event in store.answers() if event.current and event.answer]
            assert current == [Answer.LEFT, Answer.RIGHT, Answer.RIGHT]
            latest = store.ratings("Gil")[-2:]
            assert [rating.rating for rating in latest] == [2, 5]
