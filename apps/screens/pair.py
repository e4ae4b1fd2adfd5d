"""Two explanations beside each other, or one alone, with switches for how they are drawn."""

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

from explainfb.explanations.plots import row_scale
from explainfb.labelling.stimuli import VIEWS, Stimulus, View
from screens import answering, style, words

T = TypeVar("T", bound=str)
STRENGTHS = {"light": 0.5, "medium": 0.7, "full": 1.0}


def show_pair(left: Stimulus, right: Stimulus, scales: tuple[float, float], *, shared: bool, name: str) -> None:
    """Left and right, each with what the classifier said, its explanation, and its image beside it."""
    said = words().stimuli
    pictures = st.container(key=f"pair-{name}")
    style.legend(
        *_ends(scales[0] if shared else None),
        note="" if shared or (left.is_part and right.is_part) else said.own_scales,
    )
    view, strength = _switches()
    sides = zip(pictures.columns(2), ("left", "right"), (said.left, said.right), (left, right), scales, strict=True)
    for column, side, title, stimulus, scale in sides:
        with column:
            _show(stimulus, side, title, scale, view, strength, name)


def show_one(stimulus: Stimulus, scale: float, *, name: str, drawn: str | None = None) -> None:
    """One explanation; `drawn` is what is shown in place of its picture, where that can be pressed on."""
    pictures = st.container(key=f"pair-{name}")
    style.legend(*_ends(None))
    view, strength = _switches()
    with pictures:
        _show(stimulus, "one", "", scale, view, strength, name, drawn if view == "overlay" else None)


def show_several(stimuli: Sequence[Stimulus], titles: Sequence[str], *, name: str) -> None:
    """Several explanations in a row, or in rows on a phone, each in colours of its own scale."""
    pictures = st.container(key=f"several-{name}")
    style.legend(*_ends(None), note=words().stimuli.own_scales)
    view, strength = _switches()
    with pictures:
        for place, (column, title, stimulus) in enumerate(zip(st.columns(len(stimuli)), titles, stimuli, strict=True)):
            with column:
                _show(stimulus, str(place), title, row_scale(stimulus.explanation), view, strength, name)


def _ends(scale: float | None) -> tuple[str, str]:
    """What the full colours stand for; nothing where each picture has its own scale."""
    if scale is None:
        return "", ""
    less, more = (words().stimuli.points.format(points=f"{sign}{100 * scale:.0f}") for sign in "−+")
    return less, more


def _switches() -> tuple[View, float]:
    said = words().views
    with st.container(key="switches"):
        shown, strong = st.columns([3, 2])
        with shown:
            view = _choice(said.show, {each: getattr(said, each) for each in VIEWS}, VIEWS[0], key="view")
        with strong:
            names = {each: getattr(said, each) for each in STRENGTHS}
            strength = _choice(said.strength, names, "full", key="strength", disabled=view != "overlay")
    with st.container(key="second-keys-of-pictures"):
        key = answering.shortcut(answering.ORIGINAL)
        st.button(words().buttons.original, key="original", shortcut=key, on_click=_turn)
    return view, STRENGTHS[strength]


def _turn() -> None:
    """To the picture alone and back."""
    st.session_state["view"] = "original" if st.session_state.get("kept view") != "original" else VIEWS[0]


def _choice(label: str, names: dict[T, str], usual: T, *, key: str, disabled: bool = False) -> T:
    """A switch that keeps its place while other screens are shown."""
    # Streamlit forgets a widget's value while the widget is not drawn; a key of one's own stays
    kept = f"kept {key}"
    st.session_state.setdefault(key, st.session_state.get(kept, usual))
    chosen = st.segmented_control(
        label,
        list(names),
        format_func=lambda each: names[each],
        key=key,
        disabled=disabled,
        label_visibility="collapsed",
    )
    now: T = chosen or usual
    st.session_state[kept] = now
    return now


def caption(stimulus: Stimulus, title: str) -> tuple[str, str]:
    """What stands above it: which side it is, and what the classifier says."""
    says = words().stimuli.says.format(class_name=stimulus.class_name, percent=stimulus.percent)
    return f"{title}: " if title else "", says


def chosen_view() -> tuple[View, float]:
    """How pictures are drawn at present, as the switches were left."""
    return st.session_state["kept view"], STRENGTHS[st.session_state["kept strength"]]


def _show(
    stimulus: Stimulus,
    side: str,
    title: str,
    scale: float,
    view: View,
    strength: float,
    name: str,
    drawn: str | None = None,
) -> None:
    said, size = words().stimuli, "tiny" if stimulus.is_tiny else "photo"
    alone = said.image.format(class_name=stimulus.class_name)
    style.caption(*caption(stimulus, title), key="says")
    with st.container(key=f"side-{side}-{name}"):
        with st.container(key=f"picture-{size}-{side}-{name}"):
            alt = alone if view == "original" else stimulus.describe(words())
            if drawn is None:
                st.image(stimulus.picture(view, scale=scale, strength=strength), alt=alt, width="stretch")
            else:
                st.html(drawn)
        with st.container(key=f"beneath-{size}-{side}-{name}"):
            st.image(stimulus.original, alt=alone, width="stretch")
