"""The page: a personal link decides which screen is shown."""

import gc
import os
from pathlib import Path

import streamlit as st

from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.server import DATA_DIR, DATABASE, STUDY
from explainfb.store import Role
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
    served = served_study()
    person = served.store.annotators.authenticate(token_of_page())
    if person is None:
        closing.no_link()
    elif person.role is Role.RESEARCHER:
        researcher.show(served, person)
    else:
        annotator.show(served, person)


@st.cache_resource(show_spinner="Opening the study…")
def served_study() -> ServedStudy:
    study, database, data_dir = (os.environ.get(name) or None for name in (STUDY, DATABASE, DATA_DIR))
    assert study is not None
    served = ServedStudy.open(Path(study), database=database, data_dir=Path(data_dir) if data_dir else None)
    gc.freeze()  # Streamlit collects garbage after every run of this script; what is loaded by now is none
    return served
