"""Several people at once: nobody is shown what another is being shown, unless the study wants it so."""

import time
from collections import Counter
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from app_visitors import NewVisitor, ready_visitors
from explainfb.core.types import Answer
from explainfb.study.settings_file import read_settings, write_settings
from explainfb.testing.app_server import copy_study, move_to_database, served
from store_backends import BACKENDS, check_counters, fresh_url

VISITORS = 8


@pytest.mark.parametrize("backend", BACKENDS)
def test_eight_people_at_once(new_visitor: NewVisitor, waiting_study: Path, tmp_path: Path, backend: str) -> None:
    """Nobody is shown what another is being shown, and in the end each comparison is answered once."""
    study = copy_study(waiting_study, tmp_path / "study")
    with fresh_url(backend, tmp_path) as url:
        move_to_database(study, url)
        with served(study, url) as app:
            visitors = ready_visitors(new_visitor, app, [f"person {number}" for number in range(VISITORS)])
            working, given = visitors, 0
            for key in cycle("1234"):
                shown = [visitor.pictures() for visitor in working]
                assert len({tuple(pair) for pair in shown}) == len(working)
                working[0].page.wait_for_timeout(500)
                for visitor in working:
                    visitor.page.keyboard.press(key)
                given += len(working)
                asked = [v.wait_for_other_pictures(before) for v, before in zip(working, shown, strict=True)]
                working = [visitor for visitor, more in zip(working, asked, strict=True) if more]
                if not working:
                    break
            with app.store as store:
                assert given == len(store.comparisons(1))
                assert Counter(answer.comparison.id for answer in store.answers()) == Counter(
                    stored.id for stored in store.comparisons(1)
                )
                assert not any(answer.surplus for answer in store.answers())
                check_counters(store)
            assert "locked" not in app.log.read_text()


def test_overlap_asks_so_many_people_and_no_more(new_visitor: NewVisitor, waiting_study: Path, tmp_path: Path) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    write_settings(replace(read_settings(study / "study.toml"), overlap=2), study / "study.toml")
    with served(study) as app:
        visitors = ready_visitors(new_visitor, app, ["one", "two", "three"])
        shown = [visitor.pictures() for visitor in visitors]
        assert shown[0] == shown[1] != shown[2]
        for visitor in visitors:
            visitor.press("1")
            visitor.wait_for_done(1)
        # what was kept for both before the third came, who therefore was asked what comes after it
        assert visitors[0].pictures() == visitors[1].pictures()
        assert visitors[0].pictures() not in shown
        with app.store as store:
            given = Counter(answer.comparison.id for answer in store.answers())
            assert sorted(given.values()) == [1, 2]


def test_a_lease_that_expires_while_its_annotator_sleeps(
    new_visitor: NewVisitor, waiting_study: Path, tmp_path: Path
) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    write_settings(replace(read_settings(study / "study.toml"), lease_minutes=0.03), study / "study.toml")
    with served(study) as app:
        sleeper, other = (new_visitor() for _ in range(2))
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
