"""A visit to a study that asks more than comparisons: by keyboard, by pointing at the picture, and back again."""

import time
from pathlib import Path

from app_visitors import NewVisitor, complaints, faults
from explainfb.core.types import Answer
from explainfb.questions import pointing
from explainfb.testing.app_server import ask_instead, copy_study, served

PATIENCE = 30
"""Seconds that an answer may take to be on record."""


def test_a_visit_that_is_asked_everything(new_visitor: NewVisitor, waiting_study: Path, tmp_path: Path) -> None:
    study = ask_instead(copy_study(waiting_study, tmp_path / "study"), "point", "rank", "yes-no", "compare")
    with served(study) as app:
        visitor = new_visitor()
        visitor.visit(app.invite("Ida"), "agree")
        visitor.press("y")
        visitor.expect("pieces")  # practice
        found = complaints(visitor, "practice of pointing")
        visitor.visit(app.invite("Gil", practised=True), "progress")
        found += complaints(visitor, "pointing") + faults(visitor, "pointing")
        visitor.press("2")
        visitor.read("Done: 1 should not count")
        number = visitor.page.locator(".pieces span").first
        number.scroll_into_view_if_needed()
        place = number.bounding_box()
        assert place is not None
        visitor.page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        visitor.read("Done: 2 should not count")
        visitor.press("2")  # and back
        visitor.read("Done: 1 should not count")
        visitor.press("g")
        visitor.wait_for_done(1)
        found += complaints(visitor, "ranking") + faults(visitor, "ranking")
        visitor.press("3")
        visitor.read("Now: which has the worst reasons?")
        visitor.press("3")  # and back
        visitor.read("First: which has the best reasons?")
        visitor.press("4")
        visitor.read("Now: which has the worst reasons?")
        visitor.press("1")
        visitor.wait_for_done(2)
        found += complaints(visitor, "yes or no")
        visitor.press("2")
        visitor.wait_for_done(3)
        visitor.press("u")
        visitor.wait_for_done(2)
        visitor.press("1")
        visitor.wait_for_done(3)
        visitor.press("ArrowLeft")
        visitor.wait_for_done(4)
        visitor.press("h")
        visitor.read("Best: number 4, worst: number 1")
        found += complaints(visitor, "history")
        visitor.page.locator("[class*=st-key-change-] button").last.click()  # the first answer
        visitor.read("Your answer again: which numbered pieces should not count?")
        with app.store as store:
            asked_so_far = len(store.answers())
        visitor.press("g")
        visitor.read("All may count")
        with app.store as store:
            # the page has the words from before, on a button, so that they do not say that the answer is on record
            give_up = time.monotonic() + PATIENCE
            while len(store.answers()) == asked_so_far and time.monotonic() < give_up:
                time.sleep(0.05)
            said = [(event.answer, event.said) for event in store.answers() if event.current and event.answer]
        assert (Answer.RANKED, "best 3 worst 0") in said
        assert {(Answer.YES, None), (Answer.LEFT, None)} <= set(said)
        pointed, offered = pointing.decode(next(words for _, words in said if words and " of " in words))
        assert pointed == ()
        assert offered
        assert found == []
