"""The work itself: one question after the other, with undo, a pause, and what was answered before."""

import functools

import streamlit as st

from explainfb.core.types import Answer
from explainfb.explanations.plots import row_scale
from explainfb.labelling.served_study import Served
from explainfb.labelling.session import AnnotationSession, Moment, Side
from explainfb.labelling.stimuli import Stimulus
from explainfb.store import Kind, Lease, StoredComparison
from screens import answering, pair, style, words
from screens.asking import SCREENS, upcoming
from screens.guard import allowed, guarded, log, tell

COMMENT_LENGTH = 20_000
"""In the browser's units, of which some characters take two."""
HISTORY = "looking back"
"""The key that is set while the earlier answers are shown."""
INSTRUCTIONS = "instructions open"
"""The key that is set while the instructions are shown again."""


def ask(served: Served, session: AnnotationSession, lease: Lease, *, is_last: bool = False) -> None:
    """Whatever is asked, but ratings. No other question comes after one that `is_last`."""
    screen = SCREENS[lease.comparison.comparison.asked]
    shown = served.shown(lease.comparison.comparison)
    since = first_shown(lease.token)
    progress(session)
    style.heading(screen.words().question, name=lease.token)
    screen.ask(served, shown, functools.partial(_answer, served, session, lease, since), name=lease.token)
    footer(served, session, name=lease.token)
    comment(lease.token)
    if not is_last:
        _send_next(served, session, lease.token, screen.ends(shown, lease.token))


def rate(served: Served, session: AnnotationSession, lease: Lease, side: Side, *, is_last: bool = False) -> None:
    """How good is this explanation?"""
    stimulus = served.shown(lease.comparison.comparison)[side == "right"]
    assert isinstance(stimulus, Stimulus)  # clips are not rated
    name = f"{lease.token}-{side}"
    shown = first_shown(name)
    progress(session)
    style.heading(words().rate.question, name=name)
    answering.rate(functools.partial(_rate, served, session, lease, side, shown), name=name)
    pair.show_one(stimulus, row_scale(stimulus.explanation), name=name)
    footer(served, session, name=name)
    comment(name)
    if side == "left":
        _send_next(served, session, name, answering.RATINGS, lease.comparison)
    elif not is_last:
        _send_next(served, session, name, answering.RATINGS)


def _send_next(
    served: Served,
    session: AnnotationSession,
    name: str,
    ends: upcoming.Ends,
    begun: StoredComparison | None = None,
) -> None:
    """Last, when the question is on its way: what comes after it, which is the rest of one that was `begun`."""
    try:
        if not ends:
            return
        stored = begun or session.upcoming()
        if stored is None:
            return
        shown = served.shown(stored.comparison)
        if served.settings.question == "rate":
            rated = shown[begun is not None]
            assert isinstance(rated, Stimulus)
            sides = [upcoming.Side(rated, "", row_scale(rated.explanation))]
        else:
            sides = SCREENS[stored.comparison.asked].sides(served, shown)
        upcoming.offer(sides, ends, name=name)
    except Exception as error:  # the question is there, and what comes next will be drawn when it is asked
        log(error)


def first_shown(name: str) -> Moment:
    """When this question was first shown in this tab."""
    # every key and switch runs the script anew; only the first time is when the question appeared
    moment: Moment = st.session_state.setdefault(f"shown {name}", Moment())
    return moment


def comment(name: str) -> None:
    st.text_input(words().buttons.comment, key=f"comment-{name}", max_chars=COMMENT_LENGTH, placeholder="")


def comment_on(name: str) -> str:
    """What was typed so far."""
    return st.session_state.get(f"comment-{name}") or ""


def progress(session: AnnotationSession) -> None:
    """How far it is, and how long it will take."""
    outlook = session.outlook()
    total = outlook.done + outlook.left
    left = words().progress.time_left(outlook.left * session.seconds_each())
    text = words().progress.text.format(done=outlook.done, total=total, time=left)
    with st.container(key="progress"):
        st.progress(outlook.done / total if total else 1.0, text=text)


def footer(served: Served, session: AnnotationSession, *, name: str) -> None:
    """The ways to other screens; `name` tells one question from the next."""
    latest = next(iter(session.history(1)), None)
    said = words().buttons
    with st.container(key="elsewhere"):
        undo, pause, back, help_again = st.columns(4)
        undo.button(
            said.undo,
            key=f"undo-{name}",
            shortcut=answering.shortcut(answering.UNDO),
            on_click=_undo,
            args=(served, session, latest and latest.id, first_shown(f"undo {name} {latest and latest.id}")),
            width="stretch",
        )
        pause.button(
            said.pause,
            key="pause",
            shortcut=answering.shortcut(answering.PAUSE),
            on_click=_pause,
            args=(served, session),
            width="stretch",
        )
        key = answering.shortcut(answering.HISTORY)
        back.button(said.history, key="history", shortcut=key, on_click=_look_back, width="stretch")
        with help_again:
            instructions_button()


def instructions_button() -> None:
    """The way to the instructions, from wherever something is asked."""
    key = answering.shortcut(answering.INSTRUCTIONS)
    st.button(words().buttons.instructions, key="help", shortcut=key, on_click=_read_again, width="stretch")


@guarded
def _answer(
    served: Served,
    session: AnnotationSession,
    lease: Lease,
    since: Moment,
    answer: Answer,
    said: str | None,
) -> None:
    if allowed(served, session.annotator):
        session.answer(lease, answer, shown_at=since.by_clock, comment=comment_on(lease.token), said=said)


@guarded
def _rate(served: Served, session: AnnotationSession, lease: Lease, side: Side, shown: Moment, rating: int) -> None:
    if allowed(served, session.annotator):
        name = f"{lease.token}-{side}"
        session.rate(lease, side, rating, shown_at=shown.by_clock, comment=comment_on(name))


@guarded
def _undo(served: Served, session: AnnotationSession, latest: int | None, shown: Moment) -> None:
    if allowed(served, session.annotator) and not session.undo(latest, shown_at=shown.by_clock):
        tell(words().notices.nothing_to_undo)


@guarded
def _pause(served: Served, session: AnnotationSession) -> None:
    if allowed(served, session.annotator):
        served.store.annotators.note(session.annotator.name, Kind.PAUSED)


def _read_again() -> None:
    st.session_state[INSTRUCTIONS] = True


def _look_back() -> None:
    st.session_state[HISTORY] = True
