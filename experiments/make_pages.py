"""Makes the tables and figures of these folders anew from their results, and the overview.

    python -m experiments.make_pages                # all
    python -m experiments.make_pages ablations

Nothing is run. A test compares the pages with what this makes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import tyro

from experiments import overview
from experiments.page import Page, save_figure, with_tables
from explainfb.core.files import write_whole

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """What is made."""

    folders: tyro.conf.Positional[tuple[str, ...]] = ()
    """All of them, and the overview, if none is named."""


def main(settings: Settings) -> None:
    for folder in settings.folders or folders():
        put(page_of(folder), HERE / folder / "README.md", HERE / folder / "figure.png")
    if not settings.folders:
        put(overview.page(), HERE / "overview.md", HERE / "overview.png")


def put(page: Page, text: Path, figure: Path) -> None:
    """The tables between the marks of `text`, and the figure beside it."""
    made = with_tables(text.read_text(encoding="utf-8"), page.tables)
    write_whole(text, lambda partial: partial.write_text(made, encoding="utf-8"))
    if page.figure is not None:
        save_figure(page.figure, figure)


def folders() -> Iterator[str]:
    """Those whose pages have something that is made."""
    return (path.parent.name for path in sorted(HERE.glob("*/page.py")))


def page_of(folder: str) -> Page:
    page: Page = import_module(f"experiments.{folder}.page").page_of(HERE / folder / "results.json")
    return page


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
