"""A visit to a study that has explanations rated one by one."""

from dataclasses import replace
from pathlib import Path

from app_visitors import NewVisitor
from explainfb.core.types import Answer
from explainfb.study.settings_file import read_settings, write_settings
from explainfb.testing.app_server import copy_study, served


def test_a_visit_that_rates(new_visitor: NewVisitor, waiting_study: Path, tmp_path: Path) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    write_settings(replace(read_settings(study / "study.toml"), question="rate"), study / "study.toml")
    with served(study) as app:
        visitor = new_visitor()
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
