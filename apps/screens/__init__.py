"""The screens of the annotators' app: widgets only; what they show and store is decided in `explainfb`."""

import os
from pathlib import Path

import streamlit as st

from explainfb.labelling.server import STUDY
from explainfb.labelling.wording import Wording
from explainfb.labelling.wording_files import wording_in_folder


@st.cache_resource(show_spinner=False)
def words() -> Wording:
    """Every word that annotators read, in the study's language; here, because the first page waits for little else."""
    return wording_in_folder(Path(os.environ[STUDY]))
