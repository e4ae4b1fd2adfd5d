"""How the app looks where Streamlit's own looks do not serve reading two pictures side by side.

`page.css` has the looks. `page.js` is run once a page: it tells the browser the language, makes a key that is held down
one press, and after each answer puts the focus on the new question and has it announced.
"""

import html
import re
from pathlib import Path

import streamlit as st

from explainfb.core.names import printable
from explainfb.explanations import plots
from screens import words

HERE = Path(__file__).parent


@st.cache_resource(show_spinner=False)
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def apply() -> None:
    said = words()
    st.html(f"<style>{_file('page.css')}</style>")
    st.html(
        f"{_language(said.language, said.direction)}<script>{_file('page.js')}</script>", unsafe_allow_javascript=True
    )


def english() -> None:
    """The rest of the page is in English, whatever annotators are asked in."""
    st.html(_language("en", "ltr"))


def _language(language: str, direction: str) -> str:
    """The last of these on a page tells the browser how to pronounce it, and where lines begin."""
    return f'<div data-language="{plain(language)}" data-direction="{plain(direction)}"></div>'


def plain(text: str) -> str:
    """Text that people chose, for use inside HTML; characters that command a terminal or turn text round are told."""
    return html.escape(printable(text))


def as_text(text: str) -> str:
    """Text that people chose, for use inside Markdown: nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:.-])", r"\\\1", printable(text))


def heading(text: str, *, level: int = 1, name: str = "") -> None:
    """A heading: one of level 1 a screen. Where `name` has changed, what it heads is a new thing and gets the focus."""
    marks = f'tabindex="-1" data-screen="{plain(name or text)}"' if level == 1 else ""
    st.html(f'<h{level} class="heading" {marks}>{plain(text)}</h{level}>')


def small(text: str) -> None:
    """A line beside the matter."""
    st.html(f'<p class="small">{plain(text)}</p>')


def caption(title: str, text: str, *, left: bool = False, key: str = "") -> None:
    """A bold title and a text beside it, both shown as they are; in the middle unless `left`."""
    st.html(caption_html(title, text, left=left, key=key))


def caption_html(title: str, text: str, *, left: bool = False, key: str = "") -> str:
    """The HTML of a caption."""
    return f'<p class="caption {key}{" left" if left else ""}"><b>{plain(title)}</b> {plain(text)}</p>'


def legend(lowest: str, highest: str, note: str = "") -> None:
    """What the colours mean, with what the full colour stands for at either end."""
    said, colours = words().stimuli, ", ".join(plots.scale_colours())
    st.html(
        f'<div class="legend"><span>{plain(said.spoke_against)} {plain(lowest)}</span>'
        f'<span class="bar" role="img" aria-label="{plain(said.scale)}" '
        f'style="background: linear-gradient(to right, {colours})"></span>'
        f"<span>{plain(said.spoke_for)} {plain(highest)}</span></div>"
        + (f'<p class="note">{plain(note)}</p>' if note else "")
    )
