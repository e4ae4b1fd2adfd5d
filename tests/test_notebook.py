"""The notebook runs from beginning to end as a reader would run it, and says what its text says."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).parents[1] / "docs" / "photograph.ipynb"


@pytest.mark.filterwarnings("ignore")  # of the kernel's own libraries
@pytest.mark.timeout(600)
def test_a_photograph_has_three_reasons_and_says_how_sure_they_are() -> None:
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without what it printed"
    ran = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    outputs = [output for cell in ran.cells for output in cell.get("outputs", ())]
    printed = "".join(output.get("text", "") for output in outputs)
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert re.search(r"^class (tabby|tiger cat|Egyptian cat|lynx), probability", printed, re.MULTILINE)
    assert len(re.findall(r"^piece \d+: [+-]\d\.\d{3}, standard error \d\.\d{3}$", printed, re.MULTILINE)) == 3
    found = re.search(r"correlation that came: (\S+)", printed)
    assert found is not None
    assert float(found[1]) > 0.6
    with Image.open(io.BytesIO(base64.b64decode(pictures[-1]))) as drawn:
        assert drawn.width > 700
