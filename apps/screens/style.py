"""How the app looks where Streamlit's own looks do not serve reading two pictures side by side."""

import html

import streamlit as st

from explainfb.explanations import plots

CSS = """
.block-container { padding-top: 1rem; padding-bottom: 2rem; max-width: 52rem; }
[data-testid=stHeader] { display: none; }
.st-key-second-keys { display: none; }
[class*=-tiny-] img { image-rendering: pixelated; }
[class*=st-key-pair] [data-testid=stHorizontalBlock] { flex-wrap: nowrap; gap: 0.75rem; }
[class*=st-key-pair] [data-testid=stColumn] { min-width: 0; flex: 1 1 0; }
[class*=st-key-pair] [data-testid=stFullScreenFrame] div { width: 100%; }
[class*=st-key-picture-] img { width: min(100%, 22rem, 44vh) !important; display: block; margin: 0 auto; }
[class*=st-key-pair] [data-testid=stElementToolbar] { display: none; }
[class*=st-key-pair] img { outline: 1px solid rgba(128, 128, 128, 0.6); }
[class*=st-key-beneath-] img { width: min(60%, 11rem, 20vh) !important; display: block; margin: 0 auto; }
.caption { font-size: 1rem; margin: 0; text-align: center; overflow-wrap: anywhere; }
.caption.left { text-align: left; }
.legend { display: flex; align-items: center; justify-content: center; gap: .6rem; font-size: .85rem; }
.note { font-size: .8rem; margin: 0; text-align: center; opacity: .8; }
.legend span { white-space: nowrap; }
.legend .bar { flex: 0 1 16rem; height: .7rem; border-radius: 3px; }
@media (max-width: 40rem) {
  .block-container { padding: .5rem .75rem 2rem; }
  .st-key-answers [data-testid=stHorizontalBlock],
  .st-key-elsewhere [data-testid=stHorizontalBlock] { flex-wrap: wrap; gap: .5rem; flex-direction: row; }
  .st-key-answers [data-testid=stColumn] { flex: 1 1 42%; min-width: 42%; }
  .st-key-elsewhere [data-testid=stColumn] { flex: 1 1 28%; min-width: 28%; }
}
"""


ONE_PRESS = """
<script>
if (!window.onePress) {
  window.onePress = true;
  window.addEventListener("keydown", event => {
    if (event.repeat && !["INPUT", "TEXTAREA"].includes(event.target.tagName)) event.stopImmediatePropagation();
  }, true);
}
</script>
"""
"""A key that is held down is one press: the keyboard repeats it, and each repetition would answer another question.

In the capture phase, so that it comes before Streamlit's own listener; once a page, because each rerun sends it again.
"""


def apply() -> None:
    st.html(f"<style>{CSS}</style>")
    st.html(ONE_PRESS, unsafe_allow_javascript=True)


def plain(text: str) -> str:
    """Text that people chose, for use inside HTML."""
    return html.escape(text)


def caption(title: str, text: str, *, left: bool = False) -> None:
    """A bold title and a text beside it, both shown as they are; in the middle unless `left`."""
    st.html(f'<p class="caption{" left" if left else ""}"><b>{plain(title)}</b> {plain(text)}</p>')


def legend(lowest: str, highest: str, note: str = "") -> None:
    """What the colours mean, with what the full colour stands for at either end."""
    colours = ", ".join(plots.scale_colours())
    st.html(
        f'<div class="legend"><span>spoke against {plain(lowest)}</span>'
        f'<span class="bar" role="img" aria-label="Colour scale from purple, against, to orange, for" '
        f'style="background: linear-gradient(to right, {colours})"></span>'
        f"<span>spoke for {plain(highest)}</span></div>"
        f'<p class="note">{plain(note)}</p>'
    )
