"""Which screen an annotator is shown, as the database tells."""

import streamlit as st

from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.session import AnnotationSession
from explainfb.store import Annotator
from screens import closing, history, practice, welcome, work


def show(served: ServedStudy, person: Annotator) -> None:
    # from the database at every run, because a session is lost with its connection
    visit = served.store.annotators.visit(person.name)
    session = served.session(person)
    if not visit.consented:
        closing.declined() if st.session_state.get(welcome.DECLINED) else welcome.show(served, person)
    elif not practice.is_over(visit.practised):
        practice.show(served, person, visit.practised)
    elif visit.paused:
        closing.paused(served, session)
    elif st.session_state.get(work.HISTORY):
        history.show(served, session)
    elif served.settings.question == "rate":
        asked = session.next_to_rate()
        work.rate(served, session, *asked) if asked else _nothing_to_ask(served, session)
    else:
        lease = session.next()
        work.compare(served, session, lease) if lease else _nothing_to_ask(served, session)


def _nothing_to_ask(served: ServedStudy, session: AnnotationSession) -> None:
    closing.thanks(served, session) if served.is_over else closing.waiting(served, session)
