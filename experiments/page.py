"""What the folders of experiments share: compact results, tables between the marks of a README, a small figure."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.results.records import FEEDBACK, NO_SHORTCUT
from explainfb.study.arms.registry import describe

WIDTH = 118
"""Characters that a line of a results file has at most, if what is on it can be broken."""
DPI, COLOURS = 130, 64
"""Of a figure: enough to be read on a page, and few enough colours for a small file."""


@dataclass(frozen=True)
class Page:
    """What is made of a folder's results."""

    tables: Mapping[str, str]
    """Markdown, by the name of the mark in README.md behind which it stands."""
    figure: Figure | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    """Tables that README.md has no room for, such as every test; they are written beside results that were just run."""


def compact(value: object, indent: int = 0) -> str:
    """JSON with everything on one line that fits there."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= WIDTH or not value or not isinstance(value, dict | list):
        return flat
    pad, end = " " * (indent + 1), " " * indent
    if isinstance(value, dict):
        lines = [
            f"{pad}{json.dumps(str(key), ensure_ascii=False)}: {compact(each, indent + 1)}"
            for key, each in value.items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{end}}}"
    return "[\n" + ",\n".join(pad + compact(each, indent + 1) for each in value) + f"\n{end}]"


def write_json(value: object, path: Path) -> None:
    """`value` as compact JSON; a reader sees the old file or the new one, never half of one."""
    write_whole(path, lambda partial: partial.write_text(compact(value) + "\n", encoding="utf-8"))


def write_page(page: Page, folder: Path) -> None:
    """tables.md and figure.png of results that were run into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(f"## {name}\n\n{table}" for name, table in {**page.tables, **page.more}.items())
    write_whole(folder / "tables.md", lambda partial: partial.write_text(text, encoding="utf-8"))
    if page.figure is not None:
        save_figure(page.figure, folder / "figure.png")
    print(text)


def save_figure(figure: Figure, path: Path) -> None:
    """A PNG of few colours, a third to half as large as the same SVG."""
    drawn = io.BytesIO()
    with mpl.rc_context({"font.sans-serif": ["DejaVu Sans"]}):
        figure.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None})
    few = Image.open(drawn).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    write_whole(path, lambda partial: few.save(partial, format="png", optimize=True))


def with_tables(text: str, tables: Mapping[str, str]) -> str:
    """A README with these tables behind their marks, `<!-- table: NAME -->`, up to `<!-- end -->`.

    Raises `InputError` where a table has no mark, or a mark no table.
    """
    marks = re.findall(r"<!-- table: (.+?) -->", text)
    if sorted(marks) != sorted(tables):
        raise InputError(f"The page has marks for {', '.join(marks)}; the tables are {', '.join(tables)}.")
    for name, table in tables.items():
        mark = f"<!-- table: {name} -->"
        before, rest = text.split(mark, maxsplit=1)
        text = f"{before}{mark}\n\n{table}\n<!-- end -->{rest.split('<!-- end -->', maxsplit=1)[1]}"
    return text


def rows(heading: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    made = ["| " + " | ".join(heading) + " |", "|---" * len(heading) + "|"]
    return "\n".join([*made, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


NAMES = {FEEDBACK: "feedback", NO_SHORTCUT: "no shortcut"}


def label(arm: str) -> str:
    """An arm's name as a reader calls it."""
    return NAMES.get(arm) or describe(arm).label
