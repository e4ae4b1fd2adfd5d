"""Which folder a study is kept in, and that one process at a time works there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from explainfb.errors import InputError
from explainfb.settings import StudySettings, read_settings

STUDIES = Path("studies")
SETTINGS = "study.toml"
RESULTS = "results.json"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from running the study in `folder`; the lock goes with this process, however it ends.

    Raises `InputError` when another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "study.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(f"The study in {folder} is being run by another process; wait for it, or stop it.") from error
    try:
        yield
    finally:
        lock.release()


def new_folder(settings: StudySettings, studies: Path = STUDIES) -> Path:
    """The folder of a study of these settings that was begun and neither finished nor is being run, or a new one."""
    name = settings.task.replace("/", "-").replace(":", "-")
    number = 1
    while (folder := studies / f"{name}-{number}").exists():
        begun = (folder / SETTINGS).is_file() and not (folder / RESULTS).is_file()
        if begun and read_settings(folder / SETTINGS) == settings and not _is_locked(folder):
            return folder
        number += 1
    return folder


def _is_locked(folder: Path) -> bool:
    try:
        with locked(folder):
            return False
    except InputError:
        return True
