"""Tables as CSV, JSON Lines and Parquet, and the rows of such files read back."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from explainfb.core.errors import InputError
from explainfb.core.files import make_private, write_whole

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
Rows = tuple[list[str], Iterable[Mapping[str, object]]]
"""The names of the columns, and the rows, to be gone through once; in CSV every value is a text or None."""
MOST_ROWS = 1_000_000
MOST_BYTES = 2**29
"""More than any study has; a file that says that it holds more would only fill the memory."""
BATCH = 1024
"""Rows that are unpacked at a time."""


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
    if not path.absolute().parent.is_dir():
        raise InputError(f"The folder {path.absolute().parent} does not exist; make it, or name another file.")
    for target in (path, beside):
        if target.is_dir():
            raise InputError(f"{target} is a folder and a file is to be written there; name another file.")

    def private(partial: Path) -> None:
        partial.unlink(missing_ok=True)
        make_private(partial)  # people's names and comments are in it
        partial.write_bytes(content)

    try:
        # first, so that a table that is there can be understood
        write_whole(beside, lambda partial: partial.write_text(readme, encoding="utf-8"), noted=False)
        write_whole(path, private, noted=False)
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
    if len(table) > MOST_ROWS:
        raise UnreadableError(f"has {len(table):,} rows, and at most {MOST_ROWS:,} are read")
    return table.column_names, (row for batch in table.to_batches(BATCH) for row in batch.to_pylist())


def _read_jsonl(content: bytes, columns: Sequence[str]) -> Rows:
    _decoded(content)
    names: list[str] = []
    # once for what every row must have, without keeping any, and once more for what is in them
    for number, row in enumerate(_json_rows(content), 1):
        names = names or list(row)
        if row.keys() != set(names):
            odd = min(row.keys() ^ set(names))
            raise UnreadableError(f"is damaged (row {number} and row 1 do not both have column {odd})")
        if number > MOST_ROWS:
            raise UnreadableError(f"has more than {MOST_ROWS:,} rows")
    return names or list(columns), _json_rows(content)


def _json_rows(content: bytes) -> Iterator[dict[str, object]]:
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="\n")
    return (_json_row(number, line.removesuffix("\n")) for number, line in enumerate(lines, 1))


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
    """What the file says of itself first: a few compressed bytes may stand for any number of rows, of any length."""
    try:
        schema = pa.parquet.read_schema(io.BytesIO(content))
        texts = [each.name for each in schema if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)]
        # as dictionaries, in which a text that stands in many rows is there once
        file = pa.parquet.ParquetFile(io.BytesIO(content), read_dictionary=texts)
    except _PARQUET_DAMAGE as error:
        raise _no_parquet(error) from error
    nested = [each.name for each in schema if pa.types.is_nested(each.type)]
    if nested:
        raise UnreadableError(f"is no table of answers (column {nested[0][:40]!r} holds lists or records)")
    if file.metadata.num_rows > MOST_ROWS:
        raise UnreadableError(f"has {file.metadata.num_rows:,} rows, and at most {MOST_ROWS:,} are read")
    return list(schema.names), _parquet_rows(file)


def _parquet_rows(file: pa.parquet.ParquetFile) -> Iterator[Mapping[str, object]]:
    rows = texts = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH):
            rows += len(batch)
            texts += sum(_expanded(column) for column in batch.columns if pa.types.is_dictionary(column.type))
            if rows > MOST_ROWS or texts > MOST_BYTES:
                raise UnreadableError(f"has more than {MOST_ROWS:,} rows or {MOST_BYTES / 2**20:,.0f} MiB of text")
            yield from batch.to_pylist()
    except _PARQUET_DAMAGE as error:
        raise _no_parquet(error) from error


def _expanded(column: pa.DictionaryArray) -> int:
    """Bytes of the texts of a column, each as often as it stands there."""
    lengths = pa.compute.binary_length(column.dictionary)
    return int(pa.compute.sum(pa.compute.take(lengths, column.indices)).as_py() or 0)


def _no_parquet(error: Exception) -> UnreadableError:
    return UnreadableError(f"is damaged or no Parquet ({str(error).splitlines()[0]})")


_PARQUET_DAMAGE = (pa.ArrowException, OSError, ValueError)
