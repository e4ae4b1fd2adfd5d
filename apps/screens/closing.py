"""The screens on which nothing is asked."""

import streamlit as st

from explainfb.labelling.served_study import ServedStudy
from explainfb.labelling.session import AnnotationSession
from explainfb.store import Kind
from screens import answering
from screens.guard import allowed, guarded, guarded_page
from screens.question import footer

LOOK_AGAIN_SECONDS = 2.0


def no_link() -> None:
    """For whoever comes without a link that is open: nothing about the study."""
    st.markdown("#### This page needs a personal link")
    st.write(
        "The link you followed is not complete, or it has been closed. "
        "Please ask the person who invited you for a new one."
    )


def declined() -> None:
    st.markdown("#### Thank you for having a look")
    st.write("Nothing was stored. If you change your mind, reload this page.")


def paused(served: ServedStudy, session: AnnotationSession) -> None:
    st.markdown("#### A pause")
    outlook = session.outlook()
    st.write(f"Everything is kept. You have given {outlook.given} answers so far; your link brings you back here.")
    answering.go_on(_resume, (served, session))


def waiting(served: ServedStudy, session: AnnotationSession) -> None:
    """Nothing to ask now; goes on by itself."""
    outlook = session.outlook()
    st.markdown("#### Nothing to compare just now")
    st.write(
        f"Thank you: you have given {outlook.given} answers. The classifier is learning from what people said, or "
        "others are answering the last questions. This page goes on by itself when there is something new; you can "
        "also close it and come back with your link."
    )
    _watch(served, session)
    footer(served, session, name="waiting")


def thanks(served: ServedStudy, session: AnnotationSession) -> None:
    """The study needs nothing more."""
    outlook = session.outlook()
    st.markdown("#### Thank you!")
    st.write(f"The study has all the answers it needs, {outlook.given} of them yours. You can close this page.")
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
