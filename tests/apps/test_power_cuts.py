"""The server dies and comes back: what was confirmed is on record, and the pages go on."""

import time
from collections import Counter

from app_visitors import NewVisitor, ready_visitors
from explainfb.core.types import Answer
from explainfb.testing.app_server import App
from store_backends import check_counters


def test_killed_while_answers_arrive(new_visitor: NewVisitor, app: App) -> None:
    """What a browser saw confirmed is on record, once; after the restart the pages go on."""
    names = ["Ada", "Bo", "Cy"]
    visitors = ready_visitors(new_visitor, app, names)
    pressed: dict[str, list[Answer]] = {name: [] for name in names}
    for stop_after in (1, 2):
        for _ in range(stop_after):
            for name, visitor in zip(names, visitors, strict=True):
                visitor.press("2")
                pressed[name].append(Answer.RIGHT)
                visitor.wait_for_done(len(pressed[name]))
        confirmed = {name: visitor.done[0] for name, visitor in zip(names, visitors, strict=True)}
        visitors[0].page.wait_for_timeout(500)
        for visitor in visitors:
            visitor.page.keyboard.press("1")
        app.kill()
        app.start()
        for name, visitor in zip(names, visitors, strict=True):
            visitor.page.reload()
            visitor.expect("progress")
            with app.store as store:
                mine = [answer.answer for answer in store.answers() if answer.annotator == name]
            assert len(mine) >= confirmed[name]
            assert mine[: confirmed[name]] == pressed[name]
            assert visitor.done[0] == len(mine)
            pressed[name] = [answer for answer in mine if answer]
    with app.store as store:
        assert max(Counter(answer.comparison.id for answer in store.answers()).values()) == 1
        check_counters(store)


def test_a_page_left_open_goes_on_after_a_restart(new_visitor: NewVisitor, app: App) -> None:
    (visitor,) = ready_visitors(new_visitor, app, ["Ada"])
    visitor.press("1")
    visitor.wait_for_done(1)
    app.kill()
    app.start()
    deadline = time.monotonic() + 240  # a page asks for its server less and less often
    while visitor.done[0] == 1:
        assert time.monotonic() < deadline
        visitor.press("1")
    visitor.page.wait_for_timeout(2000)  # what was pressed while nobody listened may arrive together
    visitor.settle()
    with app.store as store:
        assert len(store.answers()) == visitor.done[0]
