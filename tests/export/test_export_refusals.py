"""A file with a fault is refused whole: the row and the column are named, and nothing of it is imported."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Answer
from explainfb.export import answers_table, as_bytes, export_answers, import_answers
from explainfb.export.columns import ANSWERS
from explainfb.store import Role, Store
from export_example import COMMENTS, ITEMS, Rows, fill, rows_of, write_rows
from store_backends import (
    BACKENDS,
    NOON,
    check_counters,
    fresh_url,
    people,
    response,
)


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def full(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with fresh_url(backend, tmp_path_factory.mktemp("full")) as url, Store(url) as store:
        fill(store)
        yield store


@pytest.fixture
def copy(backend: str, tmp_path: Path) -> Iterator[Store]:
    """The same comparisons and no answers."""
    with fresh_url(backend, tmp_path) as url, Store(url) as store:
        store.add_comparisons(ITEMS, seed=2**62)
        yield store


@pytest.fixture(scope="module")
def untouched(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A copy in which nothing may arrive, with a researcher."""
    with fresh_url(backend, tmp_path_factory.mktemp("untouched")) as url, Store(url) as store:
        store.add_comparisons(ITEMS, seed=2**62)
        store.annotators.add("Rosa", role=Role.RESEARCHER)
        yield store


CHANGED = len(COMMENTS) + 2  # Ann's answer to the gold item; taken back in the next row; Bob's; Ann's again


def put(row: int, **cells: object) -> Callable[[Rows], Rows]:
    """Put these cells into row `row`, counted from 0."""
    return lambda rows: [*rows[:row], {**rows[row], **cells}, *rows[row + 1 :]]


def repeat(row: int, **cells: object) -> Callable[[Rows], Rows]:
    return lambda rows: [*rows, {**rows[row], **cells}]


FAULTS = {
    "unknown answer": (put(3, answer="lft"), 4, "answer", "found 'lft'; expected left, right"),
    "answer of another type": (put(3, answer=1), 4, "answer", "found 1;"),
    "taken back too much": (put(1, answer=None), 2, "answer", "takes none back"),
    "gold is none": (put(CHANGED, gold=None), CHANGED + 1, "gold", "found nothing; expected 'right'"),
    "gold is another": (put(CHANGED, gold="left"), CHANGED + 1, "gold", "found 'left'; expected 'right'"),
    "gold invented": (put(0, gold="left"), 1, "gold", "found 'left'; expected nothing"),
    "left image": (put(2, left_image=77), 3, "left_image", "found 77; expected 2"),
    "left classifier": (put(2, left_classifier="round-9"), 3, "left_classifier", "expected 'round-0'"),
    "right image": (put(2, right_image=77), 3, "right_image", "found 77; expected 2"),
    "right classifier": (put(2, right_classifier="round-9"), 3, "right_classifier", "expected 'round-1'"),
    "sides turned": (
        put(2, left_classifier="round-1", right_classifier="round-0"),
        3,
        "left_classifier",
        "found 'round-1'; expected 'round-0'",
    ),
    "both sides the same": (put(2, right_classifier="round-0"), 3, "right_image", "another explanation"),
    "seed": (put(5, seed=8), 6, "seed", f"found 8; expected {2**62}"),
    "seed rounded": (put(5, seed=4.6e18), 6, "seed", "a whole number"),
    "round and place disagree": (put(5, round=2), 6, "comparison_id", "= 2000005"),
    "unknown comparison": (
        put(5, position=999, comparison_id=1_000_999),
        6,
        "comparison_id",
        "found 1000999; expected a comparison that is on record",
    ),
    "no time": (put(0, shown_at="yesterday"), 1, "shown_at", "found 'yesterday'"),
    "no zone": (put(0, shown_at="2024-03-01T12:00:00"), 1, "shown_at", "time zone"),
    "a time out of range": (put(0, shown_at="0001-01-01T00:00:00+14:00"), 1, "shown_at", "time zone"),
    "no recording time": (put(0, recorded_at=None), 1, "recorded_at", "found nothing"),
    "supersedes what is not there": (put(CHANGED + 1, supersedes=999), CHANGED + 2, "supersedes", "an earlier row"),
    "supersedes what comes later": (
        lambda rows: [*rows[:CHANGED], rows[CHANGED + 1], rows[CHANGED], *rows[CHANGED + 2 :]],
        CHANGED + 1,
        "supersedes",
        "an earlier row",
    ),
    "supersedes another comparison's": (put(CHANGED + 1, supersedes=1), CHANGED + 2, "supersedes", "of 'Ann' and"),
    "supersedes another person's": (put(CHANGED + 1, annotator="Bob"), CHANGED + 2, "supersedes", "of 'Bob' and"),
    "superseded twice": (
        put(CHANGED + 3, supersedes=CHANGED + 1),
        CHANGED + 4,
        "supersedes",
        f"row {CHANGED + 2} replaces it too",
    ),
    "two first answers": (repeat(0, answer_id=999), -1, "supersedes", "as row 1 is 'Ann''s first answer"),
    "a row twice": (repeat(0), -1, "answer_id", "also in row 1"),
    "current": (put(CHANGED, current=True), CHANGED + 1, "current", "found True; expected False"),
    "not current": (put(0, current=False), 1, "current", "found False; expected True"),
    "surplus": (put(0, surplus="maybe"), 1, "surplus", "true or false"),
    "excluded": (put(0, excluded=None), 1, "excluded", "found nothing; expected true or false"),
    "id": (put(0, answer_id=True), 1, "answer_id", "a whole number"),
    "id in letters": (put(0, answer_id="١"), 1, "answer_id", "a whole number"),
    "no name": (put(0, annotator=""), 1, "annotator", "1 to 200 characters"),
    "name of lines": (put(4, annotator="a\nb"), 5, "annotator", "1 to 200 characters"),
    "name of a researcher": (put(0, annotator="Rosa"), 1, "annotator", "in the study as researcher"),
    "name missing": (put(0, annotator=None), 1, "annotator", "found nothing; expected a text"),
    "version": (put(0, app_version="1" * 65), 1, "app_version", "1 to 64 characters"),
    "version with a NUL": (put(0, app_version="1\0"), 1, "app_version", "whole characters"),
    "comment with a NUL": (put(0, comment="a\0b"), 1, "comment", "whole characters"),
    "half a character": (put(0, comment="\ud83d"), 1, "comment", "whole characters"),
    "a number as comment": (put(0, comment=5), 1, "comment", "whole characters"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_nothing_is_imported(full: Store, untouched: Store, tmp_path: Path, fault: str) -> None:
    plant, row, column, told = FAULTS[fault]
    rows = plant(rows_of(full))
    number = row if row > 0 else len(rows)
    with pytest.raises(InputError) as caught:
        import_answers(untouched, write_rows(tmp_path / "answers.jsonl", rows))
    message = str(caught.value)
    assert message.startswith(f"answers.jsonl, row {number}, column {column}: found ")
    assert told in message
    assert message.endswith("; nothing was imported.")
    assert untouched.answers() == []
    assert [each.name for each in untouched.annotators.all()] == ["Rosa"]


def test_in_csv_the_line_is_named_too(full: Store, untouched: Store, tmp_path: Path) -> None:
    before, after = as_bytes(answers_table(full), "csv").decode().split('"cant_tell"', 1)
    (tmp_path / "answers.csv").write_bytes(f'{before}"perhaps"{after}'.encode())
    line = len(re.findall(r"\r\n|\r|\n", before)) + 1
    assert line > len(COMMENTS) + 2  # since comments hold line breaks
    with pytest.raises(InputError) as caught:
        import_answers(untouched, tmp_path / "answers.csv")
    expected = f"answers.csv, row {len(COMMENTS) + 1} (line {line}), column answer: found 'perhaps'; expected left"
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("on_record", "told"),
    [
        ({"answer": Answer.RIGHT}, "row 1, column answer: found 'left'; expected 'right', as answer 1 by 'Ann'"),
        ({"shown_at": NOON - timedelta(seconds=1)}, "row 1, column shown_at: found '2024-03-01T12:00:00+00:00'"),
        ({"comment": "mine"}, "row 1, column comment: found nothing; expected 'mine'"),
    ],
)
def test_a_file_that_contradicts_the_record_is_refused(
    full: Store, copy: Store, tmp_path: Path, on_record: dict[str, object], told: str
) -> None:
    file = tmp_path / "answers.jsonl"
    export_answers(full, file, "jsonl")
    (ann,) = people(copy, "Ann")
    given = response(copy.comparisons()[0], Answer.LEFT)
    now = NOON + timedelta(seconds=9, microseconds=1)
    copy.answer(ann, type(given)(**{**vars(given), **on_record}), now=now, overlap=2)
    before = copy.answers()
    with pytest.raises(InputError) as caught:
        import_answers(copy, file)
    assert told in str(caught.value)
    assert copy.answers() == before
    assert [each.name for each in copy.annotators.all()] == ["Ann"]
    check_counters(copy)


def test_a_closed_round_takes_no_answers_that_count(full: Store, copy: Store, tmp_path: Path) -> None:
    file = tmp_path / "answers.parquet"
    export_answers(full, file, "parquet")
    copy.close_round(1)
    with pytest.raises(InputError, match=r"row 1, column round: found 1; expected a round that is open"):
        import_answers(copy, file)
    assert copy.answers() == []
    copy.reopen_round(1)
    import_answers(copy, file)
    copy.close_round(1)
    assert import_answers(copy, file) == 0


@pytest.mark.parametrize("name", ["answers.csv", "answers.jsonl", "answers.parquet"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: bytes(range(256)) * 40,
        lambda whole: b"\x89PNG\r\n\x1a\n" + b"\0" * 1000,
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-3] if whole[:3] == b"PAR" else whole[: whole.rindex(b'"', 0, -80)],
        lambda whole: whole.replace(b"Ann", b"\xff\xfe\xfd") if whole[:3] != b"PAR" else whole[:4] + whole,
    ],
    ids=["empty", "binary", "picture", "half", "cut", "bytes"],
)
def test_a_damaged_file_is_named(
    full: Store, untouched: Store, tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / name
    export_answers(full, file, name.partition(".")[2])  # type: ignore[arg-type]
    file.write_bytes(damage(file.read_bytes()))
    if name == "answers.jsonl" and not file.stat().st_size:
        assert import_answers(untouched, file) == 0  # what a study without answers gives
    else:
        with pytest.raises(InputError, match=rf"{name}.* (damaged|cut off)"):
            import_answers(untouched, file)
    assert untouched.answers() == []


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "answer_id;round\n1;2\n", "lacks the column 'annotator'"),
        ("a.csv", "{header},mood\n", "has an unknown column 'mood'"),
        ("a.csv", "{header},answer\n", "has twice the column 'answer'"),
        ("a.csv", "{header}\n1,2\n", "row 1 has 2 cells, expected 26"),
        ("a.jsonl", '{{"answer": 1}}\n', "lacks the column 'annotator'"),
        ("a.jsonl", '{{"answer": 1}}\n\n', "row 2"),
        ("a.jsonl", '{{"answer": 1}}\n{{"mood": 1}}\n', "row 2 and row 1 do not both have column answer"),
        ("a.jsonl", '{{"answer": 1, "answer": 2}}\n', "row 1: a name stands twice"),
        ("a.jsonl", "[1]\n", "row 1 is '[1]', expected an object"),
        ("a.jsonl", "[" * 100_000, "row 1"),
        ("a.txt", "", "named after no format"),
    ],
)
def test_a_file_of_another_shape_is_refused(untouched: Store, tmp_path: Path, name: str, text: str, told: str) -> None:
    file = tmp_path / name
    file.write_text(text.format(header=",".join(column.name for column in ANSWERS)))
    with pytest.raises(InputError) as caught:
        import_answers(untouched, file)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_file_that_is_not_there_is_named(untouched: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read"):
        import_answers(untouched, tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv cannot be read"):
        import_answers(untouched, tmp_path / "folder.csv")
