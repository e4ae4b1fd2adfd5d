"""Two explanations beside each other, or one alone, with switches for how they are drawn."""

from typing import TypeVar

import streamlit as st

from explainfb.labelling.stimuli import VIEWS, Stimulus, View
from screens import style

T = TypeVar("T", bound=str)
OWN_SCALES = "In each picture the strongest colour is its strongest reason."
STRENGTHS = {"light": 0.5, "medium": 0.7, "full": 1.0}


def show_pair(left: Stimulus, right: Stimulus, scales: tuple[float, float], *, shared: bool, name: str) -> None:
    """Left and right, each with what the classifier said, its explanation, and its image beneath."""
    pictures = st.container(key=f"pair-{name}")
    style.legend(*_ends(scales[0] if shared else None), note="" if shared else OWN_SCALES)
    view, strength = _switches()
    sides = zip(pictures.columns(2), ("Left", "Right"), (left, right), scales, strict=True)
    for column, side, stimulus, scale in sides:
        with column:
            _show(stimulus, side, scale, view, strength, name)


def show_one(stimulus: Stimulus, scale: float, *, name: str) -> None:
    """One explanation, to be rated."""
    pictures = st.container(key=f"pair-{name}")
    style.legend(*_ends(None))
    view, strength = _switches()
    with pictures:
        _show(stimulus, "", scale, view, strength, name)


def _ends(scale: float | None) -> tuple[str, str]:
    """What the full colours stand for; nothing where each picture has its own scale."""
    return ("", "") if scale is None else (f"(−{100 * scale:.0f} points)", f"(+{100 * scale:.0f} points)")


def _switches() -> tuple[View, float]:
    shown, strong = st.columns([3, 2])
    with shown:
        view = _choice("Show", VIEWS, VIEWS[0])
    with strong:
        strength = _choice("Strength of the colours", tuple(STRENGTHS), "full", disabled=view != "overlay")
    return view, STRENGTHS[strength]


def _choice(label: str, options: tuple[T, ...], usual: T, *, disabled: bool = False) -> T:
    """A switch that keeps its place while other screens are shown."""
    # Streamlit forgets a widget's value while the widget is not drawn; a key of one's own stays
    kept = f"kept {label}"
    default = st.session_state.get(kept, usual)
    chosen = st.segmented_control(
        label, options, default=default, key=label, disabled=disabled, label_visibility="collapsed"
    )
    now: T = chosen or default
    st.session_state[kept] = now
    return now


def _show(stimulus: Stimulus, side: str, scale: float, view: View, strength: float, name: str) -> None:
    size = "tiny" if stimulus.is_tiny else "photo"
    style.caption(f"{side}: " if side else "", f"the classifier says {stimulus.class_name}, {stimulus.confidence} sure")
    with st.container(key=f"picture-{size}-{side}-{name}"):
        alt = f"The image alone, called {stimulus.class_name}." if view == "original" else stimulus.description
        st.image(stimulus.picture(view, scale=scale, strength=strength), alt=alt, width="stretch")
    with st.container(key=f"beneath-{size}-{side}-{name}"):
        st.image(stimulus.original, alt=f"The image itself, called {stimulus.class_name}.", width="stretch")
