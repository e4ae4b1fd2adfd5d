"""Databases of earlier schemas, brought up to this one, and copied."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, insert, inspect, select, update

from explainfb.store.schema import (
    CHECKED,
    KNOWN_ANSWER,
    LATER,
    SCHEMA_VERSION,
    answers,
    comparisons,
    kept,
    metadata,
    versions,
)


def _know_more_answers(connection: Connection) -> None:
    """An answer may be any that this explainfb knows."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("ALTER TABLE answers DROP CONSTRAINT known_answer")
        connection.exec_driver_sql(f"ALTER TABLE answers ADD CONSTRAINT known_answer CHECK ({KNOWN_ANSWER})")
        return
    # SQLite changes no constraint: the table is made anew beside the old one, filled, and takes its name. Answers
    # name each other, so that keys are looked at when all of that is done.
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    for index in answers.indexes:
        index.drop(connection)
    connection.exec_driver_sql("ALTER TABLE answers RENAME TO answers_before")
    answers.create(connection)
    there = {column["name"] for column in inspect(connection).get_columns("answers_before")}
    names = ", ".join(column.name for column in answers.c if column.name in there)
    connection.exec_driver_sql(f"INSERT INTO answers ({names}) SELECT {names} FROM answers_before ORDER BY id")
    connection.exec_driver_sql("DROP TABLE answers_before")


def _know_more_questions(connection: Connection) -> None:
    """Schema 2 → 3: what is asked may be another question than a comparison of two explanations, with answers of its
    own, or a comparison of two superpixels."""
    for column in (comparisons.c[name] for name in LATER):
        kind = column.type.compile(connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE comparisons ADD COLUMN {column.name} {kind}")
    if connection.dialect.name != "sqlite":  # there the table is made anew, with all of its columns
        connection.exec_driver_sql("ALTER TABLE answers ADD COLUMN said TEXT")
    _know_more_answers(connection)


def _know_checksums(connection: Connection) -> None:
    """Schema 3 → 4: rows have checksums, which those that are there are given by whoever may write them."""
    for table in CHECKED:
        # a table that was made anew on the way from an earlier schema has all of its columns
        if "checksum" not in {column["name"] for column in inspect(connection).get_columns(table.name)}:
            kind = table.c.checksum.type.compile(connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN checksum {kind}")


def _keep_the_next(connection: Connection) -> None:
    """Schema 4 → 5: what is asked next is kept for whoever is being asked something."""
    kept.create(connection)


UPGRADES: dict[int, Callable[[Connection], None]] = {
    1: _know_more_answers,
    2: _know_more_questions,
    3: _know_checksums,
    4: _keep_the_next,
}
"""What makes a database of each earlier schema one of the next, in the one transaction in which it is opened. Schema 2
brought the answers both good and both bad."""


def copy_all(connection: Connection, file: Path) -> None:
    """Copy everything into a new SQLite file: a file as it is, of a server every row into tables of this schema."""
    raw = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        with closing(sqlite3.connect(file)) as into:
            raw.backup(into)
            into.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        return
    # all tables as of one moment, while others write
    reading = connection.execution_options(isolation_level="REPEATABLE READ")
    target = create_engine(URL.create("sqlite", database=str(file)))
    try:
        with target.begin() as writing:
            metadata.create_all(writing)
            tables = set(inspect(reading).get_table_names())
            for table in (each for each in metadata.sorted_tables if each.name in tables):
                there = {column["name"] for column in inspect(reading).get_columns(table.name)}
                known = [column for column in table.c if column.name in there]
                query = select(*known).order_by(*table.primary_key)
                for rows in reading.execute(query).mappings().partitions(1000):
                    writing.execute(insert(table), [dict(row) for row in rows])
            writing.execute(update(versions).values(version=SCHEMA_VERSION))
    finally:
        target.dispose()
