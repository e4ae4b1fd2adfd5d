"""The commands that write answers to files and read them back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from tyro.conf import Positional

from explainfb.cli.database import store_of
from explainfb.cli.printing import say

if TYPE_CHECKING:
    from explainfb.store import Rating, StoredAnswer


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a study's answers to a file, one row an answer, with a README of its columns beside it."""

    study: Path
    """Folder of the study."""
    output: Path
    """The file to write, such as answers.csv."""
    format: Literal["csv", "jsonl", "parquet"] = "csv"
    """How the rows are written: comma-separated values, a JSON object a line, or Parquet."""
    ratings: bool = False
    """Write the ratings of single explanations in place of the answers to comparisons."""
    db: str | None = None
    """The database, as it was given to run."""

    def __call__(self, console: Console) -> int:
        from explainfb.export import export_answers, export_ratings

        with store_of(self.study, self.db, read_only=True) as store:
            rows = (export_ratings if self.ratings else export_answers)(store, self.output, self.format)
            given: Sequence[Rating | StoredAnswer] = store.ratings() if self.ratings else store.answers()
            doubtful = sum(each.responded_at < each.shown_at for each in given)
        say(console, f"{rows:,} rows in {self.output}")
        if doubtful:
            say(
                console,
                f"{doubtful:,} of them came before they were shown: a clock was set back, no time taken is known.",
            )
        return 0


@dataclass(frozen=True, kw_only=True)
class Import:
    """Read exported answers into another copy of the study. Of a file with a fault, nothing is imported."""

    study: Path
    """Folder of the study, in which the same comparisons were asked."""
    file: Annotated[Path, Positional]
    """A file that explainfb export wrote: .csv, .jsonl or .parquet."""
    db: str | None = None
    """The database, as it was given to run."""

    def __call__(self, console: Console) -> int:
        from explainfb.export import import_answers

        with store_of(self.study, self.db) as store:
            new = import_answers(store, self.file)
        say(console, f"{new:,} new answers from {self.file}")
        return 0
