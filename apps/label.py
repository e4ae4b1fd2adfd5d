"""The annotators' app, served by `explainfb label`. The page says that it loads while it does."""

from collections.abc import Callable

import streamlit as st
from PIL import Image

from screens import words


@st.cache_resource(show_spinner=False)
def draw() -> Callable[[], None]:
    """What draws the page. What that imports takes many seconds the first time, so it is not imported above."""
    from screens import page

    return page.show


def icon() -> Image.Image:
    """Two pictures beside each other. Streamlit serves it; its own icons are fetched from another host."""
    picture = Image.new("RGBA", (32, 32))
    picture.paste("darkorange", (1, 6, 15, 26))
    picture.paste("rebeccapurple", (17, 6, 31, 26))
    return picture


st.set_page_config(page_title=words().page.title, page_icon=icon(), layout="centered")
with st.spinner(words().page.loading):
    show = draw()
show()
