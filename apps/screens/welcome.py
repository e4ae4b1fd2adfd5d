"""Consent, and instructions with a worked example; nothing is stored before the annotator agrees."""

import streamlit as st

from explainfb.labelling.practice import worked_example
from explainfb.labelling.served_study import ServedStudy
from explainfb.store import Annotator, Kind
from screens import answering, practice
from screens.guard import allowed, guarded

DECLINED = "said no"


def show(served: ServedStudy, person: Annotator) -> None:
    words = answering.WORDING[served.settings.question]
    st.markdown(f"### {words.title}")
    st.markdown(served.text("consent.md") or answering.CONSENT)
    st.markdown("#### What you will do")
    st.markdown(served.text("instructions.md") or words.instructions)
    example = worked_example()
    practice.draw(served, example)
    st.info(practice.why(served, example))
    st.caption(words.keys)
    agree, decline = st.columns(2)
    agree.button(
        "I agree, go on",
        key="agree",
        type="primary",
        shortcut="Y",
        on_click=_agree,
        args=(served, person),
        width="stretch",
    )
    decline.button("No, thank you", key="decline", shortcut="N", on_click=_decline, width="stretch")


@guarded
def _agree(served: ServedStudy, person: Annotator) -> None:
    if allowed(served, person):
        served.store.annotators.note(person.name, Kind.CONSENTED)


def _decline() -> None:
    st.session_state[DECLINED] = True  # not in the database: nothing is stored of those who say no
