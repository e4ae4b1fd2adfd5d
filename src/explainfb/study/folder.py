"""Which folder a study is kept in, that one process at a time works there, and with what it was begun."""

import hashlib
import itertools
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from explainfb.core.errors import InputError
from explainfb.core.files import make_folder, write_whole
from explainfb.study.settings import StudySettings, check_same, read_settings

if TYPE_CHECKING:
    from explainfb.store import Store
    from explainfb.tasks.task import Task

STUDIES = Path("studies")
SETTINGS = "study.toml"
DATABASE = "study.db"
RESULTS = "results.json"
REPORT = "report/index.html"
IDENTITY = "identity.json"
STUDY = "study"
MADE = ("classifiers", "explanations", "reward", "controls", "evaluations", RESULTS)
"""What a study makes once it has its settings."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from running the study in `folder`; the lock goes with this process, however it ends.

    Raises `InputError` when another process has it.
    """
    make_folder(folder)
    # of the operating system, which frees it when a process is killed; a file that says "running" would stay
    lock = FileLock(folder / "study.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(f"The study in {folder} is being run by another process; wait for it, or stop it.") from error
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}); choose another folder.") from error
    try:
        yield
    finally:
        lock.release()


def new_folder(settings: StudySettings, studies: Path = STUDIES) -> Path:
    """The folder of a study of these settings that was begun and neither finished nor is being run, or a new one."""
    name = re.sub(r"[^\w.-]", "-", settings.task)
    numbers = itertools.count(1)
    return next(folder for number in numbers if _is_free(folder := studies / f"{name}-{number}", settings))


def _is_free(folder: Path, settings: StudySettings) -> bool:
    """Whether nothing is there, or an unfinished study of these settings that no process is running."""
    if not folder.exists():
        return True
    if (folder / REPORT).is_file() or _is_locked(folder):
        return False
    if not (folder / SETTINGS).is_file():
        return True
    try:
        return read_settings(folder / SETTINGS) == settings
    except InputError:
        return False


def _is_locked(folder: Path) -> bool:
    try:
        with locked(folder):
            return False
    except InputError:
        return True


def begin_or_recognise(folder: Path, store: "Store", task: "Task", *, anew: bool = False) -> None:
    """Mark folder, database and data as belonging together, or check that they are the ones that were marked.

    A study that is begun `anew` has made nothing, and may be about other data than before.
    Raises `InputError` for a database of another study and for data that are not what the study was begun with.
    """
    path = folder / IDENTITY
    if not path.is_file():
        if store.read_setting(STUDY) is not None or store.comparisons():
            raise InputError(f"The database given for {folder} holds another study; give every study one of its own.")
        study = secrets.token_hex(16)
        store.write_setting(STUDY, study)
        _write_identity(path, study, task)
        return
    check_store(folder, store)
    if anew and not store.comparisons():
        _write_identity(path, _identity(folder)["study"], task)
    check_data(folder, task)


def _write_identity(path: Path, study: str, task: "Task") -> None:
    text = json.dumps({"study": study, "data": _fingerprint(task)}) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def check_beginning(folder: Path, settings: StudySettings, stored: StudySettings | None) -> bool:
    """Whether nothing has been made yet in `folder`, so that a study of any settings may be begun there.

    `stored` are the settings in the folder. Raises `InputError` where files were made with others, or with settings
    that are lost.
    """
    found = [name for name in MADE if (folder / name).exists()]
    if found and stored is not None:
        check_same(settings, stored, folder)
    elif found:
        raise InputError(
            f"{folder} has {', '.join(found)} of a study and no {SETTINGS}, which says how they were made; restore it, "
            "or begin in another folder."
        )
    return not found


def check_data(folder: Path, task: "Task") -> None:
    """Raise `InputError` unless the study in `folder` was begun with the data of `task`."""
    if _identity(folder)["data"] != _fingerprint(task):
        raise InputError(f"The data are not those that the study in {folder} was begun with; restore them.")


def same_data(folder: Path, other: Path) -> bool:
    """Whether the studies in both folders were begun with the same data; False where that is not known of one."""
    try:
        return _identity(folder)["data"] == _identity(other)["data"]
    except InputError:
        return False


def check_begun(folder: Path) -> None:
    """Raise `InputError` when no study was ever run in `folder`."""
    _identity(folder)


def check_store(folder: Path, store: "Store") -> None:
    """Raise `InputError` unless the study in `folder` was begun, and with this database."""
    if store.read_setting(STUDY) != _identity(folder)["study"]:
        raise InputError(f"The study in {folder} was begun with another database; give the same --db as then.")


def _identity(folder: Path) -> dict[str, str]:
    path = folder / IDENTITY
    if not path.is_file():
        raise InputError(f"The study in {folder} was never run; start it with explainfb run --study {folder}.")
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {"study": known["study"], "data": known["data"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged; restore it, or start a new study.") from error


def _fingerprint(task: "Task") -> str:
    """SHA-256 over every image and label, and the masks."""
    digest = hashlib.sha256()
    for split in (task.train, task.validation, task.clean, task.shifted):
        for tensor in () if split is None else (split.images, split.labels, split.relevance, split.shortcut):
            if tensor is not None:
                digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
