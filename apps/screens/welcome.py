"""Consent, and instructions with a worked example; nothing is stored before the annotator agrees."""

import streamlit as st

from explainfb.practice import worked_example
from explainfb.store import Annotator, Kind
from explainfb.workplace import Workplace
from screens import practice
from screens.guard import allowed, guarded
from screens.wording import CONSENT, WORDING

DECLINED = "said no"


def show(place: Workplace, person: Annotator) -> None:
    words = WORDING[place.settings.question]
    st.markdown(f"### {words.title}")
    st.markdown(place.text("consent.md") or CONSENT)
    st.markdown("#### What you will do")
    st.markdown(place.text("instructions.md") or words.instructions)
    example = worked_example()
    practice.draw(place, example)
    st.info(practice.why(place, example))
    st.caption(words.keys)
    agree, decline = st.columns(2)
    agree.button(
        "I agree, go on",
        key="agree",
        type="primary",
        shortcut="Y",
        on_click=_agree,
        args=(place, person),
        width="stretch",
    )
    decline.button("No, thank you", key="decline", shortcut="N", on_click=_decline, width="stretch")


@guarded
def _agree(place: Workplace, person: Annotator) -> None:
    if allowed(place, person):
        place.store.annotators.note(person.name, Kind.CONSENTED)


def _decline() -> None:
    st.session_state[DECLINED] = True
