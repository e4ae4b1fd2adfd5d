"""The next question's pictures, drawn and sent while this one is looked at.

`page.js` lays them over the present ones at the press that answers, so that nobody waits for the server; when it has
stored the answer and drawn the next question, that is there instead. What is shown so is what will be asked: the store
keeps it for whoever is at work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from explainfb.labelling.stimuli import Stimulus
from screens import answering, pair, style

NAMED = {"Left": "ArrowLeft", "Right": "ArrowRight", "Up": "ArrowUp", "Down": "ArrowDown"}
"""What browsers call the keys for which Streamlit has names of its own."""
Ends = Mapping[str, Sequence[str | None]]
"""The buttons that end a question, by how their keys in Streamlit begin, each with its keys on the keyboard."""


@dataclass(frozen=True)
class Side:
    """One explanation of the next question."""

    stimulus: Stimulus
    title: str
    scale: float
    drawn: str | None = None
    """What is shown in place of its picture, as in `pair.show_one`."""


def offer(sides: Sequence[Side], ends: Ends, *, name: str) -> None:
    """Send the pictures with which the question called `name` will give way, by whichever of the buttons `ends`."""
    view, strength = pair.chosen_view()
    parts = []
    for side in sides:
        picture = side.stimulus.picture(view, scale=side.scale, strength=strength)
        drawn = side.drawn if side.drawn is not None and view == "overlay" else f'<img src="{picture}" alt="">'
        caption = style.caption_html(*pair.caption(side.stimulus, side.title), key="says")
        parts.append(f'<div>{caption}<div>{drawn}</div><img src="{side.stimulus.original}" alt=""></div>')
    buttons = " ".join(",".join([button, *_pressed(keys)]) for button, keys in ends.items())
    st.html(f'<div hidden data-after="{style.plain(name)}" data-ends="{style.plain(buttons)}">{"".join(parts)}</div>')


def _pressed(keys: Sequence[str | None]) -> list[str]:
    """As browsers name them; none where single keys are switched off."""
    return [NAMED.get(key, key.lower()) for key in map(answering.shortcut, keys) if key]
