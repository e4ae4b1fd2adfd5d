"""What several commands print."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from explainfb.core.names import printable

if TYPE_CHECKING:
    from explainfb.results.records import StudyResults


def say(console: Console, text: str) -> None:
    """Print a text that holds paths or names, without breaking lines; what would command the terminal is escaped."""
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def show(console: Console, results: "StudyResults", report: Path) -> None:
    """The table, what stopped of feedback, the answer in a sentence, and where the report is."""
    from explainfb.report import reach_verdict, summary_table, unfinished

    console.print(summary_table(results))
    for message in unfinished(results):
        console.print(message, markup=False, highlight=False)
    say(console, reach_verdict(results).short)
    say(console, f"Report: {report}")


def how_to_invite(study: Path, database: str | None) -> str:
    """What to type for a personal link."""
    same = "" if database is None else " (and the same --db)"
    return f"explainfb annotators --study {shlex.quote(str(study))} add NAME{same}"
