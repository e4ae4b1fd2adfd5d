"""In which of two clips do better things happen? The question, and the four answers, of Christiano et al. (2017).

A clip is a film strip that the style sheet moves on; `page.js` stops it, and steps it picture by picture. What moves by
itself can be stopped (WCAG 2.2.2), and stands still at first for whoever told their device that they want no motion.
"""

import streamlit as st

from explainfb.core.types import ANSWERS_TO, Answer
from explainfb.labelling.practice import Example
from explainfb.labelling.served_clips import ShownClip
from explainfb.labelling.served_study import Served
from explainfb.labelling.wording import ClipWords
from screens import answering, style
from screens import words as all_words
from screens.asking.replying import OnReply
from screens.asking.upcoming import Ends, Side

STOP = "S"
"""The key that stops the clips, and plays them again."""


def words() -> ClipWords:
    return all_words().clips


def ask(served: Served, shown: tuple[ShownClip, ...], on_reply: OnReply, *, name: str) -> None:
    answering.choose(lambda answer: on_reply(answer, None), name=name, answers=ANSWERS_TO["clips"])
    draw(served, shown, name=name)


def draw(served: Served, shown: tuple[ShownClip, ...], *, name: str) -> None:
    """Both clips, and what stops them."""
    said = all_words().stimuli
    with st.container(key=f"pair-{name}"):
        for column, clip, title in zip(st.columns(2), shown, (said.left, said.right), strict=True):
            with column:
                style.caption(title, "", key="says")
                st.html(_drawn(clip, title))
    key = f'data-key="{STOP.lower()}"' if answering.shortcut(STOP) else ""
    st.html(
        f'<p class="clips-switch"><button type="button" class="clips-stop" {key}>'
        f'<span class="while-playing">❚❚ {style.plain(words().stop)}</span>'
        f'<span class="while-stopped">▶ {style.plain(words().play)}</span></button></p>'
    )


def draw_first(served: Served) -> None:
    """What is asked first, as an example of what there is to see; nothing before anything is asked."""
    asked = served.store.comparisons()
    if asked:
        style.small(words().example)
        shown = tuple(each for each in served.shown(asked[0].comparison) if isinstance(each, ShownClip))
        draw(served, shown, name="example")


def sides(served: Served, shown: tuple[ShownClip, ...]) -> list[Side]:
    return []  # clips are large, and are sent when they are asked about


def ends(shown: tuple[ShownClip, ...], name: str) -> Ends:
    return {}


def why(example: Example) -> str:
    return ""  # there is no practice


def told(answer: Answer, said: str | None) -> str:
    return answering.label(answer)


def _drawn(clip: ShownClip, title: str) -> str:
    """The strip, seen one frame at a time; a bar that tells how far it is; and a slider for when it is stopped."""
    described = f"{title}. {clip.describe(all_words())}"
    time = f"animation-duration: {clip.seconds}s"
    return (
        f'<div class="clip" role="img" aria-label="{style.plain(described)}" data-frames="{clip.frames}" '
        f'style="{time}; animation-timing-function: steps({clip.frames}, jump-none); aspect-ratio: {clip.ratio:.4f}; '
        f'background-image: url({clip.strip}); background-size: 100% {100 * clip.frames}%"></div>'
        f'<div class="clip-time"><div style="{time}"></div></div>'
        f'<input class="clip-at" type="range" min="0" max="{clip.frames - 1}" value="0" '
        f'aria-label="{style.plain(title)}: {style.plain(words().frame)}">'
    )
