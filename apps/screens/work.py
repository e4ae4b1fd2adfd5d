"""The work itself: one question after the other, with undo, a pause, and what was answered before."""

import functools
from datetime import UTC, datetime

import streamlit as st

from explainfb.exhibits import Exhibit, colour_scale, scales
from explainfb.labelling import Desk, Side, time_left
from explainfb.overlays import row_scale
from explainfb.store import Kind, Lease, StoredComparison
from explainfb.types import Answer
from explainfb.workplace import Workplace
from screens import answers, pair
from screens.guard import allowed, guarded, tell
from screens.wording import COMPARE, RATE

COMMENT_LENGTH = 20_000
"""In the browser's units, of which some characters take two."""
HISTORY = "looking back"
"""The key that is set while the earlier answers are looked at."""


def compare(place: Workplace, desk: Desk, lease: Lease) -> None:
    """Which of two explanations is better?"""
    left, right = exhibits(place, lease.comparison)
    shown_at = first_shown(lease.token)
    progress(desk)
    st.markdown(f"##### {COMPARE.question}")
    answers.choose(functools.partial(_answer, place, desk, lease, shown_at), name=lease.token)
    show(place, left, right, name=lease.token)
    comment(lease.token)
    footer(place, desk, name=lease.token)


def rate(place: Workplace, desk: Desk, lease: Lease, side: Side) -> None:
    """How good is this explanation?"""
    exhibit = exhibits(place, lease.comparison)[side == "right"]
    name = f"{lease.token}-{side}"
    shown_at = first_shown(name)
    progress(desk)
    st.markdown(f"##### {RATE.question}")
    answers.rate(functools.partial(_rate, place, desk, lease, side, shown_at), name=name)
    pair.show_one(exhibit, row_scale(exhibit.explanation), name=name)
    comment(name)
    footer(place, desk, name=name)


def exhibits(place: Workplace, stored: StoredComparison) -> tuple[Exhibit, Exhibit]:
    """What is shown on the left and on the right."""
    asked = stored.comparison
    left, right = (place.exhibits.exhibit(key, asked.round) for key in (asked.left, asked.right))
    return left, right


def show(place: Workplace, left: Exhibit, right: Exhibit, *, name: str) -> None:
    """Both sides, coloured as the study wants it."""
    shared = colour_scale(place.settings) == "probability"
    pair.show_pair(left, right, scales(left, right, place.settings), shared=shared, name=name)


def first_shown(name: str) -> datetime:
    """When this question was first shown in this tab."""
    moment: datetime = st.session_state.setdefault(f"shown {name}", datetime.now(UTC))
    return moment


def comment(name: str) -> None:
    st.text_input(
        "Comment (optional; goes with your answer)", key=f"comment-{name}", max_chars=COMMENT_LENGTH, placeholder=""
    )


def comment_on(name: str) -> str:
    """What was typed so far."""
    return st.session_state.get(f"comment-{name}") or ""


def progress(desk: Desk) -> None:
    """How far it is, and how long it will take."""
    outlook = desk.outlook()
    total = outlook.done + outlook.left
    text = f"{outlook.done} of {total}, {time_left(outlook.left * desk.seconds_each())} left"
    with st.container(key="progress"):
        st.progress(outlook.done / total if total else 1.0, text=text)


def footer(place: Workplace, desk: Desk, *, name: str) -> None:
    """The ways to other screens; `name` tells one question from the next."""
    latest = next(iter(desk.history(1)), None)
    with st.container(key="elsewhere"):
        undo, pause, back = st.columns(3)
        undo.button(
            "Undo",
            key=f"undo-{name}",
            shortcut="U",
            on_click=_undo,
            args=(place, desk, latest and latest.id, first_shown(f"undo {name} {latest and latest.id}")),
            width="stretch",
        )
        pause.button("Pause", key="pause", shortcut="P", on_click=_pause, args=(place, desk), width="stretch")
        back.button("Earlier answers", key="history", shortcut="H", on_click=_look_back, width="stretch")


@guarded
def _answer(place: Workplace, desk: Desk, lease: Lease, shown_at: datetime, answer: Answer) -> None:
    if allowed(place, desk.annotator):
        desk.answer(lease, answer, shown_at=shown_at, comment=comment_on(lease.token))


@guarded
def _rate(place: Workplace, desk: Desk, lease: Lease, side: Side, shown_at: datetime, rating: int) -> None:
    if allowed(place, desk.annotator):
        name = f"{lease.token}-{side}"
        desk.rate(lease, side, rating, shown_at=shown_at, comment=comment_on(name))


@guarded
def _undo(place: Workplace, desk: Desk, latest: int | None, shown_at: datetime) -> None:
    if allowed(place, desk.annotator) and not desk.undo(latest, shown_at=shown_at):
        tell("There is nothing to undo.")


@guarded
def _pause(place: Workplace, desk: Desk) -> None:
    if allowed(place, desk.annotator):
        place.store.annotators.note(desk.annotator.name, Kind.PAUSED)


def _look_back() -> None:
    st.session_state[HISTORY] = True
