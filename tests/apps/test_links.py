"""Who gets in: a link that is open opens one's own page, and nothing else opens anything."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from app_visitors import NewVisitor, check_that_no_other_host_is_asked, requests_of
from explainfb.labelling.recruiting import open_link
from explainfb.store import Role
from explainfb.testing.app_server import PATIENCE, App, Visitor


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


def test_only_open_links_open_anything(new_visitor: NewVisitor, app: App) -> None:
    link = app.invite("Ada", practised=True)
    token = link.rpartition("#")[2]
    guest = new_visitor()
    for wrong in ("/", "/enter", "/enter#" + token[:-1], "/enter#" + token.swapcase(), "/?link=' OR 1=1 --"):
        guest.page.goto(app.base + wrong)
        guest.read("needs a personal link")
        assert guest.find("progress").count() == guest.find("agree").count() == 0
    visitor = new_visitor()
    visitor.visit(f"{app.base}/?link={token}&study=/etc&role=researcher", "progress")  # a link of the old form
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
    researcher = new_visitor()
    requested = requests_of(researcher)
    researcher.visit(app.invite("Rea", Role.RESEARCHER), "people")
    assert researcher.find("answers").count() == 0
    assert downloaded(researcher, "download-csv").startswith('"answer_id"')
    with app.store as store:
        store.annotators.revoke("Rea")
    researcher.read("needs a personal link")  # by itself
    assert researcher.find("download-csv").count() == 0
    check_that_no_other_host_is_asked(app, researcher, requested)
    log = app.log.read_text()
    assert token not in log
    assert "Ada" not in log


@pytest.mark.parametrize(
    "path",
    ["/app/static/study.db", "/study.toml", "/%2e%2e/study.toml", "/media/../study.db", "/..%2f..%2fstudy/study.toml"],
)
def test_no_file_of_the_study_is_served(app: App, path: str) -> None:
    try:
        with urllib.request.urlopen(app.base + path) as page:
            found = page.read()
    except urllib.error.HTTPError as refused:
        with refused:
            found = refused.read()
    for secret in (b"lease_minutes", b"SQLite format"):
        assert secret not in found


def test_an_open_link_makes_someone_of_a_visitor_and_ends_with_a_code(new_visitor: NewVisitor, app: App) -> None:
    with app.store as store:
        token = open_link(store, most=1, quota=2, id_name="PID", completion="C0DE-7")
    visitor = new_visitor()
    visitor.get_ready(f"{app.base}/enter?PID=5f0a#{token}")
    assert visitor.page.url == f"{app.base}/"
    visitor.press("1")
    visitor.wait_for_done(1)
    visitor.press("5")
    visitor.read("Your completion code: C0DE-7")
    assert visitor.find("answers").count() == 0
    visitor.press("u")
    visitor.expect("progress")
    visitor.press("2")
    visitor.read("C0DE-7")
    another = new_visitor()
    another.page.goto(f"{app.base}/enter?PID=77#{token}")
    another.read("The study is full")
    with app.store as store:
        (person,) = [each for each in store.annotators.all() if each.role is Role.ANNOTATOR]
        assert person.name == "5f0a"
        assert len(store.history(person)) == 2
