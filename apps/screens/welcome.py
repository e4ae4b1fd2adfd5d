"""Consent, instructions with a worked example, and practice."""

import functools

import streamlit as st

from explainfb.overlays import row_scale
from explainfb.practice import Example, practice_examples, worked_example
from explainfb.store import Annotator, Kind
from explainfb.types import Answer
from explainfb.workplace import Workplace
from screens import answers, pair
from screens.guard import guarded

CONSENT = """
You are taking part in a research study on how image classifiers can explain themselves. You will be shown pictures and
asked about them, for as long as you like; twenty minutes are usual.

**What is kept:** your answers, when you gave them, comments if you write any, and the name under which you were
invited. **What is not:** anything else about you or your device. Taking part is voluntary; you may stop at any time by
closing the page, and ask whoever invited you to leave your answers out.
"""
COMPARE = """
A classifier says what is in a picture. It also says which parts of the picture made it say so: **orange** parts spoke
for its answer, **purple** parts against it, pale parts hardly mattered. You see two such explanations beside each
other, with the picture beneath. **Choose the one with the better reasons**: those that a person who knows what the
classifier says could accept. Whether the classifier is right does not matter.
"""
RATE = """
A classifier says what is in a picture. It also says which parts of the picture made it say so: **orange** parts spoke
for its answer, **purple** parts against it, pale parts hardly mattered. **Say how good these reasons are**, from 1
(bad) to 5 (good): good reasons are those that a person who knows what the classifier says could accept. Whether the
classifier is right does not matter.
"""
KEYS_COMPARE = "On a keyboard: ← left, → right, ↑ equally good, ↓ can't tell (or 1 to 4), U to undo, P for a pause."
KEYS_RATE = "On a keyboard: 1 to 5, U to undo, P for a pause."
DECLINED = "said no"
FEEDBACK = "practice feedback"


def consent(place: Workplace, person: Annotator) -> None:
    """What the study is, what is asked, one worked example; nothing is stored before the annotator agrees."""
    st.markdown(
        "### Which reasons are better?" if place.settings.question == "compare" else "### How good are reasons?"
    )
    st.markdown(place.text("consent.md") or CONSENT)
    st.markdown("#### What you will do")
    st.markdown(place.text("instructions.md") or (COMPARE if place.settings.question == "compare" else RATE))
    example = worked_example()
    _draw(place, example, single=place.settings.question == "rate")
    st.info(
        example.because if place.settings.question == "compare" else "Good reasons, a 5: the circle itself counted."
    )
    st.caption(KEYS_COMPARE if place.settings.question == "compare" else KEYS_RATE)
    agree, decline = st.columns(2)
    agree.button(
        "I agree, go on", key="agree", type="primary", shortcut="Enter", on_click=_agree, args=(place, person),
        width="stretch",
    )  # fmt: skip
    decline.button("No, thank you", key="decline", on_click=_decline, width="stretch")


def practice(place: Workplace, person: Annotator, done: frozenset[str]) -> None:
    """Examples with known answers, each followed by why; `done` names those that were answered."""
    examples = practice_examples()
    told = st.session_state.get(FEEDBACK)
    number = sum(example.name in done for example in examples)
    if told is not None:
        st.markdown(f"##### Practice {number} of {len(examples)}")
        (st.success if told[0] else st.info)(told[1])
        st.button("Go on", key="go-on", type="primary", shortcut="Enter", on_click=_go_on)
        return
    example = next(example for example in examples if example.name not in done)
    st.markdown(f"##### Practice {number + 1} of {len(examples)}: which shows the better reasons?"
                if place.settings.question == "compare" else
                f"##### Practice {number + 1} of {len(examples)}: how good are these reasons?")  # fmt: skip
    if place.settings.question == "compare":
        answers.choose(functools.partial(_answered, place, person, example), name=f"practice-{number}")
    else:
        answers.rate(functools.partial(_rated, place, person, example), name=f"practice-{number}")
    _draw(place, example, single=place.settings.question == "rate")


def is_practised(done: frozenset[str]) -> bool:
    """Whether every example was answered and its feedback read."""
    return FEEDBACK not in st.session_state and all(example.name in done for example in practice_examples())


def _draw(place: Workplace, example: Example, *, single: bool) -> None:
    name = example.name.replace(" ", "-").replace(",", "")
    if single:
        pair.show_one(example.left, row_scale(example.left.explanation), name=name)
    else:
        both = (row_scale(example.left.explanation), row_scale(example.right.explanation))
        pair.show_pair(example.left, example.right, both, shared=False, name=name)


@guarded
def _agree(place: Workplace, person: Annotator) -> None:
    place.store.annotators.note(person.name, Kind.CONSENTED)


def _decline() -> None:
    st.session_state[DECLINED] = True


@guarded
def _answered(place: Workplace, person: Annotator, example: Example, answer: Answer) -> None:
    right = answer is example.answer
    said = answers.LABELS[example.answer]
    _practised(
        place,
        person,
        example,
        right,
        f"**{'Yes' if right else 'Most people say'}: {said.lower()}.** Here {example.because}",
    )


@guarded
def _rated(place: Workplace, person: Annotator, example: Example, rating: int) -> None:
    right = rating >= 3 if example.left_is_good else rating <= 3
    expected = "a high number" if example.left_is_good else "a low number"
    why = "the reasons lie on the shape itself" if example.left_is_good else "the reasons lie on the mark in the corner"
    _practised(place, person, example, right, f"**{'Yes' if right else 'Most people give'}: {expected}.** Here {why}.")


def _practised(place: Workplace, person: Annotator, example: Example, right: bool, feedback: str) -> None:
    place.store.annotators.note(person.name, Kind.PRACTISED, detail=example.name)
    st.session_state[FEEDBACK] = (right, feedback)


def _go_on() -> None:
    st.session_state.pop(FEEDBACK, None)
