"""People compare clips in a browser: a script waits for them, is killed and started again, and learns from them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from app_visitors import NewVisitor, complaints, faults
from explainfb import Clip, ClipStudy, Comparison, ExplanationKey, Preference
from explainfb.core.types import Answer
from explainfb.store import Role, Store
from explainfb.testing.app_server import Visitor, served

CHECKOUT = Path(__file__).parents[2]
SCRIPT = [
    *(sys.executable, "-m", "experiments.christiano_2017.run", "--annotator", "human", "--tasks", "cartpole"),
    *("--rounds", "2", "--comparisons", "24", "--steps", "2000", "--out", "."),
]
"""Two rounds, of 6 comparisons and of 18."""
STATE = """() => [...document.querySelectorAll(".clip")].map(each => [
    each.getAnimations()[0].playState, Math.round(parseFloat(getComputedStyle(each).backgroundPositionY) * .24),
    +each.parentElement.querySelector(".clip-at").value])"""
"""Of each clip: whether it plays, and which frame is seen, and is said to be."""
PATIENCE = 400
"""Seconds that the script may take to its next question, on a machine that has much else to do."""
PHONE = {"width": 390, "height": 844}


@contextmanager
def script(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The script at work, which is killed at the end if it has not ended."""
    path = os.pathsep.join([str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    with subprocess.Popen(
        SCRIPT, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_asked(study: Path, process: subprocess.Popen[str], round: int) -> None:
    """It trains an agent, draws what it did, and loads all that this takes."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        assert process.poll() is None, process.communicate()[0]
        if (study / "clips.toml").is_file():
            with Store(study / "study.db", read_only=True) as store:
                if store.comparisons(round):
                    return
        time.sleep(0.2)
    raise AssertionError(f"round {round} was not asked within {PATIENCE} seconds")


def answer_the_rest(store: Store) -> None:
    """Someone else does."""
    answered, now = {each.comparison for each in store.preferences(gold=False)}, datetime.now(UTC)
    rest = [each.comparison for each in store.comparisons() if each.comparison not in answered]
    store.record([Preference(item, Answer.RIGHT, "Bob", 2, now, now) for item in rest])


@pytest.mark.timeout(1200)
def test_a_script_learns_from_people(new_visitor: NewVisitor, tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    pytest.importorskip("pygame")
    study = tmp_path / "people-cartpole"
    with script(tmp_path) as first:
        wait_until_asked(study, first, 1)
    with served(study) as app:
        visitor = new_visitor()
        visitor.visit(app.invite("Ada"), "agree")
        visitor.read("the pole is held up better")
        assert len(visitor.page.query_selector_all(".clip")) == 2  # an example of what there is to see
        visitor.press("y")
        visitor.expect("progress")
        assert visitor.done == (0, 6)
        for number, key in enumerate(("ArrowUp", "4", "1"), 1):
            visitor.press(key)
            visitor.wait_for_done(number)
        visitor.press("u")
        visitor.wait_for_done(2)
        with script(tmp_path) as second:  # what was answered is on record
            for number, key in enumerate(("ArrowLeft", "2", "ArrowLeft", "ArrowRight"), 3):
                visitor.press(key)
                if number < 6:
                    visitor.wait_for_done(number)
            visitor.read("The program is learning from what people said")
            wait_until_asked(study, second, 2)
            visitor.expect("answers")
            visitor.press("ArrowDown")
            visitor.wait_for_done(1)  # of this round
            with app.store as store:
                answer_the_rest(store)
            told = second.communicate(timeout=PATIENCE)[0]
            assert second.returncode == 0, told
        visitor.page.reload()
        visitor.read("all the answers it needs")
        with app.store as store:
            said = [each.answer for each in store.preferences(gold=False)]
    assert said[:6] == [*(Answer.EQUAL, Answer.CANT_TELL), *(Answer.LEFT, Answer.RIGHT, Answer.LEFT, Answer.RIGHT)]
    assert said[6] is Answer.CANT_TELL
    found = json.loads((study / "results.json").read_text(encoding="utf-8"))["people"]
    assert found["answers"] == 22  # without can't tell
    assert found["equal"] == 1
    assert "The agent that was paid by 22 answers earns" in told


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A study of two comparisons of clips in which a square moves to the right or to the left."""
    frames = np.full((25, 80, 120, 3), 255, dtype=np.uint8)
    for number in range(25):
        frames[number, 30:50, 4 * number : 4 * number + 20] = (0, 60, 160)
    keys = [ExplanationKey("square", number) for number in range(4)]
    with ClipStudy(tmp_path / "study") as study:
        for key in keys:
            study.keep(key, Clip(frames if key.image % 2 else frames[::-1]))
        pairs = [Comparison.about(pair, 1, asked="clips") for pair in (keys[:2], keys[2:])]
        study.store.add_comparisons(pairs, seed=0)
    return tmp_path / "study"


@pytest.mark.parametrize(("scheme", "mobile"), [("light", False), ("dark", True)], ids=["desktop", "phone"])
def test_nothing_keeps_people_out(scheme: str, mobile: bool, browser: Browser, asked: Path) -> None:
    size = PHONE if mobile else {"width": 1280, "height": 800}
    context = browser.new_context(viewport=size, color_scheme=scheme, is_mobile=mobile, has_touch=mobile)  # type: ignore[arg-type]
    visitor, found = Visitor(context.new_page()), []
    with served(asked) as app:
        visitor.visit(app.invite("Lea"), "agree")
        found += complaints(visitor, "welcome") + faults(visitor, "welcome")
        visitor.click("agree")
        visitor.expect("progress")
        found += complaints(visitor, "question") + faults(visitor, "question")
        visitor.page.locator(".clips-stop").click()
        found += complaints(visitor, "stopped") + faults(visitor, "stopped")
        visitor.click("left-")
        visitor.wait_for_done(1)
        visitor.click("history")
        visitor.expect("back")
        found += complaints(visitor, "history") + faults(visitor, "history")
        visitor.visit(app.invite("Rea", Role.RESEARCHER), "downloads")
        found += complaints(visitor, "researchers")
    context.close()
    assert found == []


def test_clips_are_stopped_and_looked_at_picture_by_picture(browser: Browser, asked: Path) -> None:
    context = browser.new_context(reduced_motion="reduce")
    visitor = Visitor(context.new_page())
    with served(asked) as app:
        visitor.visit(app.invite("Lea", practised=True), "progress")
        assert visitor.page.evaluate(STATE) == [["paused", 0, 0]] * 2  # they asked for no motion
        slider = visitor.page.get_by_label("Right: Picture by picture")
        slider.press("ArrowRight")
        slider.press("ArrowRight")
        assert visitor.page.evaluate(STATE) == [["paused", 0, 0], ["paused", 2, 2]]
        visitor.wait_for_done(0)  # arrows on the slider answered nothing
        visitor.page.locator(".heading").first.click()
        visitor.press("s")
        assert [state for state, *_ in visitor.page.evaluate(STATE)] == ["running"] * 2
        visitor.press("s")
        states = visitor.page.evaluate(STATE)
        assert [state for state, *_ in states] == ["paused"] * 2
        assert all(seen == said for _, seen, said in states)
        visitor.press("ArrowLeft")
        visitor.wait_for_done(1)
        assert [state for state, *_ in visitor.page.evaluate(STATE)] == ["paused"] * 2  # the next ones too
    context.close()
