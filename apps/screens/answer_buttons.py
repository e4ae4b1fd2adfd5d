"""The buttons that answer, each with its keys."""

from collections.abc import Callable

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
