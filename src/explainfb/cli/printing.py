"""What several commands print."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from explainfb.core.names import printable

if TYPE_CHECKING:
    from explainfb.results.records import StudyResults
    from explainfb.tasks.task import Task


def say(console: Console, text: str) -> None:
    """Print a text that holds paths or names, without breaking lines; what would command the terminal is escaped."""
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def show(console: Console, results: "StudyResults", report: Path) -> None:
    """The tables, what stopped of feedback, the answer in a sentence, and where the report is."""
    from explainfb.report import faithfulness_summary, reach_verdict, summary_table, unfinished

    console.print(summary_table(results))
    if (faithfulness := faithfulness_summary(results)) is not None:
        console.print(faithfulness)
    for message in unfinished(results):
        console.print(message, markup=False, highlight=False)
    say(console, reach_verdict(results).short)
    say(console, f"Report: {report}")


def say_data(console: Console, task: "Task") -> None:
    """What was read, before anything is made of it: of a folder of pictures classes, counts and masks; and of any data
    what is odd."""
    from explainfb.tasks.datasets import FOLDER

    if task.name.startswith(FOLDER):
        _say_pictures(console, task)
    for note in task.notes:
        say(console, note)


def _say_pictures(console: Console, task: "Task") -> None:
    parts = {"training": task.train, "validation": task.validation, "test": task.clean}
    if task.shifted is not None and task.shifted.shortcut_class is None:  # pictures of their own, and none planted
        parts["shifted test"] = task.shifted
    counts = [part.labels.bincount(minlength=len(task.class_names)).tolist() for part in parts.values()]
    classes = (f"{name} {' + '.join(map(str, each))}" for name, *each in zip(task.class_names, *counts, strict=True))
    say(console, f"Classes, with {' + '.join(parts)} pictures: {', '.join(classes)}")
    masks = [kind for kind in ("relevance", "shortcut") if getattr(task.train, kind) is not None]
    side = task.image_shape[-1]
    colours = "grey" if task.image_shape[0] == 1 else "in colour"
    say(console, f"Each {side}×{side} pixels, {colours}; masks: {' and '.join(masks) or 'none'}")


def how_to_invite(study: Path, database: str | None) -> str:
    """What to type for a personal link."""
    same = "" if database is None else " (and the same --db)"
    return f"explainfb annotators --study {shlex.quote(str(study))} add NAME{same}"
