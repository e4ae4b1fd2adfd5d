"""The database of a study, as the commands about people open it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from explainfb.core.errors import InputError

if TYPE_CHECKING:
    from explainfb.store import Store


@contextmanager
def store_of(folder: Path, database: str | None, *, read_only: bool = False) -> "Iterator[Store]":
    """The database of the study in `folder`; `read_only` for one that nobody may write to.

    Raises `InputError` when there is no study, or it is another's.
    """
    from explainfb.store import Store
    from explainfb.study.folder import DATABASE, IDENTITY, SETTINGS, check_begun, check_store
    from explainfb.study.settings_file import read_settings

    if not (folder / IDENTITY).is_file():
        read_settings(folder / SETTINGS)  # which says what is missing; else settings are not needed, nor read
    check_begun(folder)
    if database is None and not (folder / DATABASE).is_file():
        raise InputError(f"{folder} has no {DATABASE}; give the --db that the study was begun with.")
    with Store(database or folder / DATABASE, read_only=read_only) as store:
        check_store(folder, store)
        yield store
