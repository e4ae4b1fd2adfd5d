"""Consent, and instructions with a worked example; nothing is stored before the annotator agrees."""

import streamlit as st

from explainfb.labelling.recruiting import came_by_link
from explainfb.labelling.served_study import Served
from explainfb.store import Annotator, Kind
from screens import answering, practice, style, words
from screens.asking import clips
from screens.guard import allowed, guarded
from screens.question import INSTRUCTIONS

DECLINED = "said no"


def show(served: Served, person: Annotator) -> None:
    said = words().welcome
    style.heading(answering.asked(served.settings.question).title)
    st.markdown(served.text("consent.md") or said.consent)
    style.heading(said.what_you_will_do, level=2)
    _explain(served, person, consented=False)
    agree, decline = st.columns(2)
    agree.button(
        said.agree,
        key="agree",
        type="primary",
        shortcut=answering.shortcut("Y"),
        on_click=_agree,
        args=(served, person),
        width="stretch",
    )
    decline.button(
        said.decline,
        key="decline",
        shortcut=answering.shortcut("N"),
        on_click=_decline,
        args=(served, person),
        width="stretch",
    )


def instructions(served: Served, person: Annotator) -> None:
    """The instructions again, at any time after consent."""
    style.heading(words().welcome.instructions_title, name="instructions")
    st.button(words().buttons.back, key="back", shortcut=answering.shortcut("Escape"), on_click=_close, type="primary")
    _explain(served, person, consented=True)


def _close() -> None:
    st.session_state.pop(INSTRUCTIONS, None)


def _explain(served: Served, person: Annotator, *, consented: bool) -> None:
    said = answering.asked(served.settings.question)
    st.markdown(served.text("instructions.md") or said.instructions)
    if served.practice is not None:
        practice.draw(served, served.practice.worked)
        st.info(practice.why(served, served.practice.worked))
    else:
        clips.draw_first(served)
    with st.container(key="keys"):
        if not st.session_state.get(answering.SHORTCUTS_OFF):
            style.small(said.keys)
        st.session_state["shortcuts"] = not st.session_state.get(answering.SHORTCUTS_OFF)
        st.toggle(
            words().welcome.shortcuts,
            key="shortcuts",
            help=words().welcome.shortcuts_help,
            on_change=_switch,
            args=(served, person, consented),
        )


@guarded
def _switch(served: Served, person: Annotator, consented: bool) -> None:
    on = bool(st.session_state["shortcuts"])
    st.session_state[answering.SHORTCUTS_OFF] = not on
    if consented and allowed(served, person):
        _note_shortcuts(served, person, on)


def _note_shortcuts(served: Served, person: Annotator, on: bool) -> None:
    """On record, so that it holds after a reload and on another device."""
    served.store.annotators.note(person.name, Kind.SHORTCUTS_ON if on else Kind.SHORTCUTS_OFF)


@guarded
def _agree(served: Served, person: Annotator) -> None:
    if allowed(served, person):
        served.store.annotators.note(person.name, Kind.CONSENTED)
        if st.session_state.get(answering.SHORTCUTS_OFF):
            _note_shortcuts(served, person, on=False)


@guarded
def _decline(served: Served, person: Annotator) -> None:
    """Not in the database: nothing is stored of those who say no, and who came by the open link is taken out of it."""
    people = served.store.annotators
    if allowed(served, person) and came_by_link(served.store, person) and not people.visit(person.name).consented:
        people.forget(person.name, counted=False)
    st.session_state[DECLINED] = True
