"""Which screen an annotator is shown, as the database tells."""

import streamlit as st

from explainfb.labelling import Desk
from explainfb.store import Annotator
from explainfb.workplace import Workplace
from screens import closing, history, practice, welcome, work


def show(place: Workplace, person: Annotator) -> None:
    visit = place.store.annotators.visit(person.name)
    desk = place.desk(person)
    if not visit.consented:
        closing.declined() if st.session_state.get(welcome.DECLINED) else welcome.show(place, person)
    elif not practice.is_over(visit.practised):
        practice.show(place, person, visit.practised)
    elif visit.paused:
        closing.paused(place, desk)
    elif st.session_state.get(work.HISTORY):
        history.show(place, desk)
    elif place.settings.question == "rate":
        asked = desk.next_to_rate()
        work.rate(place, desk, *asked) if asked else _nothing_to_ask(place, desk)
    else:
        lease = desk.next()
        work.compare(place, desk, lease) if lease else _nothing_to_ask(place, desk)


def _nothing_to_ask(place: Workplace, desk: Desk) -> None:
    closing.thanks(place, desk) if place.is_over else closing.waiting(place, desk)
