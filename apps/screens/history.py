"""The last ten answers, each of which can be changed while its round is open."""

import functools
import secrets
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from explainfb.core.types import Answer
from explainfb.labelling.served_study import Served
from explainfb.labelling.session import SIDES, AnnotationSession, Moment
from explainfb.store import StoredAnswer
from screens import answering, question, style, words
from screens.asking import SCREENS
from screens.guard import allowed, guarded, tell

CHANGING = "changing"
"""The key of the id of the answer that is being changed, and of the token of the change."""


def show(served: Served, session: AnnotationSession) -> None:
    latest = session.history()
    changing: tuple[int, str] | None = st.session_state.get(CHANGING)
    chosen = next((answer for answer in latest if changing and answer.id == changing[0]), None)
    if changing is not None and chosen is not None:
        change = _rate_anew if served.settings.question == "rate" else _change
        change(served, session, chosen, changing[1])
        return
    style.heading(words().history.title, name="history")
    key = answering.shortcut("Escape")
    st.button(words().buttons.back, key="back", shortcut=key, on_click=_leave, type="primary")
    if not latest:
        st.write(words().history.nothing)
    is_open = served.store.rounds()
    for place_in_list, answer in enumerate(latest):
        _row(served, session, answer, place_in_list, is_open.get(answer.comparison.comparison.round, False))


def _row(served: Served, session: AnnotationSession, answer: StoredAnswer, place_in_list: int, is_open: bool) -> None:
    shown, said = served.shown(answer.comparison.comparison), words()
    titles = (said.stimuli.left, said.stimuli.right) if len(shown) == 2 else range(1, len(shown) + 1)
    with st.container(key=f"pair-row-{place_in_list}", border=True):
        columns = st.columns([1] * len(shown) + [2])
        for column, each, picture, title in zip(columns, shown, served.small_pictures(shown), titles, strict=False):
            column.image(picture, alt=f"{title}. {each.describe(said)}", width=110)
        with columns[-1]:
            style.caption(_said(served, session, answer), _when(answer), left=True)
            if answer.comment:
                style.caption("", f"“{answer.comment[:200]}”", left=True)
            if is_open:
                st.button(said.buttons.change, key=f"change-{answer.id}", on_click=_start_changing, args=(answer.id,))
            else:
                style.small(said.history.closed)


def _said(served: Served, session: AnnotationSession, answer: StoredAnswer) -> str:
    """The answer, or the ratings that it follows from."""
    ratings = session.ratings_of(answer) if served.settings.question == "rate" else {}
    if len(ratings) == 2:
        return words().history.rated.format(left=ratings["left"], right=ratings["right"])
    return SCREENS[answer.comparison.comparison.asked].told(answer.answer or Answer.CANT_TELL, answer.said)


def _when(answer: StoredAnswer) -> str:
    """The time of day on the annotator's own clock."""
    try:
        zone: tzinfo = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return words().history.at.format(time=f"{answer.responded_at.astimezone(zone):%H:%M}")


def _change(served: Served, session: AnnotationSession, answer: StoredAnswer, token: str) -> None:
    shown, screen = question.first_shown(token), SCREENS[answer.comparison.comparison.asked]
    style.heading(screen.words().again, name=f"change-{token}")
    style.caption(words().history.so_far, _said(served, session, answer))
    on_reply = functools.partial(_store_change, served, session, answer, shown, token)
    screen.ask(served, served.shown(answer.comparison.comparison), on_reply, name=f"change-{token}")
    question.comment(token)
    _keep()


def _keep() -> None:
    key = answering.shortcut("Escape")
    st.button(words().buttons.keep, key="keep", shortcut=key, on_click=_stop_changing)


def _rate_anew(served: Served, session: AnnotationSession, answer: StoredAnswer, token: str) -> None:
    shown, old = question.first_shown(token), session.ratings_of(answer)
    style.heading(words().rate.again, name=f"change-{token}")
    SCREENS["compare"].draw(served, served.shown(answer.comparison.comparison), name=f"change-{token}")
    for column, side in zip(st.columns(2), SIDES, strict=True):
        title = words().ratings.scale.format(side=getattr(words().stimuli, side))
        column.segmented_control(title, range(1, 6), default=old.get(side), key=f"{side}-{token}")
    on_save = functools.partial(_store_ratings, served, session, answer, shown, token)
    key = answering.shortcut("S")
    st.button(words().buttons.save, key="save", type="primary", shortcut=key, on_click=on_save)
    _keep()


@guarded
def _store_ratings(served: Served, session: AnnotationSession, old: StoredAnswer, shown: Moment, token: str) -> None:
    said = {side: st.session_state.get(f"{side}-{token}") for side in SIDES}
    given = {side: rating for side, rating in said.items() if rating is not None}
    if not allowed(served, session.annotator):
        return
    if given.keys() != said.keys():
        tell(words().ratings.incomplete)
        return
    _stop_changing()
    session.change_ratings(old, given, shown_at=shown.by_clock, token=token)


def _start_changing(answer: int) -> None:
    # a token for each change, made once: pressed twice, the change is stored once
    st.session_state[CHANGING] = (answer, secrets.token_hex(8))


def _stop_changing() -> None:
    st.session_state.pop(CHANGING, None)


def _leave() -> None:
    _stop_changing()
    st.session_state.pop(question.HISTORY, None)


@guarded
def _store_change(
    served: Served,
    session: AnnotationSession,
    old: StoredAnswer,
    shown: Moment,
    token: str,
    answer: Answer,
    said: str | None,
) -> None:
    if not allowed(served, session.annotator):
        return
    _stop_changing()
    comment = question.comment_on(token) or (old.comment or "")
    session.change(old, answer, shown_at=shown.by_clock, token=token, comment=comment, said=said)
