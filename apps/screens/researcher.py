"""The researchers' page."""

import streamlit as st

from explainfb.store import Annotator
from explainfb.workplace import Workplace


def show(place: Workplace, person: Annotator) -> None:
    st.markdown("### The study")
