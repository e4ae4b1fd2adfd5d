"""What is shown when something goes wrong. No name, answer or link reaches a log."""

import functools
import logging
import traceback
from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from explainfb.core.errors import InputError
from explainfb.labelling.served_study import Served
from explainfb.store import Annotator
from screens import words

P = ParamSpec("P")
NOTICE = "notice"
"""The key of what is to be shown at the next rerun."""
logger = logging.getLogger("explainfb.app")


def token_of_page(served: Served) -> str:
    """What the page's link says, right or wrong: the browser keeps it in a cookie, so that no address holds it."""
    return st.context.cookies.get(served.cookie, "")


def allowed(served: Served, person: Annotator, token: str | None = None) -> bool:
    """Whether the link is still open and `person`'s: a page drawn before it was closed may still be pressed on.

    `token` is the link's where no page is being drawn.
    """
    reader = served.store.annotators.authenticate(token_of_page(served) if token is None else token)
    return reader is not None and reader.id == person.id


def guarded(work: Callable[P, None]) -> Callable[P, None]:
    """For callbacks: that nothing was stored is told; of an error of the program or the database, no details."""

    @functools.wraps(work)
    def safe(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            work(*arguments, **named)
        except InputError as error:  # its sentence is English, and may name a file of the server
            log(error)
            tell(words().notices.not_stored)
        except Exception as error:  # Streamlit would show it, with what it quotes, to the annotator
            log(error)
            tell(words().notices.went_wrong)

    return safe


def guarded_page(work: Callable[P, None]) -> Callable[P, None]:
    """For what draws a page: that a study cannot be shown is said without its paths and names."""

    @functools.wraps(work)
    def safe(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            work(*arguments, **named)
        except Exception as error:
            log(error)
            st.warning(words().notices.not_shown)

    return safe


def tell(message: str) -> None:
    """Keep a message for `show_notice`; several are shown together.

    A callback runs before the page is drawn anew, and what it draws itself would be lost.
    """
    st.session_state.setdefault(NOTICE, [])
    if message not in st.session_state[NOTICE]:
        st.session_state[NOTICE].append(message)


def show_notice() -> None:
    """Show the messages of callbacks and pages, once."""
    for message in st.session_state.pop(NOTICE, []):
        st.warning(message)


def log(error: Exception) -> None:
    """The kind of error and where it arose, without its message, which may quote what people typed."""
    places = [f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("%s in %s", type(error).__name__, " < ".join(reversed(places)))
