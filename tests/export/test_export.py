"""Answers and ratings go out and come back the same, in every format, on every database."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, ExplanationKey
from explainfb.export import (
    FORMATS,
    Format,
    answers_table,
    as_bytes,
    export_answers,
    export_ratings,
    formats,
    import_answers,
    ratings_table,
)
from explainfb.export.columns import ANSWERS, RATINGS
from explainfb.store import Rating, Store
from export_example import COMMENTS, ITEMS, content, fill, press, rows_of, write_rows
from store_backends import (
    BACKENDS,
    NOON,
    check_counters,
    comparison,
    fresh_url,
    people,
    preference,
)

COMPARED = [each for each in Answer if each not in (Answer.YES, Answer.NO, Answer.RANKED)]


def all_rows(content: bytes, format: Format, columns: list[str]) -> tuple[list[str], list[object]]:
    names, rows = formats.read_rows(content, format, columns)
    return names, list(rows)


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


def test_the_table_tells_what_happened(full: Store) -> None:
    table = answers_table(full)
    assert list(table.columns) == [column.name for column in ANSWERS]
    assert {bool(flag) for name in ("surplus", "current", "excluded") for flag in table[name]} == {True, False}
    first, change = table.iloc[0], table[table["answer"] == "equal"].iloc[0]
    assert first["responded_at"] == "2024-03-01T12:00:03.000000+00:00"
    assert first["recorded_at"] == "2024-03-01T12:00:09.000001+00:00"
    assert (change["gold"], change["left_classifier"], change["left_image"]) == ("right", "round-0", 90)
    taken_back = table[table["answer"].isna()]
    assert taken_back["annotator"].tolist() == ["Ann", "Bob"]
    assert change["supersedes"] == taken_back["answer_id"].iloc[0]
    assert set(table[table["excluded"]]["annotator"]) == {"Bob"}
    learned = table[table["answer"].notna() & table["current"] & ~table["surplus"] & ~table["excluded"]]
    assert len(learned) == len(full.preferences(gold=True))


@pytest.mark.parametrize("format", FORMATS)
def test_answers_come_back_as_they_were(full: Store, copy: Store, tmp_path: Path, format: Format) -> None:
    file = tmp_path / f"answers.{format}"
    assert export_answers(full, file, format) == len(full.answers())
    assert import_answers(copy, file) == len(full.answers())
    assert content(copy) == content(full)
    assert [row["comment"] for row in content(copy)][: len(COMMENTS)] == COMMENTS
    check_counters(copy)
    assert not any(each.has_link or each.excluded for each in copy.annotators.all())
    copy.annotators.exclude("Bob", by="Rae", reason="as before")
    assert copy.preferences(gold=True) == full.preferences(gold=True)
    assert [copy.progress(round, overlap=2) for round in (1, 2)] == [
        full.progress(round, overlap=2) for round in (1, 2)
    ]
    check_counters(copy)


@pytest.mark.parametrize("format", FORMATS)
def test_importing_twice_is_importing_once(full: Store, copy: Store, tmp_path: Path, format: Format) -> None:
    file = tmp_path / f"answers.{format}"
    export_answers(full, file, format)
    import_answers(copy, file)
    before = copy.answers()
    assert import_answers(copy, file) == 0
    assert import_answers(full, file) == 0
    assert copy.answers() == before
    check_counters(full)


def test_a_chain_goes_on_where_the_record_ends(full: Store, copy: Store, tmp_path: Path) -> None:
    rows = rows_of(full)
    taken_back = next(number for number, row in enumerate(rows) if row["answer"] is None)
    part = [
        {**row, "current": True} if number == taken_back else row for number, row in enumerate(rows[: taken_back + 1])
    ]
    assert import_answers(copy, write_rows(tmp_path / "part.jsonl", part)) == len(part)
    check_counters(copy)
    assert import_answers(copy, write_rows(tmp_path / "whole.jsonl", rows)) == len(rows) - len(part)
    assert content(copy) == content(full)
    assert import_answers(copy, tmp_path / "part.jsonl") == 0
    check_counters(copy)


def test_all_formats_hold_the_same(full: Store) -> None:
    names = [column.name for column in ANSWERS]
    table = answers_table(full)
    _, typed = all_rows(as_bytes(table, "jsonl"), "jsonl", names)
    assert all_rows(as_bytes(table, "parquet"), "parquet", names) == (names, typed)
    found_names, as_text = all_rows(as_bytes(table, "csv"), "csv", names)
    told = [{name: None if cell is None else csv_text(cell) for name, cell in row.items()} for row in typed]
    assert (found_names, as_text) == (names, told)


def csv_text(cell: object) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.sampled_from(
    ["", '"', '""', "\r", "\n", ",", "\u2028", "NA", "nan", "\ufeff", "'", "\\"]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS), max_size=4))
def test_any_text_comes_back_from_every_format(texts: list[tuple[str, str | None]]) -> None:
    table = pd.DataFrame(
        {
            "annotator": pd.Series([name for name, _ in texts], dtype="string"),
            "comment": pd.Series([comment for _, comment in texts], dtype="string"),
            "surplus": pd.Series([True for _ in texts], dtype="boolean"),
        }
    )
    for format in FORMATS:
        names, rows = all_rows(as_bytes(table, format), format, list(table.columns))
        assert [(row["annotator"], row["comment"]) for row in rows] == texts
        assert names == list(table.columns)


def test_other_programs_read_the_same(full: Store) -> None:
    table = answers_table(full)
    expected = table["comment"].fillna("").tolist()
    by_csv = list(csv.DictReader(io.StringIO(as_bytes(table, "csv").decode(), newline="")))
    assert [row["comment"] for row in by_csv] == expected
    by_pandas = pd.read_csv(io.BytesIO(as_bytes(table, "csv")), keep_default_na=False, lineterminator="\n")
    assert by_pandas["annotator"].tolist() == table["annotator"].tolist()
    assert pd.read_parquet(io.BytesIO(as_bytes(table, "parquet"))).equals(table)
    assert as_bytes(table, "jsonl").isascii()
    assert len(as_bytes(table, "jsonl").decode().splitlines()) == len(table)


def test_a_study_without_answers_goes_out_and_comes_back(copy: Store, tmp_path: Path) -> None:
    for format in FORMATS:
        assert export_answers(copy, tmp_path / f"none.{format}", format) == 0
        assert import_answers(copy, tmp_path / f"none.{format}") == 0
        assert export_ratings(copy, tmp_path / f"ratings.{format}", format) == 0
    assert copy.answers() == []


@pytest.mark.parametrize("format", FORMATS)
def test_ratings_go_out_with_all_that_was_said(copy: Store, tmp_path: Path, format: Format) -> None:
    (ann,) = people(copy, "Ann")
    for image, comment in enumerate(COMMENTS):
        given = Rating(
            explanation=ExplanationKey("round-0", image),
            rating=image % 5 + 1,
            annotator="Ann",
            round=1,
            shown_at=NOON,
            responded_at=NOON + timedelta(seconds=1),
            comment=comment,
        )
        copy.rate(ann, given, now=NOON)
    copy.annotators.exclude("Ann", by="Rae", reason="")
    assert export_ratings(copy, tmp_path / f"ratings.{format}", format) == len(COMMENTS)
    names = [column.name for column in RATINGS]
    assert list(ratings_table(copy).columns) == names
    _, rows = all_rows((tmp_path / f"ratings.{format}").read_bytes(), format, names)
    assert [row["comment"] for row in rows] == COMMENTS
    assert [int(str(row["rating"])) for row in rows] == [image % 5 + 1 for image in range(len(COMMENTS))]
    assert {str(row["excluded"]).lower() for row in rows} == {"true"}


def test_a_readme_names_every_column_and_warns_of_formulas(full: Store, tmp_path: Path) -> None:
    export_answers(full, tmp_path / "answers.csv", "csv")
    export_ratings(full, tmp_path / "ratings.parquet", "parquet")
    for name, columns in (("answers.csv", ANSWERS), ("ratings.parquet", RATINGS)):
        text = (tmp_path / f"{name}.README.md").read_text(encoding="utf-8")
        assert [column.name for column in columns if f"| `{column.name}` |" not in text] == []
        assert "executed as a formula" in text
    assert {path.name for path in tmp_path.iterdir()} >= {"answers.csv", "ratings.parquet"}
    assert not list(tmp_path.glob("*.partial"))
    assert (tmp_path / "answers.csv").stat().st_mode & 0o077 == 0, "people's names and comments are for the owner"


def test_a_target_that_cannot_be_written_is_named(full: Store, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"folder is a folder"):
        export_answers(full, tmp_path / "folder", "csv")
    with pytest.raises(InputError, match=r"folder .*/nowhere does not exist; make it"):
        export_answers(full, tmp_path / "nowhere" / "answers.csv", "csv")
    with pytest.raises(InputError, match=r"named after jsonl, and the format is csv"):
        export_answers(full, tmp_path / "answers.jsonl", "csv")
    with pytest.raises(InputError, match="Unknown format 'xlsx'"):
        export_answers(full, tmp_path / "answers.xlsx", "xlsx")  # type: ignore[arg-type]
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("study.db")) == [
        "file",
        "folder",
    ]


def test_other_peoples_answers_on_record_stay(full: Store, copy: Store, tmp_path: Path) -> None:
    (eve,) = people(copy, "Eve")
    own = press(copy, eve, copy.comparisons()[0], Answer.RIGHT)
    copy.annotators.exclude("Eve", by="Rae", reason="")
    export_answers(full, tmp_path / "answers.csv", "csv")
    assert import_answers(copy, tmp_path / "answers.csv") == len(full.answers())
    assert copy.answers()[0] == own
    assert content(copy)[1]["comment"] is None
    check_counters(copy)


def test_json_lines_of_other_programs_are_read(full: Store, copy: Store, tmp_path: Path) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows_of(full)]
    assert any("\u2028" in line for line in lines)
    (tmp_path / "answers.jsonl").write_bytes("\r\n".join(lines).encode())
    assert import_answers(copy, tmp_path / "answers.jsonl") == len(lines)
    assert content(copy) == content(full)


def test_what_a_spreadsheet_saves_is_read_when_nothing_is_lost(full: Store, copy: Store, tmp_path: Path) -> None:
    rows = [row for row in rows_of(full) if row["comment"] is None]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows({**row, "surplus": str(row["surplus"]).upper(), "comment": ""} for row in rows)
    (tmp_path / "answers.csv").write_bytes(b"\xef\xbb\xbf" + file.getvalue().encode())
    assert import_answers(copy, tmp_path / "answers.csv") == len(rows)
    assert [row["annotator"] for row in content(copy)] == [row["annotator"] for row in rows]


def test_answers_given_while_the_clock_was_set_back_come_back(tmp_path: Path) -> None:
    item = comparison(1)
    early = replace(preference(item), responded_at=NOON - timedelta(hours=1))
    stores = [Store(tmp_path / "one.db"), Store(tmp_path / "two.db")]
    for store in stores:
        store.add_comparisons([item], seed=7)
    stores[0].record([early])
    export_answers(stores[0], tmp_path / "answers.csv", "csv")
    assert import_answers(stores[1], tmp_path / "answers.csv") == 1
    assert stores[1].preferences(gold=True) == [early]
    for store in stores:
        store.close()


@pytest.mark.parametrize("format", FORMATS)
def test_every_answer_comes_back_as_it_was(copy: Store, format: Format, tmp_path: Path) -> None:
    """Ties of each kind are kept apart; a file from before there were several is read as it was."""
    with Store(tmp_path / "given.db") as given:
        given.add_comparisons(ITEMS, seed=2**62)
        (ann,) = people(given, "Ann")
        for stored, answer in zip(given.comparisons(), COMPARED, strict=False):
            press(given, ann, stored, answer)
        path = tmp_path / f"answers.{format}"
        export_answers(given, path, format)
        readme = (tmp_path / f"answers.{format}.README.md").read_text()
    assert import_answers(copy, path) == len(COMPARED)
    assert [event.answer for event in copy.answers()] == COMPARED
    assert "`both_good`, `both_bad`" in readme
