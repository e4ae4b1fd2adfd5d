"""Every row that says what was asked and answered has a checksum, by which one that changed is seen and named."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from command_line import run
from counting import count
from explainfb.core.errors import InputError
from explainfb.core.types import Answer, ExplanationKey
from explainfb.export import answers_table, export_answers, import_answers, ratings_table
from explainfb.store import Kind, Rating, Store, schema
from store_backends import BACKENDS, NOON, POSTGRESQL, comparisons, fresh_url, people, preference, response

ITEMS = comparisons(3)
CHANGES = {
    "an answer": "UPDATE answers SET answer = 'right' WHERE answer = 'left' AND id = 1",
    "an answer that counts no more": "UPDATE answers SET surplus = NOT surplus WHERE id = 1",
    "an answer to another comparison": "UPDATE answers SET comparison_id = 1000002 WHERE id = 1",
    "somebody else's answer": "UPDATE answers SET annotator_id = 1 WHERE id = 1",
    "a moment": "UPDATE answers SET responded_at = shown_at WHERE id = 1",
    "a comment": "UPDATE answers SET comment = 'the eaR' WHERE comment IS NOT NULL",
    "a comparison": "UPDATE comparisons SET left_image = 7 WHERE position = 0",
    "a known answer": "UPDATE comparisons SET gold = 'left' WHERE position = 0",
    "a name": "UPDATE annotators SET name = 'Anm' WHERE name = 'Ann'",
    "who is left out": "UPDATE events SET kind = 'included' WHERE kind = 'excluded'",
}


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, tmp_path) as found:
        yield found


def fill(store: Store) -> None:
    """Answers, a change, an undo, a comment with what no database holds, a rating, and somebody left out."""
    stored = store.add_comparisons(ITEMS, seed=7)
    ann, bob = people(store, "Ann", "Bob")
    store.answer(bob, response(stored[1], Answer.LEFT), now=NOON, overlap=2)
    first = store.answer(ann, response(stored[0], Answer.LEFT), now=NOON, overlap=2)
    change = replace(response(stored[0], Answer.EQUAL, "t", first.id), comment="the \0é\ud800ar 🫩")
    changed = store.answer(ann, change, now=NOON, overlap=2)
    store.undo(ann, changed, now=NOON, overlap=2, lease_seconds=60)
    store.answer(ann, response(stored[2], Answer.RIGHT, "u"), now=NOON, overlap=2)
    store.record([preference(item, annotator="Cy") for item in ITEMS])
    store.rate(ann, rating(), now=NOON)
    store.annotators.exclude("Cy", by="Rea", reason="h\0aste")


def rating() -> Rating:
    key = ExplanationKey("round-0", 1)
    return Rating(
        explanation=key, rating=4, annotator="Ann", round=1, shown_at=NOON, responded_at=NOON, comment="so\0 so"
    )


def change(store: Store, statement: str) -> None:
    with store._database.write() as connection:
        connection.exec_driver_sql(statement)


def readers(store: Store, tmp_path: Path) -> dict[str, Callable[[], object]]:
    return {
        "fit": lambda: store.preferences([1], gold=True),
        "export": lambda: answers_table(store),
        "check": store.check_whole,
    }


def test_what_was_lawfully_written_is_read(url: str, tmp_path: Path) -> None:
    with Store(url) as store:
        fill(store)
        store.annotators.include("Cy", by="Rea", reason="after all")
        store.close_round(1)
        store.reopen_round(1)
        assert store.check_whole() == 0
        assert len(store.answers()) == 8
        assert len(store.preferences(gold=True)) == 5
        assert store.annotators.forget("Ann") == 1
        assert store.check_whole() == 0
        assert len(store.answers()) == 4


@pytest.mark.parametrize("what", CHANGES)
def test_a_row_that_changed_is_named(what: str, url: str, tmp_path: Path) -> None:
    with Store(url) as store:
        fill(store)
        change(store, CHANGES[what])
        table = CHANGES[what].split()[1]
        for reader in readers(store, tmp_path).values():
            with pytest.raises(
                InputError, match=rf"is damaged: row \d+ of {table} is not as written; bring back a copy"
            ):
                reader()


def test_an_answer_that_is_gone_is_missed_where_it_was_counted(url: str) -> None:
    with Store(url) as store:
        fill(store)
        change(store, "DELETE FROM answers WHERE id = 5")
        with pytest.raises(InputError, match="row 1000002 of comparisons counts 1 answers, and has others"):
            store.check_whole()


def test_ids_of_a_sequence_that_is_behind_its_rows_are_not_given_twice(tmp_path: Path) -> None:
    """As after rows were restored on a server, and sequences were not."""
    if len(BACKENDS) < 2 or not POSTGRESQL:
        pytest.skip("no PostgreSQL")
    with fresh_url("postgresql", tmp_path) as server, Store(server) as store:
        fill(store)
        change(store, "SELECT setval('answers_id_seq', 1)")
        store.record([preference(item, annotator="Dan") for item in ITEMS])
        assert [each.id for each in store.answers()] == list(range(1, 12))


def test_a_rating_that_changed_is_named(url: str) -> None:
    with Store(url) as store:
        fill(store)
        change(store, "UPDATE ratings SET rating = 5")
        for reader in (lambda: ratings_table(store), store.check_whole):
            with pytest.raises(InputError, match="row 1 of ratings is not as written"):
                reader()


def test_an_answer_to_nothing_is_not_passed_over(tmp_path: Path) -> None:
    """Of a row without a checksum, as those of before."""
    with Store(tmp_path / "study.db") as store:
        fill(store)
        with store._database.write() as connection:
            connection.execute(update(schema.answers).values(checksum=None))
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        with closing(sqlite3.connect(tmp_path / "study.db")) as raw, raw:
            raw.execute("UPDATE answers SET comparison_id = 5 WHERE id = 2")
        with pytest.raises(InputError, match="row 2 of answers asks or names what is not there"):
            store.preferences([1], gold=True)


def test_forgetting_whoever_gave_it_mends_what_no_copy_brings_back(tmp_path: Path) -> None:
    with Store(tmp_path / "study.db") as store:
        fill(store)
        change(store, "UPDATE answers SET answer = 'right' WHERE id = 2")
        with pytest.raises(InputError, match="where there is none, have explainfb annotators forget"):
            store.answers()
        store.annotators.forget("Ann")
        assert store.check_whole() == 0
        assert {each.annotator for each in store.answers()} == {"Bob", "Cy"}


def test_checksums_are_the_same_on_every_database_and_in_a_copy(tmp_path: Path) -> None:
    found = []
    for backend in ("sqlite", "postgresql") if len(BACKENDS) > 1 else ("sqlite",):
        with fresh_url(backend, tmp_path) as url, Store(url) as store:
            stored = store.add_comparisons(ITEMS, seed=7)
            store.record([preference(item) for item in ITEMS])
            store.back_up(tmp_path / f"{backend}.db")
            assert len(stored) == 3
        with Store(tmp_path / f"{backend}.db", read_only=True) as copy, copy._database.read() as connection:
            assert copy.check_whole() == 0
            found += [connection.execute(select(schema.comparisons.c.checksum)).scalars().all()]
    assert all(each == found[0] for each in found)


def test_imported_answers_have_them(url: str, tmp_path: Path) -> None:
    with Store(url) as store:
        fill(store)
        export_answers(store, tmp_path / "answers.csv", "csv")
    with Store(tmp_path / "other.db") as other:
        other.add_comparisons(ITEMS, seed=7)
        assert import_answers(other, tmp_path / "answers.csv") == 8
        assert other.check_whole() == 0
        change(other, "UPDATE answers SET answer = 'both_bad' WHERE answer = 'left' AND supersedes IS NULL")
        with pytest.raises(InputError, match=r"rows? .* not as written"):
            import_answers(other, tmp_path / "answers.csv")


def test_rows_that_an_earlier_explainfb_still_wrote_are_read_and_get_one(tmp_path: Path) -> None:
    """One that was running when the database was brought up to date, such as the app."""
    with Store(tmp_path / "study.db") as store:
        fill(store)
        with store._database.write() as connection:
            connection.execute(update(schema.answers).where(schema.answers.c.id > 6).values(checksum=None))
        assert store.check_whole() == 2
        assert len(store.answers()) == 8
    with Store(tmp_path / "study.db", read_only=True) as store:
        assert store.check_whole() == 2
    with Store(tmp_path / "study.db") as store:
        assert store.check_whole() == 0


def pages_of(path: Path, *tables: str) -> list[tuple[int, int]]:
    """Where in the file the pages begin and end that hold the rows of small tables."""
    with closing(sqlite3.connect(path)) as raw:
        size = raw.execute("PRAGMA page_size").fetchone()[0]
        roots = [raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name]).fetchone() for name in tables]
    return [((root - 1) * size, root * size) for (root,) in roots]


def test_a_flipped_bit_in_any_byte_of_the_rows_is_named_or_changes_nothing(tmp_path: Path) -> None:
    """The round is open: no reward was fitted, so that no fingerprint knows the answers."""
    path, drawn = tmp_path / "study.db", random.Random(0)
    with Store(path) as store:
        store.add_comparisons(ITEMS, seed=7)
        store.record([preference(item) for item in ITEMS])
        answers = answers_table(store)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
    kept, named = path.read_bytes(), 0
    (begin, end), *_ = pages_of(path, "answers")
    used = [place for place in range(begin, end) if kept[place]]
    for place in used:
        content = bytearray(kept)
        content[place] ^= 1 << drawn.randrange(8)
        path.write_bytes(content)
        try:
            with Store(path, read_only=True) as store:
                found = answers_table(store)
                store.preferences([1], gold=True)
        except InputError:
            named += 1
            continue
        assert found.equals(answers), place - begin
    count(
        "a flipped bit in each byte of the rows of an open round: named, or no answer is another",
        times=len(used),
    )
    count("of these bytes, named", times=named)
    assert named > 0.9 * len(used)


def test_check_names_the_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path / "study.db") as store:
        fill(store)
        assert store.annotators.events()[-1].kind is Kind.EXCLUDED
    (tmp_path / "study.toml").write_text("format = 2\n")
    with closing(sqlite3.connect(tmp_path / "study.db")) as raw, raw:
        raw.execute("UPDATE answers SET said = 'best 1 worst 0' WHERE id IN (2, 5)")
    assert run("check", str(tmp_path)) == 1
    assert "row 2 of answers, row 5 of answers are not as written" in " ".join(capsys.readouterr().out.split())
