"""Buttons that answer, each with a key."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from explainfb.core.types import Answer
from screens import answering
from screens.asking.upcoming import Ends

OnReply = Callable[[Answer, str | None], None]
"""Called with the answer, and with what else was said, before the page is drawn anew."""


@dataclass(frozen=True)
class Choice:
    """One button."""

    label: str
    key: str
    shortcut: str
    on_click: Callable[[], None]
    pressed: bool = False
    """Whether it is shown as chosen."""
    disabled: bool = False


def row(choices: list[Choice], *, name: str, key: str = "answers") -> None:
    """Buttons beside each other; `name` tells one question from the next."""
    with st.container(key=key):
        for column, choice in zip(st.columns(len(choices)), choices, strict=True):
            column.button(
                choice.label,
                key=f"{choice.key}-{name}",
                shortcut=answering.shortcut(choice.shortcut),
                on_click=choice.on_click,
                type="primary" if choice.pressed else "secondary",
                disabled=choice.disabled,
                width="stretch",
            )


CANT_TELL: Ends = {str(Answer.CANT_TELL): ["Down"]}
"""The button that ends any question."""


def cant_tell(on_reply: OnReply) -> Choice:
    """The way out of any question."""

    def press() -> None:
        on_reply(Answer.CANT_TELL, None)

    return Choice(answering.label(Answer.CANT_TELL), str(Answer.CANT_TELL), "Down", press)
