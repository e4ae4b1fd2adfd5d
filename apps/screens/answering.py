"""The buttons by which people answer, for either kind of question, and their keys."""

from collections.abc import Callable, Sequence

import streamlit as st

from explainfb.core.types import Answer
from explainfb.labelling.wording import QuestionWords
from screens import words

# a button of Streamlit's takes one key, and C and R are Streamlit's own
KEYS = {
    Answer.LEFT: "Left",
    Answer.RIGHT: "Right",
    Answer.EQUAL: "Up",
    Answer.BOTH_GOOD: None,
    Answer.BOTH_BAD: None,
    Answer.CANT_TELL: "Down",
}
"""Beside the digits, which are in the order of the buttons."""
UNDO, PAUSE, HISTORY, INSTRUCTIONS, ORIGINAL = "U", "P", "H", "I", "O"
"""The keys of the other buttons of a question."""
ARROWS = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓"}
"""How people know the keys that Streamlit gives a name."""
SHORTCUTS_OFF = "shortcuts off"
"""The key that is set where someone has switched single keys off (WCAG 2.1.4)."""


def shortcut(key: str | None) -> str | None:
    """The key of a button; none where someone has switched them off."""
    return None if st.session_state.get(SHORTCUTS_OFF) else key


def asked(question: str) -> QuestionWords:
    """The words of the study's kind of question, such as `compare` or `yes-no`."""
    found: QuestionWords = getattr(words(), question.replace("-", "_"))
    return found


def label(answer: Answer) -> str:
    found: str = getattr(words().answers, answer)
    return found


def choose(on_answer: Callable[[Answer], None], *, name: str, answers: Sequence[Answer] = tuple(KEYS)) -> None:
    """A button for each answer; `on_answer` is called before the page is drawn anew. `name` tells one question from
    the next."""
    keys = [(answer, KEYS[answer], str(number)) for number, answer in enumerate(answers, 1)]
    # with the question in its key a button is a new one each time: a press on the last question is not one on this
    with st.container(key="answers"):
        for column, (answer, arrow, digit) in zip(st.columns(len(keys)), keys, strict=True):
            column.button(
                f"{label(answer)} `{digit}`" if arrow and shortcut(digit) else label(answer),
                key=f"{answer}-{name}",
                shortcut=shortcut(arrow or digit),
                on_click=on_answer,
                args=(answer,),
                width="stretch",
            )
    # buttons with two keys once more, which the style hides: they are there for their other key
    with st.container(key="second-keys"):
        for answer, arrow, digit in keys:
            if arrow and shortcut(digit):
                key = f"{answer}-second-{name}"
                st.button(label(answer), key=key, shortcut=digit, on_click=on_answer, args=(answer,))


RATINGS = {f"rating-{rating}": (str(rating),) for rating in range(1, 6)}
"""The buttons of `rate`, and their keys."""


def rate(on_rating: Callable[[int], None], *, name: str) -> None:
    """Five buttons, from 1 to 5, on the digits of the keyboard."""
    said = words().ratings
    with st.container(key="answers"):
        labels = (said.one, said.two, said.three, said.four, said.five)
        for rating, (column, label) in enumerate(zip(st.columns(5), labels, strict=True), 1):
            column.button(
                label,
                key=f"rating-{rating}-{name}",
                shortcut=shortcut(str(rating)),
                on_click=on_rating,
                args=(rating,),
                width="stretch",
            )


def go_on(on_click: Callable[..., None], args: tuple[object, ...] = ()) -> None:
    """The one button of a screen on which nothing is asked, on Enter and on G."""
    said = words().buttons.go_on
    st.button(said, key="go-on", type="primary", shortcut=shortcut("Enter"), on_click=on_click, args=args)
    with st.container(key="second-keys"):
        st.button(said, key="go-on-second", shortcut=shortcut("G"), on_click=on_click, args=args)
