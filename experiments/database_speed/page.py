"""The table of how long an annotator waits."""

import json
from pathlib import Path

from experiments.page import Page, rows

NAMES = {
    "next": "the next comparison",
    "answer": "an answer is put on record",
    "page": "everything that is asked of the database for one page of the app",
    "bare insert": "a bare SQLite insert beside it, one row and one commit",
}


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = []
    for name, told in NAMES.items():
        times = [backend["milliseconds"][name] for backend in found.values()]
        lines.append([told, *(f"{each['median']:.1f} ({each['p95']:.0f})" for each in times)])
    return Page({"waiting": rows(["milliseconds, median (95th percentile)", *found], lines)})
