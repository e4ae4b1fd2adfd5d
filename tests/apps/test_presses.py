"""What single presses do: twice in a row, held down, on a button that has the focus, and on a page that is old."""

from datetime import UTC, datetime

from app_visitors import NewVisitor
from explainfb.core.types import Answer
from explainfb.testing.app_server import App, Visitor
from store_backends import response


def test_double_presses_count_once(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
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


def test_a_key_held_down_is_one_press(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
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


def test_enter_on_a_button_presses_that_button_alone(new_visitor: NewVisitor, app: App) -> None:
    """Consent is given by no key that also presses what has the focus."""
    visitor = new_visitor()
    visitor.visit(app.invite("Di"), "decline")
    visitor.find("decline").get_by_role("button").focus()
    visitor.press("Enter")
    visitor.read("Thank you for having a look")
    with app.store as store:
        assert store.annotators.events("Di") == []


def test_the_last_answer_of_a_round_can_still_be_taken_back(new_visitor: NewVisitor, app: App) -> None:
    visitor = new_visitor()
    link = app.invite("Di", practised=True)
    with app.store as store:
        person = next(each for each in store.annotators.all() if each.name == "Di")
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


def test_another_device_and_a_reload_show_the_same_comparison(new_visitor: NewVisitor, app: App) -> None:
    link = app.invite("Di")
    visitor, phone = new_visitor(), new_visitor()
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
