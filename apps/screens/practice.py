"""Practice: examples on which people say what they think, each followed by what we would say, and why."""

import functools

import streamlit as st

from explainfb.core.types import Answer
from explainfb.explanations.plots import row_scale
from explainfb.labelling.practice import Example
from explainfb.labelling.served_study import Served
from explainfb.labelling.session import AnnotationSession
from explainfb.store import Annotator, Kind
from screens import answering, pair, style, words
from screens.asking import SCREENS
from screens.guard import allowed, guarded
from screens.question import instructions_button

FEEDBACK = "practice feedback"
"""The key of the example just answered, and whether we would say the same."""


def is_over(served: Served, session: AnnotationSession, done: frozenset[str]) -> bool:
    """Whether every example was answered and its feedback read; `done` names those that were answered.

    Whoever is at work already is not sent back where the examples were exchanged meanwhile.
    """
    if served.practice is None:
        return True
    return FEEDBACK not in st.session_state and (served.practice.is_over(done) or bool(session.history(1)))


def show(served: Served, person: Annotator, done: frozenset[str]) -> None:
    """The next example, or the feedback on the last one."""
    assert served.practice is not None  # or it would be over
    examples = served.practice.examples
    if FEEDBACK in st.session_state:
        name, agrees = st.session_state[FEEDBACK]
        number = next(place for place, example in enumerate(examples) if example.name == name)
        style.heading(_title(number, len(examples)), name=f"feedback-{number}")
        _feedback(served, examples[number], agrees)
        return
    number = next(place for place, example in enumerate(examples) if example.name not in done)
    example = examples[number]
    question, kind = answering.asked(served.settings.question).question, served.settings.question
    style.heading(f"{_title(number, len(examples))}: {question}", name=f"practice-{number}")
    style.small(words().practice.invitation)
    if kind == "rate":
        answering.rate(functools.partial(_rated, served, person, example), name=f"practice-{number}")
        draw(served, example)
    else:
        reply = functools.partial(_replied, served, person, example)
        SCREENS[kind].ask(served, example.shown(kind), reply, name=f"practice-{number}")
    instructions_button()


def _title(number: int, count: int) -> str:
    return words().practice.heading.format(number=number + 1, count=count)


def draw(served: Served, example: Example) -> None:
    """The example as the study's question shows it."""
    name, kind = example.name.replace(" ", "-"), served.settings.question
    if kind == "rate":
        pair.show_one(example.left, row_scale(example.left.explanation), name=name)
    else:
        SCREENS[kind].draw(served, example.shown(kind), name=name)


def why(served: Served, example: Example) -> str:
    """What we would answer, and our reason."""
    said, kind = words().practice, served.settings.question
    if kind != "rate":
        return SCREENS[kind].why(example)
    if example.left_is_good:
        return f"{said.would_rate_high} {said.good}"
    return f"{said.would_rate_low} {said.bad}"


def _feedback(served: Served, example: Example, agrees: bool) -> None:
    said = words().practice
    st.info(f"{why(served, example)} {said.too if agrees else said.your_view}")
    answering.go_on(_go_on)
    draw(served, example)


@guarded
def _replied(served: Served, person: Annotator, example: Example, answer: Answer, said: str | None) -> None:
    _practised(served, person, example, example.agrees(answer, said))


@guarded
def _rated(served: Served, person: Annotator, example: Example, rating: int) -> None:
    _practised(served, person, example, rating >= 3 if example.left_is_good else rating <= 3)


def _practised(served: Served, person: Annotator, example: Example, agrees: bool) -> None:
    if not allowed(served, person):
        return
    served.store.annotators.note(person.name, Kind.PRACTISED, detail=example.name)
    # in the session alone: after a reload the next example comes, and the answer counts
    st.session_state[FEEDBACK] = (example.name, agrees)


def _go_on() -> None:
    st.session_state.pop(FEEDBACK, None)
