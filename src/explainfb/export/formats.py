"""Tables as CSV, JSON Lines and Parquet, and the rows of such files read back."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
Rows = tuple[list[str], list[Mapping[str, object]]]
"""The names of the columns, and the rows; in CSV every value is a text or None."""


class UnreadableError(Exception):
    """What is wrong with a file, to be read after its name."""


def as_bytes(table: pd.DataFrame, format: Format) -> bytes:
    """The table as a file's content. Raises `InputError` for an unknown format."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    file = io.BytesIO()
    if format == "csv":
        pa.csv.write_csv(arrow, file)
    elif format == "parquet":
        pa.parquet.write_table(arrow, file)
    elif format == "jsonl":
        lines = (json.dumps(row, allow_nan=False) for row in arrow.to_pylist())
        file.writelines(f"{line}\n".encode("ascii") for line in lines)
    else:
        raise InputError(f"Unknown format {format!r}; expected {', '.join(FORMATS)}.")
    return file.getvalue()


def write_bytes(path: Path, content: bytes, format: Format, readme: str) -> None:
    """Write `content`, whole or not at all, and `readme` beside it as `PATH.README.md`.

    Raises `InputError` where that cannot be done, or where `path` is named after another format.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending in FORMATS and ending != format:
        raise InputError(f"{path} is named after {ending}, and the format is {format}; make the two agree.")
    beside = path.with_name(f"{path.name}.README.md")
    for target in (path, beside):
        if target.is_dir():
            raise InputError(f"{target} is a folder and a file is to be written there; name another file.")
    try:
        # first, so that a table that is there can be understood
        write_whole(beside, lambda partial: partial.write_text(readme, encoding="utf-8"), noted=False)
        write_whole(path, lambda partial: partial.write_bytes(content), noted=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); name another file.") from error


def format_of(path: Path) -> Format:
    """The format that the file is named after. Raises `InputError` when it is none of them."""
    for format in FORMATS:
        if path.suffix.lower() == f".{format}":
            return format
    raise InputError(f"{path.name} is named after no format; expected a name that ends in .{', .'.join(FORMATS)}.")


def read_rows(content: bytes, format: Format, columns: Sequence[str]) -> Rows:
    """The rows of a file with these `columns`. Raises `UnreadableError` for a damaged one."""
    read = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}[format]
    return read(content, columns)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")  # spreadsheets begin a file with a mark of its encoding
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is damaged or no text (byte {error.start} is no UTF-8)") from error


def _read_csv(content: bytes, columns: Sequence[str]) -> Rows:
    _decoded(content)
    odd: list[pa.csv.InvalidRow] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        odd.append(row)
        return "error"

    # Arrow reads the rest of a file as one cell, without a word, where a quote is never closed
    if content.count(b'"') % 2:
        raise UnreadableError("is cut off or damaged (a double quote is not closed)")
    try:
        # one thread, for only then does Arrow number rows; one block, because values hold line breaks
        table = pa.csv.read_csv(
            io.BytesIO(content),
            pa.csv.ReadOptions(use_threads=False, block_size=min(len(content) + 1, 2**30)),
            pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,  # an empty comment is "", and no comment is an empty cell
            ),
        )
    except pa.ArrowInvalid as error:
        why = str(error).splitlines()[0]
        if odd:  # the header is row 1 of Arrow's
            why = f"row {odd[0].number - 1} has {odd[0].actual_columns} cells, expected {odd[0].expected_columns}"
        raise UnreadableError(f"is empty, damaged or no CSV ({why})") from error
    return table.column_names, table.to_pylist()


def _read_jsonl(content: bytes, columns: Sequence[str]) -> Rows:
    text = _decoded(content)
    rows: list[Mapping[str, object]] = []
    names: dict[str, None] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], 1):
        row = _json_row(number, line)
        if rows and row.keys() != names.keys():
            odd = min(row.keys() ^ names.keys())
            raise UnreadableError(f"is damaged (row {number} and row 1 do not both have column {odd})")
        names |= dict.fromkeys(row)
        rows.append(row)
    return list(names or columns), rows


def _json_row(number: int, line: str) -> dict[str, object]:
    try:
        row = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        reason = str(error) or "nested too deeply"
        raise UnreadableError(f"is damaged or no JSON Lines (row {number}: {reason})") from error
    if not isinstance(row, dict):
        raise UnreadableError(f"is damaged or no JSON Lines (row {number} is {line[:40]!r}, expected an object)")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a name stands twice")
    return row


def _read_parquet(content: bytes, columns: Sequence[str]) -> Rows:
    try:
        table = pa.parquet.read_table(io.BytesIO(content))
        return table.column_names, table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError(f"is damaged or no Parquet ({str(error).splitlines()[0]})") from error
