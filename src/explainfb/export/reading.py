"""Exported answers read back into the database of another copy of the study."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, Asked, Comparison, ExplanationKey
from explainfb.export.columns import ANSWERS
from explainfb.export.formats import MOST_BYTES, UnreadableError, format_of, read_rows
from explainfb.store import RowError, Store, StoredAnswer, StoredComparison
from explainfb.store.schema import ROUND_SIZE

NAMES = [column.name for column in ANSWERS]
LISTED = "((?:[0-9]{1,5}(?:,[0-9]{1,5})*)?)"
"""Pieces have at most five digits: a picture has fewer, and what a number says is room in the memory."""
POINTED = re.compile(f"{LISTED} of {LISTED}")
RANKED = re.compile(r"best ([0-9]) worst ([0-9])")
KINDS: tuple[Asked, ...] = get_args(Asked)
LATER = {"asked", "others", "said", "left_superpixel", "right_superpixel"}
"""Columns that files of before do not have, in which whole explanations were compared."""
Row = Mapping[str, object]


def import_answers(store: Store, path: Path) -> int:
    """Read what `export_answers` wrote back into a store with the same comparisons; returns how many were new.

    The format is the one that the file is named after. Answers on record are passed over, so an import may be
    repeated; new people are added without a link; who is excluded does not come along. Everything is checked first
    and nothing of a bad file is imported. Raises `InputError`, which names the row (the first answer is row 1) and
    the column, what was found and what was expected; `Store.import_answers` says what is refused.
    """
    format = format_of(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} has more than {MOST_BYTES / 2**20:,.0f} MiB; give a file as it was exported.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); name an exported file.") from error
    try:
        names, rows = read_rows(content, format, NAMES)
        _check_names(names)
        return store.import_answers([_event(number, row) for number, row in enumerate(rows, 1)])
    except RowError as error:
        line = _line(content, error.row) if format == "csv" else ""
        raise InputError(f"{path.name}, row {error.row}{line}, {error.problem}; nothing was imported.") from error
    except UnreadableError as error:
        raise InputError(f"{path.name} {error}; give a file as it was exported.") from error


def _check_names(names: Sequence[str]) -> None:
    doubled = {name for name in names if names.count(name) > 1}
    for what, found in (
        ("lacks the column", set(NAMES) - set(names) - LATER),
        ("has an unknown column", set(names) - set(NAMES)),
        ("has twice the column", doubled),
    ):
        if found:
            raise UnreadableError(f"{what} {min(found)[:40]!r}")


def _line(content: bytes, row: int) -> str:
    """Where row `row` of a CSV file begins; nothing when a cell is too long to tell."""
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    starts, line = [], 1
    try:
        for cells in reader:
            if cells:
                starts.append(line)
            line = reader.line_num + 1
    except csv.Error:
        return ""
    return f" (line {starts[row]})"


def _event(number: int, row: Row) -> StoredAnswer:
    left, right = _shown(number, row, "left"), _shown(number, row, "right")
    asked, answer = _comparison(number, row, left, right), _answer(number, row, "answer")
    return StoredAnswer(
        id=_whole(number, row, "answer_id"),
        comparison=asked,
        annotator=_text(number, row, "annotator"),
        answer=answer,
        seed=_whole(number, row, "seed"),
        shown_left=left,
        shown_right=right,
        shown_at=_time(number, row, "shown_at"),
        responded_at=_time(number, row, "responded_at"),
        recorded_at=_time(number, row, "recorded_at"),
        app_version=_text(number, row, "app_version"),
        comment=_missing_or_text(number, row, "comment"),
        supersedes=None if row["supersedes"] in (None, "") else _whole(number, row, "supersedes"),
        surplus=_flag(number, row, "surplus"),
        current=_flag(number, row, "current"),
        said=_said(number, row, asked.comparison, answer),
    )


def _shown(number: int, row: Row, side: str) -> ExplanationKey:
    alone = None if row.get(f"{side}_superpixel") in (None, "") else _whole(number, row, f"{side}_superpixel")
    return ExplanationKey(_text(number, row, f"{side}_classifier"), _whole(number, row, f"{side}_image"), alone)


def _said(number: int, row: Row, item: Comparison, answer: Answer | None) -> str | None:
    """What else was said, which only some answers have, and only as the question keeps it."""
    said, wanted = _optional(number, row, "said"), "nothing"
    if item.asked == "point" and answer in (Answer.YES, Answer.NO):
        fits = said is not None and _can_be_pointed(said, answer)
        wanted = "pieces such as 3,17 of 3,5,17, where the answer is yes none before the of"
    elif item.asked == "rank" and answer is Answer.RANKED:
        found = RANKED.fullmatch(said or "")
        fits = found is not None and found[1] != found[2] and max(map(int, found.groups())) < len(item.shown)
        wanted = f"two of the {len(item.shown)} places from 0, such as best 2 worst 0"
    else:
        fits = said is None
    if not fits:
        raise RowError(number, "said", said, wanted)
    return said


def _can_be_pointed(said: str, answer: Answer) -> bool:
    """Whether pieces were pointed at where the answer is no, each once, and among those that were offered."""
    found = POINTED.fullmatch(said)
    if found is None:
        return False
    pointed, offered = ([int(piece) for piece in part.split(",") if piece] for part in found.groups())
    each_once = all(pieces == sorted(set(pieces)) for pieces in (pointed, offered))
    return each_once and set(pointed) <= set(offered) and bool(pointed) == (answer is Answer.NO)


def _comparison(number: int, row: Row, left: ExplanationKey, right: ExplanationKey) -> StoredComparison:
    _flag(number, row, "excluded")  # checked as every column, although it is not imported
    key, round = _whole(number, row, "comparison_id"), _whole(number, row, "round")
    position = _whole(number, row, "position")
    if key != round * ROUND_SIZE + position:
        expected = f"round × {ROUND_SIZE:,} + position = {round * ROUND_SIZE + position}"
        raise RowError(number, "comparison_id", key, expected)
    asked, others = _optional(number, row, "asked") or "compare", _optional(number, row, "others") or ""
    kind = next((each for each in KINDS if each == asked), None)
    if kind is None:
        raise RowError(number, "asked", asked, f"one of {', '.join(KINDS)}")
    try:
        keys = tuple(ExplanationKey.parse(each) for each in others.split())
    except ValueError:
        raise RowError(number, "others", others, "explanations such as round-0/7 round-0/9") from None
    try:
        return StoredComparison(key, Comparison(left, right, round, _answer(number, row, "gold"), kind, keys))
    except InputError as error:
        raise RowError(number, "right_image", right.image, _expected(asked)) from error


def _expected(asked: str) -> str:
    return "the left explanation again" if asked in ("yes-no", "point") else "another explanation than the left one"


def _optional(number: int, row: Row, column: str) -> str | None:
    """A text of a column that may not be there; an empty one is none."""
    return _missing_or_text(number, row, column) or None if column in row else None


def _whole(number: int, row: Row, column: str) -> int:
    value = row[column]
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):  # true is an int to Python
        return value
    raise RowError(number, column, value, "a whole number")


def _missing_or_text(number: int, row: Row, column: str) -> str | None:
    value = row[column]
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value or not _encodable(value):
        raise RowError(number, column, value, "a text of whole characters")
    return value


def _text(number: int, row: Row, column: str) -> str:
    text = _missing_or_text(number, row, column)
    if text is None:
        raise RowError(number, column, None, "a text")
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _answer(number: int, row: Row, column: str) -> Answer | None:
    value = row[column]
    if value in (None, ""):
        return None
    try:
        return Answer(str(value))
    except ValueError as error:
        raise RowError(number, column, value, f"{', '.join(Answer)} or nothing") from error


def _flag(number: int, row: Row, column: str) -> bool:
    value = row[column]
    if isinstance(value, str):  # a spreadsheet writes TRUE
        value = {"true": True, "false": False}.get(value.lower(), value)
    if not isinstance(value, bool):
        raise RowError(number, column, row[column], "true or false")
    return value


def _time(number: int, row: Row, column: str) -> datetime:
    text = _text(number, row, column)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise RowError(number, column, text, "a time with its time zone, such as 2024-03-01T12:00:00.000000+00:00")
