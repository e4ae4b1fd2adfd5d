"""Practice: examples with known answers, each followed by why."""

import functools

import streamlit as st

from explainfb.core.types import Answer
from explainfb.explanations.plots import row_scale
from explainfb.labelling.practice import Example, practice_examples
from explainfb.labelling.served_study import ServedStudy
from explainfb.store import Annotator, Kind
from screens import answering, pair
from screens.guard import allowed, guarded

FEEDBACK = "practice feedback"
"""The key of the example just answered, and whether as most people do."""


def is_over(done: frozenset[str]) -> bool:
    """Whether every example was answered and its feedback read; `done` names those that were answered."""
    return FEEDBACK not in st.session_state and all(example.name in done for example in practice_examples())


def show(served: ServedStudy, person: Annotator, done: frozenset[str]) -> None:
    """The next example, or the feedback on the last one."""
    examples = practice_examples()
    number = sum(example.name in done for example in examples)
    if FEEDBACK in st.session_state:
        name, as_expected = st.session_state[FEEDBACK]
        st.markdown(f"##### Practice {number} of {len(examples)}")
        _feedback(served, next(example for example in examples if example.name == name), as_expected)
        return
    example = next(example for example in examples if example.name not in done)
    asked = answering.WORDING[served.settings.question].question.lower()
    st.markdown(f"##### Practice {number + 1} of {len(examples)}: {asked}")
    if served.settings.question == "compare":
        answering.choose(functools.partial(_compared, served, person, example), name=f"practice-{number}")
    else:
        answering.rate(functools.partial(_rated, served, person, example), name=f"practice-{number}")
    draw(served, example)


def draw(served: ServedStudy, example: Example) -> None:
    """The example as the study's question shows it: both sides, or the left one alone."""
    name = example.name.replace(" ", "-").replace(",", "")
    left, right = (row_scale(side.explanation) for side in (example.left, example.right))
    if served.settings.question == "compare":
        pair.show_pair(example.left, example.right, (left, right), shared=False, name=name)
    else:
        pair.show_one(example.left, left, name=name)


def why(served: ServedStudy, example: Example) -> str:
    """What most people answer, and their reason."""
    if served.settings.question == "compare":
        return f"**{answering.LABELS[example.answer]}.** {example.because}"
    if example.left_is_good:
        return "**A high number.** The reasons lie on the shape itself."
    return "**A low number.** The reasons lie on the mark in the corner, which has nothing to do with the shape."


def _feedback(served: ServedStudy, example: Example, as_expected: bool) -> None:
    if as_expected:
        st.success(f"Yes. {why(served, example)}")
    else:
        st.info(f"Most people say otherwise. {why(served, example)}")
    answering.go_on(_go_on)
    draw(served, example)


@guarded
def _compared(served: ServedStudy, person: Annotator, example: Example, answer: Answer) -> None:
    _practised(served, person, example, answer is example.answer)


@guarded
def _rated(served: ServedStudy, person: Annotator, example: Example, rating: int) -> None:
    _practised(served, person, example, rating >= 3 if example.left_is_good else rating <= 3)


def _practised(served: ServedStudy, person: Annotator, example: Example, as_expected: bool) -> None:
    if not allowed(served, person):
        return
    served.store.annotators.note(person.name, Kind.PRACTISED, detail=example.name)
    # in the session alone: after a reload the next example comes, and the answer counts
    st.session_state[FEEDBACK] = (example.name, as_expected)


def _go_on() -> None:
    st.session_state.pop(FEEDBACK, None)
