"""What must not go wrong in the annotators' app: crowds, power cuts, odd text, and links that are not one's own."""

import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from explainfb.core.types import Answer
from explainfb.store import Role
from explainfb.testing.app_server import PATIENCE, WAITING, App, Visitor, begin, copy_study, move_to_database, served
from store_backends import BACKENDS, check_counters, fresh_url

VISITORS = 8
UGLY = '<img src=x onerror="hacked=1"> **b** $x$ :smile: \'q\' "q" 🙂'


def ready_visitors(browser: Browser, app: App, names: list[str]) -> list[Visitor]:
    """People past consent and practice, each with a browser of their own, at their first question."""
    visitors = [Visitor(browser.new_context().new_page()) for _ in names]
    for visitor, name in zip(visitors, names, strict=True):
        visitor.visit(app.invite(name, practised=True), "progress")
    return visitors


@pytest.mark.parametrize("backend", BACKENDS)
def test_eight_people_at_once(browser: Browser, waiting_study: Path, tmp_path: Path, backend: str) -> None:
    """Nobody is shown what another is being shown, and in the end each comparison is answered once."""
    study = copy_study(waiting_study, tmp_path / "study")
    with fresh_url(backend, tmp_path) as url:
        move_to_database(study, url)
        with served(study, url) as app:
            visitors = ready_visitors(browser, app, [f"person {number}" for number in range(VISITORS)])
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


def test_overlap_asks_so_many_people_and_no_more(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    settings = (study / "study.toml").read_text()
    assert "overlap = 1" in settings
    (study / "study.toml").write_text(settings.replace("overlap = 1", "overlap = 2"))
    with served(study) as app:
        visitors = ready_visitors(browser, app, ["one", "two", "three"])
        shown = [visitor.pictures() for visitor in visitors]
        assert shown[0] == shown[1] != shown[2]
        for visitor in visitors:
            visitor.press("1")
            visitor.wait_for_done(1)
        assert visitors[0].pictures() == shown[2]


def test_killed_while_answers_arrive(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    """What a browser saw confirmed is on record, once; after the restart the pages go on."""
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        names = ["Ada", "Bo", "Cy"]
        visitors = ready_visitors(browser, app, names)
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


def test_a_page_left_open_goes_on_after_a_restart(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        (visitor,) = ready_visitors(browser, app, ["Ada"])
        visitor.press("1")
        visitor.wait_for_done(1)
        app.kill()
        app.start()
        deadline = time.monotonic() + 150
        while visitor.done[0] == 1:
            assert time.monotonic() < deadline
            visitor.press("1")
        visitor.page.wait_for_timeout(2000)  # what was pressed while nobody listened may arrive together
        visitor.settle()
        with app.store as store:
            assert len(store.answers()) == visitor.done[0]


def test_ugly_names_comments_and_classes_are_shown_as_they_are(browser: Browser, tmp_path: Path) -> None:
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
        visitors = ready_visitors(browser, app, [UGLY, "plain"])
        for visitor in visitors:
            visitor.page.on("dialog", lambda dialog: alerts.append(dialog.message))
            visitor.page.on("pageerror", lambda error: alerts.append(str(error)))
        visitor, comment = visitors[0], (UGLY * 500)[:10_000]
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
        assert UGLY in visitor.page.inner_text("[data-testid=stApp]")
        assert visitor.page.evaluate("window.hacked") is None
        assert alerts == []
        with app.store as store:
            assert [(answer.annotator, answer.comment) for answer in store.answers()] == [(UGLY, comment)] * 4
        log = app.log.read_text()
        assert UGLY not in log
        assert "onerror" not in log


def downloaded(visitor: Visitor, key: str) -> str:
    """What a download holds; the page is loaded anew, as a person would do it, where Streamlit loses the request for a
    file made on demand and leaves the button disabled, which it was seen to do on a busy machine."""

    def press() -> str:
        with visitor.page.expect_download(timeout=PATIENCE / 2) as found:
            visitor.find(key).get_by_role("button").click()
        return Path(found.value.path()).read_text()

    try:
        return press()
    except PlaywrightTimeoutError:
        visitor.page.reload()
        visitor.expect("people")
        return press()


def test_only_open_links_open_anything(browser: Browser, waiting_study: Path, tmp_path: Path) -> None:
    with served(copy_study(waiting_study, tmp_path / "study")) as app:
        link = app.invite("Ada", practised=True)
        token = link.rpartition("=")[2]
        guest = Visitor(browser.new_page())
        for wrong in ("/", "/?link=", "/?link=" + token[:-1], "/?link=" + token.swapcase(), "/?link=' OR 1=1 --"):
            guest.page.goto(app.base + wrong)
            guest.read("needs a personal link")
            assert guest.find("progress").count() == guest.find("agree").count() == 0
        visitor = Visitor(browser.new_page())
        visitor.visit(link + "&study=/etc&role=researcher", "progress")
        assert visitor.find("people").count() == 0
        with app.store as store:
            store.annotators.revoke("Ada")
        visitor.press("1")
        visitor.read("needs a personal link")
        with app.store as store:
            assert store.answers() == []
        visitor.page.reload()
        visitor.read("needs a personal link")
        again = app.invite("Ada")
        assert again != link
        visitor.visit(again, "progress")
        researcher = Visitor(browser.new_page())
        researcher.visit(app.invite("Rea", Role.RESEARCHER), "people")
        assert researcher.find("answers").count() == 0
        assert downloaded(researcher, "download-csv").startswith('"answer_id"')
        with app.store as store:
            store.annotators.revoke("Rea")
        researcher.read("needs a personal link")  # by itself
        assert researcher.find("download-csv").count() == 0
        log = app.log.read_text()
        assert token not in log
        assert "Ada" not in log


@pytest.mark.parametrize(
    "path",
    ["/app/static/study.db", "/study.toml", "/%2e%2e/study.toml", "/media/../study.db", "/..%2f..%2fstudy/study.toml"],
)
def test_no_file_of_the_study_is_served(open_app: App, path: str) -> None:
    try:
        with urllib.request.urlopen(open_app.base + path) as page:
            found = page.read()
    except urllib.error.HTTPError as error:
        found = error.read()
    for secret in (b"lease_minutes", b"SQLite format"):
        assert secret not in found


@pytest.fixture(scope="module")
def open_app(waiting_study: Path, tmp_path_factory: pytest.TempPathFactory) -> App:
    with served(copy_study(waiting_study, tmp_path_factory.mktemp("open") / "study")) as app:
        yield app


def test_a_study_that_lost_a_file_says_so_and_goes_on_when_it_is_back(
    browser: Browser, waiting_study: Path, tmp_path: Path
) -> None:
    study = copy_study(waiting_study, tmp_path / "study")
    with served(study) as app:
        link = app.invite("Ada", practised=True)
        (study / "explanations" / "round-1.safetensors").rename(study / "elsewhere")
        visitor = Visitor(browser.new_page())
        visitor.page.goto(link)
        visitor.read("cannot be shown just now")
        assert str(study) not in visitor.page.content()
        (study / "elsewhere").rename(study / "explanations" / "round-1.safetensors")
        visitor.page.reload()
        visitor.expect("progress")
        log = app.log.read_text()
        assert "Ada" not in log
        assert link.rpartition("=")[2] not in log
