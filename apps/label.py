"""The annotators' app, served by `explainfb label`. The page says that it loads while it does."""

from collections.abc import Callable

import streamlit as st


@st.cache_resource(show_spinner="Loading the study…")
def draw() -> Callable[[], None]:
    """What draws the page. What that imports takes many seconds the first time, so it is not imported above."""
    from screens import page

    return page.show


st.set_page_config(page_title="Comparing explanations", page_icon=":material/compare:", layout="centered")
draw()()
