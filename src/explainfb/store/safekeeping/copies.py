"""Copies of a database, made while others write."""

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from explainfb.core.errors import InputError
from explainfb.core.files import make_private, write_whole
from explainfb.store.database import Database
from explainfb.store.safekeeping.upgrades import copy_all


def back_up(database: Database, file: Path) -> None:
    """Copy everything, as of one moment, into a new SQLite file."""
    if file.exists() or not file.absolute().parent.is_dir():
        raise InputError(f"{file} is there already, or its folder is not; name a new file in a folder that is there.")

    def copy(partial: Path) -> None:
        partial.unlink(missing_ok=True)
        make_private(partial)
        with database.read() as connection:
            try:
                copy_all(connection, partial)
            except (sqlite3.Error, DBAPIError) as error:
                # of a server, what SQLite says is of the copy; else of either
                why = getattr(error, "orig", error)
                if not isinstance(why, sqlite3.Error):
                    raise
                partial.unlink(missing_ok=True)
                raise InputError(
                    f"{database.place} cannot be copied to {file} ({why}); look at the disk and at who may write there."
                ) from error

    try:
        write_whole(file, copy, noted=False)
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror or error}); name another file.") from error
