"""The columns of exported tables: what each means, in what unit, and when a value is missing."""

from dataclasses import dataclass
from typing import Literal

from explainfb.core.types import Answer

Kind = Literal["whole number", "text", "true or false", "time"]
Content = Literal["answers", "ratings"]


@dataclass(frozen=True)
class Column:
    """One column of a table, as its README tells it."""

    name: str
    kind: Kind
    meaning: str
    missing: str = "never"
    """When there is no value."""

    @property
    def dtype(self) -> str:
        """pandas' type, which keeps a missing value apart from every other."""
        return {"whole number": "Int64", "true or false": "boolean"}.get(self.kind, "string")


_ROUND = Column("round", "whole number", "The round, from 1, that asked.")
_ANNOTATOR = Column("annotator", "text", "The name of the person, or of the simulated annotator.")
_ASKED = (
    Column("shown_at", "time", "When the page was shown."),
    Column(
        "responded_at",
        "time",
        "When the person responded; less `shown_at`, the time taken. Earlier than `shown_at`: a "
        "clock was set back between them, and the time taken is not known.",
    ),
)
_VERSION = Column("app_version", "text", "The version of the program that asked.")
_COMMENT = Column("comment", "text", "What the person typed beside it.", "no comment; an empty one is an empty text")
_WHOLE = "the whole explanation was shown"
_EXCLUDED = Column("excluded", "true or false", "Whether the person's answers were left out of the fit at the export.")

ANSWERS = (
    Column("answer_id", "whole number", "The event, numbered in the order of recording."),
    _ROUND,
    Column("position", "whole number", "The place of the comparison in its round, from 0."),
    Column("comparison_id", "whole number", "The comparison: round × 1,000,000 + position."),
    _ANNOTATOR,
    Column("answer", "text", f"One of {', '.join(f'`{each}`' for each in Answer)}.", "an earlier answer is taken back"),
    Column("gold", "text", "The known answer of an item that checks the annotator.", "an ordinary comparison"),
    Column("left_classifier", "text", "Whose explanation was shown left, such as `round-0`."),
    Column("left_image", "whole number", "The training image, from 0, that was explained left."),
    Column("left_superpixel", "whole number", "The one superpixel of it that was shown.", _WHOLE),
    Column("right_classifier", "text", "Whose explanation was shown right."),
    Column("right_image", "whole number", "The training image, from 0, that was explained right."),
    Column("right_superpixel", "whole number", "The one superpixel of it that was shown.", _WHOLE),
    Column(
        "asked",
        "text",
        "What was asked: `compare` which of two is better, `yes-no` whether one rests on the right place, `point` "
        "which of its pieces should not count, `rank` the best and the worst of several, `clips` which of two clips is "
        "better, whose names stand under classifier and image. Of one explanation, left and right are the same.",
    ),
    Column(
        "others", "text", "Explanations shown after the first two, such as `round-0/7 round-0/9`.", "there are none"
    ),
    Column(
        "said",
        "text",
        "What else was said: with `point`, the superpixels pointed at and, after `of`, those that could be, such as "
        "`3,17 of 3,5,17`; with `rank`, the places of the best and the worst, from 0, such as `best 2 worst 0`.",
        "the answer says it all",
    ),
    Column("seed", "whole number", "The seed that drew the comparison and its sides."),
    *_ASKED,
    Column("recorded_at", "time", "When the database stored the event."),
    _VERSION,
    _COMMENT,
    Column("supersedes", "whole number", "The `answer_id` that this event replaces or takes back.", "a first answer"),
    Column("surplus", "true or false", "Came when no more answers were wanted; on record, but not learned from."),
    Column("current", "true or false", "Whether no later event supersedes this one."),
    _EXCLUDED,
)
RATINGS = (
    _ROUND,
    _ANNOTATOR,
    Column("classifier", "text", "Whose explanation was rated, such as `round-0`."),
    Column("image", "whole number", "The training image, from 0, that was explained."),
    Column("rating", "whole number", "From 1 (bad) to 5 (good)."),
    *_ASKED,
    _VERSION,
    _COMMENT,
    _EXCLUDED,
)
_ROWS = {
    "answers": "One row an event of answering, in the order of recording. Answers that were replaced, taken back or "
    "surplus are among them. What is learned from are the rows with an `answer` that are `current`, not `surplus` "
    "and not `excluded`.",
    "ratings": "One row an explanation rated by one person in one round, in the order of recording: the last rating, "
    "where it was changed.",
}
_README = """# {name}: {content} of a study

{rows}

| Column | Type | Meaning | Missing when |
|---|---|---|---|
{columns}

- Times are ISO 8601 in UTC with microseconds, such as `2024-03-01T12:00:00.000000+00:00`, kept as text.
- A missing value is an empty cell without quotes in CSV, and null in JSON Lines and Parquet. CSV has commas, UTF-8
  and every text in double quotes; a text may hold line breaks.
- **Comments and names are text that people typed.** One that starts with `=`, `+`, `-` or `@` is executed as a formula
  by a spreadsheet: import such columns as text, and do not open the file by a double click. A spreadsheet that saves
  the file may also round long numbers and change times.
"""


def readme(name: str, content: Content) -> str:
    """The README of the file called `name`."""
    columns = ANSWERS if content == "answers" else RATINGS
    lines = [f"| `{each.name}` | {each.kind} | {each.meaning} | {each.missing} |" for each in columns]
    return _README.format(name=name, content=content, rows=_ROWS[content], columns="\n".join(lines))
