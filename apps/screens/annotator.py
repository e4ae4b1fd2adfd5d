"""Which screen an annotator is shown, as the database tells."""

import streamlit as st

from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.session import AnnotationSession
from explainfb.store import Annotator
from screens import closing, history, practice, question, welcome


def show(served: ServedStudy, person: Annotator) -> None:
    visit = served.store.annotators.visit(person.name)
    session = served.session(person)
    if not visit.consented:
        closing.declined() if st.session_state.get(welcome.DECLINED) else welcome.show(served, person)
    elif not practice.is_over(visit.practised):
        practice.show(served, person, visit.practised)
    elif visit.paused:
        closing.paused(served, session)
    elif st.session_state.get(question.HISTORY):
        history.show(served, session)
    elif served.settings.question == "rate":
        asked = session.next_to_rate()
        question.rate(served, session, *asked) if asked else _nothing_to_ask(served, session)
    else:
        lease = session.next()
        question.compare(served, session, lease) if lease else _nothing_to_ask(served, session)


def _nothing_to_ask(served: ServedStudy, session: AnnotationSession) -> None:
    closing.thanks(served, session) if served.is_over else closing.waiting(served, session)
