"""What the app's screens say and do, without a browser."""

import html
import logging
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from explainfb.labelling import session as labelling
from explainfb.labelling.practice import NAMES
from explainfb.labelling.recruiting import current_link, join, joined, open_link
from explainfb.labelling.server import DATA_DIR, DATABASE, STUDY, app_script, cookie_of
from explainfb.labelling.wording_files import WORDING, wording_in, write_wording
from explainfb.store import Kind, Role, Store
from explainfb.study.settings_file import read_settings, write_settings
from explainfb.testing.app_server import copy_study
from store_backends import response

PATIENCE = 60
COOKIES: dict[str, str] = {}
"""What the browser of whoever is at the page sends."""
PRACTICE = wording_in("en").practice


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit leaves the script that it ran as `__main__`, and every process that is spawned later runs that first:
    Dask's workers, in another test, ended before they began."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def study(waiting_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copy_study(waiting_study, tmp_path / "study")
    monkeypatch.setenv(STUDY, str(folder))
    monkeypatch.setenv(DATABASE, "")
    monkeypatch.setenv(DATA_DIR, "")
    monkeypatch.syspath_prepend(str(app_script().parent))
    monkeypatch.setattr(type(st.context), "cookies", property(lambda context: COOKIES))
    COOKIES.clear()
    st.cache_resource.clear()
    return folder


def opened(study: Path, name: str, role: Role = Role.ANNOTATOR, *, practised: bool = False) -> AppTest:
    with Store(study / "study.db") as store:
        token = store.annotators.add(name, role=role)
        if practised:
            store.annotators.note(name, Kind.CONSENTED)
            for example in NAMES:
                store.annotators.note(name, Kind.PRACTISED, detail=example)
    return opened_with(study, token)


def opened_with(study: Path, token: str) -> AppTest:
    app = AppTest.from_file(str(app_script()), default_timeout=PATIENCE)
    with Store(study / "study.db") as store:
        COOKIES[cookie_of(store)] = token
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    texts = [str(element.value) for kind in ("markdown", "warning", "success", "info") for element in app.get(kind)]
    return "\n".join([*texts, *(html.unescape(element.proto.body) for element in app.get("html"))])


def button(app: AppTest, start: str) -> Button:
    return next(each for each in app.button if each.key and each.key.startswith(start))


def test_nothing_is_stored_without_consent(study: Path) -> None:
    app = opened(study, "Ada")
    assert "What is kept" in said(app)
    app.button("decline").click().run()
    assert "Thank you for having a look" in said(app)
    with Store(study / "study.db") as store:
        assert store.annotators.events("Ada") == []


def test_who_came_by_the_open_link_and_says_no_is_forgotten(study: Path) -> None:
    with Store(study / "study.db") as store:
        link = open_link(store, most=1)
        token = join(store, link, "")
    app = opened_with(study, token)
    app.button("decline").click().run()
    assert "Nothing was stored. If you change your mind, open your link again." in said(app)
    with Store(study / "study.db") as store:
        assert joined(store) == set()
        assert "visitor 1" not in {person.name for person in store.annotators.all()}
        assert store.annotators.forgotten().people == 0
        again = join(store, link, "", known=token)  # the place is free again
    app = opened_with(study, again)
    app.button("agree").click().run()
    with Store(study / "study.db") as store:
        assert joined(store) == {"visitor 1"}


def test_no_code_is_shown_before_the_first_answer(study: Path) -> None:
    with Store(study / "study.db") as store:
        token = join(store, open_link(store, most=1, completion="C0DE"), "")
        for kind, detail in [(Kind.CONSENTED, ""), *((Kind.PRACTISED, name) for name in NAMES)]:
            store.annotators.note("visitor 1", kind, detail=detail)
        asked = store.comparisons(1)
        store.close_round(1)
    app = opened_with(study, token)
    assert "Nothing to compare just now" in said(app) or "Thank you!" in said(app)
    assert "C0DE" not in said(app)
    with Store(study / "study.db") as store:
        assert current_link(store) is not None
        visitor = store.annotators.all()[-1]
        store.answer(visitor, response(asked[0], labelling.Answer.LEFT, "first"), now=_now(), overlap=1)
    app.run()
    assert "C0DE" in said(app)


def test_the_studys_own_consent_and_instructions_take_their_place(study: Path) -> None:
    (study / "consent.md").write_text("Our ethics board says yes.")
    (study / "instructions.md").write_text("Look at the beaks.")
    text = said(opened(study, "Ada"))
    assert "Our ethics board says yes." in text
    assert "Look at the beaks." in text
    assert "What is kept" not in text


def test_practice_tells_why_and_lets_nobody_past_it(study: Path) -> None:
    app = opened(study, "Ada")
    app.button("agree").click().run()
    for because in (PRACTICE.right_better, PRACTICE.both_good, PRACTICE.both_bad):
        assert not [each for each in app.button if each.key and each.key.startswith("undo")]
        wrong = "cant_tell-practice"
        button(app, wrong).click().run()
        assert because in said(app)
        assert "We would say" in said(app)
        assert "your own view is what counts" in said(app)
        app.button("go-on").click().run()
    assert button(app, "undo-")


def test_the_page_about_people_lists_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    app, page = app_script().parent, Path(__file__).parents[2] / "docs" / "people.md"
    monkeypatch.syspath_prepend(str(app))
    from screens import answering

    pressed = {key for file in app.rglob("*.py") for key in re.findall(r'shortcut\("(\w+)"\)', file.read_text())}
    assert {"Enter", "G", "Y"} <= pressed
    pressed |= {answering.UNDO, answering.PAUSE, answering.HISTORY, answering.INSTRUCTIONS, answering.ORIGINAL}
    pressed |= {str(number) for number, _ in enumerate(answering.KEYS, 1)}
    pressed |= {answering.ARROWS[arrow] for arrow in answering.KEYS.values() if arrow}
    table = page.read_text(encoding="utf-8").partition("| key | |")[2].partition("\n\n")[0]
    listed = {word for row in table.split("\n| ")[1:] for word in re.findall(r"\w+|[←→↑↓]", row.split("|")[0])}
    assert {"Esc" if key == "Escape" else key for key in pressed} - listed == set()


def test_a_mistake_of_the_program_is_told_and_logged_without_its_details(
    study: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = opened(study, "Ada", practised=True)
    monkeypatch.setattr(labelling, "FASTEST", labelling.timedelta(0))

    def broken(*given: object, **named: object) -> None:
        raise KeyError("Ada said left")

    monkeypatch.setattr(labelling.AnnotationSession, "answer", broken)
    with caplog.at_level(logging.ERROR):
        button(app, "left-").click().run()
    assert not app.exception
    assert "Something went wrong" in said(app)
    assert "KeyError" in caplog.text
    assert "Ada" not in caplog.text


def test_a_researcher_leaves_someone_out_on_record(study: Path) -> None:
    opened(study, "Ada", practised=True)
    with Store(study / "study.db") as store:
        ada = next(each for each in store.annotators.all() if each.name == "Ada")
        for stored in store.comparisons(1)[:3]:
            store.answer(ada, response(stored, labelling.Answer.LEFT, str(stored.id)), now=_now(), overlap=1)
        assert len(store.preferences(gold=True)) == 3
    app = opened(study, "Rea", Role.RESEARCHER)
    table = app.dataframe[0].value
    assert (
        table.to_dict("records")[0] | {"name": "Ada", "answers": 3, "learned from": "yes"}
        == table.to_dict("records")[0]
    )
    assert "left was chosen" in said(app)
    app.button("decide").click().run()
    assert "Say why" in said(app)
    app.text_input("why").input("fails gold items").run()
    app.button("decide").click().run()
    assert app.dataframe[0].value["learned from"].tolist() == ["no"]
    with Store(study / "study.db") as store:
        assert store.preferences(gold=True) == []
        (event,) = [event for event in store.annotators.events("Ada") if event.kind is Kind.EXCLUDED]
        assert (event.by, event.detail) == ("Rea", "fails gold items")
    app.button("decide").click().run()
    with Store(study / "study.db") as store:
        assert store.preferences(gold=True) == []  # the reason for one decision is none for the next
    app.text_input("why").input("had a bad day").run()
    app.button("decide").click().run()
    with Store(study / "study.db") as store:
        assert len(store.preferences(gold=True)) == 3


def _now() -> labelling.datetime:
    return labelling.datetime.now(labelling.UTC)


def test_an_annotators_link_opens_no_researchers_page(study: Path) -> None:
    app = opened(study, "Ada", practised=True)
    app.query_params["role"] = "researcher"
    app.run()
    assert "The study so far" not in said(app)
    assert not app.dataframe


def test_the_researchers_page_is_english_where_annotators_are_asked_in_another_language(study: Path) -> None:
    write_wording(study / WORDING, "ar")
    ends = {Role.ANNOTATOR: 'data-language="ar" data-direction="rtl"', Role.RESEARCHER: 'data-language="en"'}
    for role, told in ends.items():
        marks = re.findall(r"data-language=[^>]*", said(opened(study, f"a {role}", role)))
        assert marks[-1].startswith(told)


def careless(study: Path, name: str, count: int = 20) -> None:
    """Always the left one, at a pace that nobody reads at."""
    with Store(study / "study.db") as store:
        person = next(each for each in store.annotators.all() if each.name == name)
        for stored in store.comparisons(1)[:count]:
            given = response(stored, labelling.Answer.LEFT, str(stored.id))
            given = replace(given, responded_at=given.shown_at, comment="*dull*" if stored.id % 20 == 0 else None)
            store.answer(person, given, now=_now(), overlap=1)


def test_researchers_are_told_at_once_who_does_not_look(study: Path) -> None:
    opened(study, "Ada [x](y)", practised=True)
    careless(study, "Ada [x](y)")
    app = opened(study, "Rea", Role.RESEARCHER)
    (warning,) = [str(each.value) for each in app.warning]
    assert warning.replace("\\", "").startswith("Ada [x](y): 0.0 s an answer, under 1 s; left in 100% of choices")
    assert "[x](" not in warning  # no link
    assert "“*dull*”" in said(app)
    assert "Both bad: 0 of 20" in said(app)
    app.text_input("invited").input("Bo").run()
    app.button("invite").click().run()
    (made,) = [str(each.value) for each in app.code]
    with Store(study / "study.db") as store:
        person = store.annotators.authenticate(made.partition("#")[2])
        assert person is not None
        assert (person.name, person.role) == ("Bo", Role.ANNOTATOR)
    app.text_input("invited").input("Bo").run()
    assert not app.code  # shown once
    app.button("invite").click().run()
    assert "has a link already" in said(app)


@pytest.mark.parametrize("act", ["flag", "end", "leave_out"])
def test_a_careless_visit_ends_politely_where_the_study_wants_it(
    study: Path, act: Literal["flag", "end", "leave_out"]
) -> None:
    settings = read_settings(study / "study.toml")
    write_settings(replace(settings, care=replace(settings.care, act=act)), study / "study.toml")
    app = opened(study, "Ada", practised=True)
    careless(study, "Ada")
    app.run()
    ended = "Thank you, that is all" in said(app)
    assert ended == (act != "flag")
    with Store(study / "study.db") as store:
        assert len(store.preferences(gold=True)) == (0 if act == "leave_out" else 20)
        kinds = [event.kind for event in store.annotators.events("Ada")]
        assert kinds.count(Kind.ENDED) == int(ended)
        if act == "leave_out":
            store.annotators.include("Ada", by="Rea", reason="she was tired")
    app.run()
    assert ("Thank you, that is all" in said(app)) == (act == "end")


def test_a_visit_that_ended_of_itself_is_taken_back_by_a_researcher(study: Path) -> None:
    opened(study, "Ada", practised=True)
    careless(study, "Ada")
    with Store(study / "study.db") as store:
        store.annotators.note("Ada", Kind.ENDED, detail="0.0 s an answer", by="explainfb")
    app = opened(study, "Rea", Role.RESEARCHER)
    assert "Ada asked no more" in said(app)
    assert app.button("decide").label == "Take back in"
    app.text_input("why").input("a slow network").run()
    app.button("decide").click().run()
    assert app.button("decide").label == "Leave out"
    with Store(study / "study.db") as store:
        assert not store.annotators.visit("Ada").ended
