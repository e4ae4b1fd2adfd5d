"""The screens on which nothing is asked."""

import streamlit as st

from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.session import AnnotationSession
from explainfb.store import Kind
from screens import answering, style, words
from screens.guard import allowed, guarded, guarded_page
from screens.question import footer

LOOK_AGAIN_SECONDS = 2.0


def no_link() -> None:
    """For whoever comes without a link that is open: nothing about the study."""
    style.heading(words().closing.no_link_title)
    st.write(words().closing.no_link)


def declined() -> None:
    style.heading(words().welcome.declined_title)
    st.write(words().welcome.declined)


def paused(served: ServedStudy, session: AnnotationSession) -> None:
    style.heading(words().closing.pause_title)
    st.write(words().closing.paused.format(given=session.outlook().given))
    answering.go_on(_resume, (served, session))


def waiting(served: ServedStudy, session: AnnotationSession) -> None:
    """Nothing to ask now; goes on by itself."""
    style.heading(words().closing.waiting_title)
    st.write(words().closing.waiting.format(given=session.outlook().given))
    _watch(served, session)
    footer(served, session, name="waiting")


def thanks(served: ServedStudy, session: AnnotationSession) -> None:
    """The study needs nothing more."""
    style.heading(words().closing.thanks_title)
    st.write(words().closing.thanks.format(given=session.outlook().given))
    if not served.store.annotators.visit(session.annotator.name).finished:
        served.store.annotators.note(session.annotator.name, Kind.FINISHED)


# a fragment, so that only this part is run every few seconds, and the page is drawn anew only if there is news
@st.fragment(run_every=LOOK_AGAIN_SECONDS)
@guarded_page
def _watch(served: ServedStudy, session: AnnotationSession) -> None:
    if not allowed(served, session.annotator) or served.is_over or session.next() is not None:
        st.rerun()


@guarded
def _resume(served: ServedStudy, session: AnnotationSession) -> None:
    if allowed(served, session.annotator):
        served.store.annotators.note(session.annotator.name, Kind.RESUMED)
