"""What the page shows of a study: that it loads, that it cannot be shown, and odd text as it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from app_visitors import NewVisitor, ready_visitors
from explainfb.testing.app_server import WAITING, begin, copy_study, served

COMMANDS = "\x1b[31m\u202e"
"""Red in a terminal, and from right to left on a page."""
UGLY = '<img src=x onerror="hacked=1"> **b** $x$ :smile: \'q\' "q" 🙂'


def test_the_first_visitor_reads_that_the_study_loads(
    new_visitor: NewVisitor, waiting_study: Path, tmp_path: Path
) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        visitor = new_visitor()
        visitor.page.goto(app.invite("Ida"))
        visitor.page.get_by_text("Loading the study").wait_for()
        visitor.expect("agree")
        assert visitor.page.get_by_text("Loading the study").count() == 0


def test_ugly_names_comments_and_classes_are_shown_as_they_are(new_visitor: NewVisitor, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    generator = np.random.default_rng(0)
    for name in (UGLY, "plain"):
        (pictures / name).mkdir(parents=True)
        for number in range(40):
            pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(pictures / name / f"{number}.png")
    study = tmp_path / "study"
    begin(study, replace(WAITING, task=f"folder:{pictures}", image_size=32, comparisons_per_round=8))
    with served(study) as app:
        alerts: list[str] = []
        visitors = ready_visitors(new_visitor, app, [UGLY, "plain"])
        for visitor in visitors:
            visitor.page.on("dialog", lambda dialog: alerts.append(dialog.message))
            visitor.page.on("pageerror", lambda error: alerts.append(str(error)))
        visitor, comment = visitors[0], COMMANDS + (UGLY * 500)[:10_000]
        shown = ""
        for number in range(1, 5):
            shown += visitor.page.locator("[class*=st-key-pair]").first.inner_text()
            visitor.page.get_by_role("textbox").fill(comment)
            visitor.page.get_by_role("textbox").blur()
            visitor.settle()
            visitor.press("1")
            visitor.wait_for_done(number)
        assert UGLY in shown
        visitor.press("h")
        visitor.expect("back")
        said = visitor.page.inner_text("[data-testid=stApp]")
        assert UGLY in said
        assert r"\x1b[31m\u202e" in said
        assert not set(COMMANDS) & {"\x1b", "\u202e"} & set(visitor.page.content())
        assert visitor.page.evaluate("window.hacked") is None
        assert alerts == []
        with app.store as store:
            assert [(answer.annotator, answer.comment) for answer in store.answers()] == [(UGLY, comment)] * 4
        log = app.log.read_text()
        assert UGLY not in log
        assert "onerror" not in log


def test_a_study_that_lost_a_file_says_so_and_goes_on_when_it_is_back(
    new_visitor: NewVisitor, waiting_study: Path, tmp_path: Path
) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    with served(study) as app:
        link = app.invite("Ada", practised=True)
        (study / "explanations" / "round-1.safetensors").rename(study / "elsewhere")
        visitor = new_visitor()
        visitor.page.goto(link)
        visitor.read("cannot be shown just now")
        assert str(study) not in visitor.page.content()
        (study / "elsewhere").rename(study / "explanations" / "round-1.safetensors")
        visitor.page.reload()
        visitor.expect("progress")
        log = app.log.read_text()
        assert "Ada" not in log
        assert link.rpartition("#")[2] not in log
