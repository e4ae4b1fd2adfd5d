"""The screens on which nothing is asked."""

import streamlit as st

from explainfb.labelling.recruiting import OpenLink
from explainfb.labelling.served_study import Served
from explainfb.labelling.session import AnnotationSession
from explainfb.store import Kind
from screens import answering, style, words
from screens.guard import allowed, guarded, guarded_page
from screens.question import footer

LOOK_AGAIN_SECONDS = 2.0


def full() -> None:
    """For whoever comes by the open link when nobody more is let in."""
    style.heading(words().closing.full_title)
    st.write(words().closing.full)


def completed(served: Served, session: AnnotationSession, link: OpenLink | None) -> None:
    """As many answers as are asked of one person: the quota of the open link, or no more than there are."""
    style.heading(words().closing.completed_title)
    given = session.outlook().given
    st.write(words().closing.completed.format(given=given))
    _complete(link, given)
    if link is not None:  # one who was asked to end has nothing to take back
        footer(served, session, name="completed")
    _note_finished(served, session)


def _complete(link: OpenLink | None, given: int) -> None:
    """By what whoever came by the open link is known to have taken part, if by anything and with any answer."""
    if link is None or link.completion is None or given == 0:
        return
    if link.ends_elsewhere:
        st.link_button(words().closing.confirm, link.completion, type="primary")
    else:
        style.caption("", words().closing.code.format(code=link.completion), left=True, key="code")


def _note_finished(served: Served, session: AnnotationSession) -> None:
    if not served.store.annotators.visit(session.annotator.name).finished:
        served.store.annotators.note(session.annotator.name, Kind.FINISHED)


def no_link() -> None:
    """For whoever comes without a link that is open: nothing about the study."""
    style.heading(words().closing.no_link_title)
    st.write(words().closing.no_link)


def declined() -> None:
    style.heading(words().welcome.declined_title)
    st.write(words().welcome.declined)


def paused(served: Served, session: AnnotationSession) -> None:
    style.heading(words().closing.pause_title)
    st.write(words().closing.paused.format(given=session.outlook().given))
    answering.go_on(_resume, (served, session))


def waiting(served: Served, session: AnnotationSession, link: OpenLink | None) -> None:
    """Nothing to ask now; goes on by itself. Who came by the open link, `link`, need not wait."""
    style.heading(words().closing.waiting_title)
    given = session.outlook().given
    st.write(words().closing.waiting.format(given=given))
    _complete(link, given)
    _watch(served, session)
    footer(served, session, name="waiting")


def thanks(served: Served, session: AnnotationSession, link: OpenLink | None) -> None:
    """The study needs nothing more."""
    style.heading(words().closing.thanks_title)
    given = session.outlook().given
    st.write(words().closing.thanks.format(given=given))
    _complete(link, given)
    _note_finished(served, session)


# a fragment, so that only this part is run every few seconds, and the page is drawn anew only if there is news
@st.fragment(run_every=LOOK_AGAIN_SECONDS)
@guarded_page
def _watch(served: Served, session: AnnotationSession) -> None:
    if not allowed(served, session.annotator) or served.is_over or session.next() is not None:
        st.rerun()


@guarded
def _resume(served: Served, session: AnnotationSession) -> None:
    if allowed(served, session.annotator):
        served.store.annotators.note(session.annotator.name, Kind.RESUMED)
