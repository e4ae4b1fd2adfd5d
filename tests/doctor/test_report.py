"""What the doctor found, as a table."""

import io
import math
from pathlib import Path

import pytest
import torch
from rich.console import Console

from explainfb.doctor import Finding, print_findings


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_table_says_what_was_seen_and_what_to_do() -> None:
    findings = [
        Finding("first", True, f"ln 10 = {math.log(10):.3f}", "pixels in [0, 1]", "never shown"),
        Finding("second", False, "[bold]", "a leak", "look for a view", Path("a picture.png")),
        Finding("third", None, "", "not judged", "never shown either"),
    ]
    console = Console(file=io.StringIO(), width=80)
    print_findings(console, findings)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for expected in ("✓ │ first", "✗ │ second", "– │ third", "ln 10 = 2.303", "[0, 1]", "[bold]", "a picture.png"):
        assert expected in text
    assert "✗ second: look for a view" in text
    assert "never shown" not in text
    assert "1 of 3 checks passed, 1 failed, 1 not judged." in text
