"""The page: a personal link decides which screen is shown."""

import gc
import os
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from explainfb.labelling.recruiting import FULL, OpenLink, came_by_link, current_link, has_enough, has_place
from explainfb.labelling.served_clips import open_served
from explainfb.labelling.served_study import Served
from explainfb.labelling.server import DATA_DIR, DATABASE, STUDY
from explainfb.labelling.session import AnnotationSession
from explainfb.preferences.care import concerns
from explainfb.store import Annotator, Kind, Role, Visit
from screens import answering, closing, history, practice, question, researcher, style, welcome
from screens.guard import guarded_page, show_notice, token_of_page

LATEST = 100
"""So many of someone's latest answers are looked at while they are at work."""
PROGRAM = "explainfb"
"""Who decided, where nobody did."""


def show() -> None:
    style.apply()
    notice = st.container()  # above the screen, filled last, because drawing the screen may add to it
    _screen()
    with notice:
        show_notice()


@guarded_page
def _screen() -> None:
    served = served_study()
    token = token_of_page(served)
    person = served.store.annotators.authenticate(token)  # at every run: a link may be closed meanwhile
    if person is None and st.session_state.get(welcome.DECLINED):  # and was forgotten
        closing.declined()
    elif person is None:
        closing.full() if token == FULL else closing.no_link()
    elif person.role is Role.RESEARCHER:
        researcher.show(served, person)
    else:
        _show_annotator(served, person)


def _show_annotator(served: Served, person: Annotator) -> None:
    """The screen of an annotator, as the database tells."""
    # from the database at every run, because a session is lost with its connection
    visit = served.store.annotators.visit(person.name)
    session = served.session(person)
    link = current_link(served.store) if came_by_link(served.store, person) else None
    if visit.consented:
        visit = _act_on_concerns(served, session, visit)
        st.session_state[answering.SHORTCUTS_OFF] = not visit.shortcuts
    if not visit.consented:
        _before_consent(served, person)
    elif st.session_state.get(question.INSTRUCTIONS):
        welcome.instructions(served, person)
    elif not practice.is_over(served, session, visit.practised):
        practice.show(served, person, visit.practised)
    elif visit.paused:
        closing.paused(served, session)
    elif (visit.ended or person.excluded) and visit.consented:
        closing.completed(served, session, None)
    elif link and has_enough(link, session.outlook().given) and not st.session_state.get(question.HISTORY):
        closing.completed(served, session, link)
    elif st.session_state.get(question.HISTORY):
        history.show(served, session)
    else:
        _ask(served, session, link)


def _ask(served: Served, session: AnnotationSession, link: OpenLink | None) -> None:
    """The next question, or why there is none."""
    is_last = link is not None and has_enough(link, session.outlook().given + 1)
    if served.settings.question == "rate" and (asked := session.next_to_rate()) is not None:
        question.rate(served, session, *asked, is_last=is_last)
    elif served.settings.question != "rate" and (lease := session.next()) is not None:
        question.ask(served, session, lease, is_last=is_last)
    else:
        _nothing_to_ask(served, session, link)


def _before_consent(served: Served, person: Annotator) -> None:
    if st.session_state.get(welcome.DECLINED):
        closing.declined()
    elif has_place(served.store, person, datetime.now(UTC)):
        welcome.show(served, person)
    else:
        closing.full()


def _act_on_concerns(served: Served, session: AnnotationSession, visit: Visit) -> Visit:
    """End the visit of someone whose answers are flagged, where the study wants that; returns how far they are now."""
    care, people, name = served.settings.care, served.store.annotators, session.annotator.name
    if care.act == "flag" or visit.ended or visit.taken_back or session.annotator.excluded:
        return visit
    found = concerns(session.history(LATEST), care)
    if not found:
        return visit
    reason = "; ".join(found[0].reasons)
    people.note(name, Kind.ENDED, detail=reason, by=PROGRAM)
    if care.act == "leave_out":
        people.exclude(name, by=PROGRAM, reason=reason)
    return people.visit(name)


def _nothing_to_ask(served: Served, session: AnnotationSession, link: OpenLink | None) -> None:
    closing.thanks(served, session, link) if served.is_over else closing.waiting(served, session, link)


@st.cache_resource(show_spinner=False)
def served_study() -> Served:
    study, database, data_dir = (os.environ.get(name) or None for name in (STUDY, DATABASE, DATA_DIR))
    assert study is not None
    served = open_served(Path(study), database=database, data_dir=Path(data_dir) if data_dir else None)
    gc.freeze()  # Streamlit collects garbage after every run of this script; what is loaded so far need not be searched
    return served
