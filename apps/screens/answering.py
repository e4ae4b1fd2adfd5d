"""What annotators read and what they press, for either kind of question; the texts name the keys of the buttons."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from explainfb.core.types import Answer

LABELS = {
    Answer.LEFT: "Left is better",
    Answer.RIGHT: "Right is better",
    Answer.EQUAL: "Equally good",
    Answer.CANT_TELL: "Can't tell",
}
# a button of Streamlit's takes one key, and C and R are Streamlit's own
KEYS = {
    Answer.LEFT: ("Left", "1"),
    Answer.RIGHT: ("Right", "2"),
    Answer.EQUAL: ("Up", "3"),
    Answer.CANT_TELL: ("Down", "4"),
}
RATINGS = {1: "1 · bad", 2: "2", 3: "3", 4: "4", 5: "5 · good"}
UNDO, PAUSE = "U", "P"
"""The keys of the buttons beneath a question that the texts name."""
ARROWS = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓"}
"""How people know the keys that Streamlit gives a name."""

CONSENT = """
You are taking part in a research study on how image classifiers can explain themselves. You will be shown pictures and
asked about them, for as long as you like; twenty minutes are usual.

**What is kept:** your answers, when you gave them, comments if you write any, and the name under which you were
invited. **What is not:** anything else about you or your device. Taking part is voluntary; you may stop at any time by
closing the page, and ask whoever invited you to leave your answers out.
"""
_COLOURS = """
A classifier says what is in a picture. It also says which parts of the picture made it say so: **orange** parts spoke
for its answer, **purple** parts against it, pale parts hardly mattered.
"""
_GOOD = (
    "that a person who knows what the classifier says could accept. Whether the classifier is right does not matter."
)
_ARROW_KEYS = ", ".join(
    f"{ARROWS[arrow]} {LABELS[answer].removesuffix(' is better').lower()}" for answer, (arrow, _) in KEYS.items()
)
_DIGITS = [digit for _, digit in KEYS.values()]
_ELSEWHERE = f"{UNDO} to undo, {PAUSE} for a pause"


@dataclass(frozen=True)
class Wording:
    """The texts of one kind of question."""

    title: str
    instructions: str
    keys: str
    question: str


COMPARE = Wording(
    title="Which reasons are better?",
    instructions=f"{_COLOURS} You see two such explanations beside each other, with the picture beneath. **Choose the "
    f"one with the better reasons**: those {_GOOD}",
    keys=f"On a keyboard: {_ARROW_KEYS} (or {_DIGITS[0]} to {_DIGITS[-1]}), {_ELSEWHERE}.",
    question="Which shows the better reasons for what the classifier says?",
)
RATE = Wording(
    title="How good are these reasons?",
    instructions=f"{_COLOURS} **Say how good these reasons are**, from {min(RATINGS)} (bad) to {max(RATINGS)} (good). "
    f"Good reasons are those {_GOOD}",
    keys=f"On a keyboard: {min(RATINGS)} to {max(RATINGS)}, {_ELSEWHERE}.",
    question="How good are these reasons for what the classifier says?",
)
WORDING = {"compare": COMPARE, "rate": RATE}


def choose(on_answer: Callable[[Answer], None], *, name: str) -> None:
    """Four buttons; `on_answer` is called before the page is drawn anew. `name` tells one question from the next."""
    # with the question in its key a button is a new one each time: a press on the last question is not one on this
    with st.container(key="answers"):
        for column, (answer, label) in zip(st.columns(4), LABELS.items(), strict=True):
            arrow, digit = KEYS[answer]
            column.button(
                f"{label} ({digit})",
                key=f"{answer}-{name}",
                shortcut=arrow,
                on_click=on_answer,
                args=(answer,),
                width="stretch",
            )
    # the same buttons once more, which the style hides: they are there for their keys
    with st.container(key="second-keys"):
        for answer, (_, digit) in KEYS.items():
            st.button(LABELS[answer], key=f"{answer}-second-{name}", shortcut=digit, on_click=on_answer, args=(answer,))


def rate(on_rating: Callable[[int], None], *, name: str) -> None:
    """Five buttons, from 1 to 5, on the digits of the keyboard."""
    with st.container(key="answers"):
        for column, (rating, label) in zip(st.columns(5), RATINGS.items(), strict=True):
            column.button(
                label,
                key=f"rating-{rating}-{name}",
                shortcut=str(rating),
                on_click=on_rating,
                args=(rating,),
                width="stretch",
            )


def go_on(on_click: Callable[..., None], args: tuple[object, ...] = ()) -> None:
    """The one button of a screen on which nothing is asked, on Enter and on G."""
    st.button("Go on", key="go-on", type="primary", shortcut="Enter", on_click=on_click, args=args)
    with st.container(key="second-keys"):
        st.button("Go on", key="go-on-second", shortcut="G", on_click=on_click, args=args)
