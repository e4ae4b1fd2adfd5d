"""The page: a personal link decides which screen is shown."""

import gc
import os
from pathlib import Path

import streamlit as st

from explainfb.serving import DATA_DIR, DATABASE, STUDY
from explainfb.store import Role
from explainfb.workplace import Workplace
from screens import annotator, closing, researcher, style
from screens.guard import guarded_page, show_notice, token_of_page


def show() -> None:
    style.apply()
    notice = st.container()
    _screen()
    with notice:
        show_notice()


@guarded_page
def _screen() -> None:
    place = workplace()
    person = place.store.annotators.authenticate(token_of_page())
    if person is None:
        closing.no_link()
    elif person.role is Role.RESEARCHER:
        researcher.show(place, person)
    else:
        annotator.show(place, person)


@st.cache_resource(show_spinner="Opening the study…")
def workplace() -> Workplace:
    study, database, data_dir = (os.environ.get(name) or None for name in (STUDY, DATABASE, DATA_DIR))
    assert study is not None
    place = Workplace.open(Path(study), database=database, data_dir=Path(data_dir) if data_dir else None)
    gc.freeze()  # Streamlit collects garbage after every run of this script; what is loaded by now is none
    return place
