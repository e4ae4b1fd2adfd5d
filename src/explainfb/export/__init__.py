"""Answers and ratings as files: CSV, JSON Lines or Parquet, all with the same content, and answers read back.

A file comes with a README of its columns. Text is kept to the last character; a missing value is an empty cell
without quotes in CSV (an empty comment is `""`), null in JSON Lines and Parquet.
"""

from pathlib import Path

from explainfb.export.columns import readme
from explainfb.export.formats import FORMATS, Format, as_bytes, write_bytes
from explainfb.export.reading import import_answers
from explainfb.export.tables import answers_table, ratings_table
from explainfb.store import Store

__all__ = [
    "FORMATS",
    "Format",
    "answers_table",
    "as_bytes",
    "export_answers",
    "export_ratings",
    "import_answers",
    "ratings_table",
    "readme",
]


def export_answers(store: Store, path: Path, format: Format) -> int:
    """Write every event of answering, in the order of recording, and `PATH.README.md`; returns how many there were.

    Superseded, taken back and surplus answers are among them, each marked. Raises `InputError` for a path that
    cannot be written.
    """
    table = answers_table(store)
    write_bytes(path, as_bytes(table, format), format, readme(path.name, "answers"))
    return len(table)


def export_ratings(store: Store, path: Path, format: Format) -> int:
    """Write the current ratings, in the order of recording, and `PATH.README.md`; returns how many there were.

    Raises `InputError` for a path that cannot be written.
    """
    table = ratings_table(store)
    write_bytes(path, as_bytes(table, format), format, readme(path.name, "ratings"))
    return len(table)
