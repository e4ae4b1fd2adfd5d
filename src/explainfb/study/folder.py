"""Which folder a study is kept in, that one process at a time works there, and with what it was begun."""

import hashlib
import itertools
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from explainfb.core.errors import InputError
from explainfb.core.files import check_file, check_space, make_folder, read_json, write_json
from explainfb.core.manifest import MANIFEST, begin_manifest
from explainfb.study.settings import StudySettings, task_of
from explainfb.study.settings_file import check_same, read_settings, write_settings

if TYPE_CHECKING:
    from explainfb.store import Store
    from explainfb.tasks.task import Task

STUDIES = Path("studies")
SETTINGS = "study.toml"
CLIPS = "clips.toml"
"""In its place where people are asked about clips: `explainfb.clips`."""
DATABASE = "study.db"
RESULTS = "results.json"
REPORT = "report/index.html"
IDENTITY = "identity.json"
STUDY = "study"
MADE = ("classifiers", "explanations", "reward", "controls", "evaluations", RESULTS)
"""What a study makes once it has its settings."""


_held: set[Path] = set()
"""The folders that this process has locked."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from running the study in `folder`; the lock goes with this process, however it ends.

    Raises `InputError` when another process has it.
    """
    new = not folder.exists()
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
        _held.add(folder.absolute())
        yield
    except InputError:
        lock.release()
        if new and [item.name for item in folder.iterdir()] == ["study.lock"]:  # a start that was refused
            shutil.rmtree(folder)
        raise
    finally:
        _held.discard(folder.absolute())
        lock.release()


def locked_once(folder: Path) -> AbstractContextManager[None]:
    """`locked`, where this process has not locked the folder already."""
    return nullcontext() if folder.absolute() in _held else locked(folder)


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
    try:
        if not (folder / SETTINGS).is_file():
            check_new(folder)
            return True
        return read_settings(folder / SETTINGS) == settings
    except InputError:
        return False


def _is_locked(folder: Path) -> bool:
    try:
        with locked(folder):
            return False
    except InputError:
        return True


def recognise(folder: Path, database: str | Path, task: "Task") -> None:
    """Check that folder, database and data belong together, and write nothing; raises `InputError` where not."""
    from explainfb.store import Store

    with Store(database, read_only=True) as store:
        check_store(folder, store)
    check_data(folder, task)


def begin(
    folder: Path, database: str | Path, task: "Task", settings: StudySettings, stored: StudySettings | None
) -> None:
    """Begin a study, or recognise the one that is there, of which study.toml holds `stored`; raises as that does, and
    for a full disk."""
    from explainfb.store import Store

    make_folder(folder)
    check_space(folder)
    with Store(database) as store:
        if stored == settings and (folder / IDENTITY).is_file():
            _recognise_begun(folder, store, task)
            return
        with locked_once(folder):  # a run that is under way must not find its settings changed
            if (folder / SETTINGS).is_file():
                stored = read_settings(folder / SETTINGS)  # another process may have been first
            begin_or_recognise(folder, store, task, settings, stored)


def remove_evaluations(folder: Path) -> None:
    """Remove what was measured. Raises `InputError` where that cannot be done."""
    evaluations = folder / "evaluations"
    try:
        if evaluations.is_dir():
            shutil.rmtree(evaluations)
    except OSError as error:
        raise InputError(f"{evaluations} cannot be removed ({error}); remove it and run the study again.") from error


def begin_or_recognise(
    folder: Path, store: "Store", task: "Task", settings: StudySettings, stored: StudySettings | None
) -> None:
    """Mark folder, database and data as belonging together, or check that they are the ones that were marked.

    A beginning may be killed anywhere and is then begun anew: identity.json names the study, the database is claimed
    in that name, and study.toml, written last, says that all of this is done. `stored` is what study.toml holds.
    Raises `InputError` for a database of another study, for data that are not what the study was begun with, and for
    other settings than those with which something was made or asked.
    """
    if stored is not None and (folder / IDENTITY).is_file():
        if stored == settings:
            _recognise_begun(folder, store, task)
            return
        check_store(folder, store)
    if stored is not None and stored != settings:
        if store.comparisons() or not is_bare(folder):
            check_same(settings, stored, folder)
        (folder / SETTINGS).unlink()  # of a start that failed, with settings that are corrected now
    _claim(folder, store, task)
    if stored != settings:
        write_settings(settings, folder / SETTINGS)


def _recognise_begun(folder: Path, store: "Store", task: "Task") -> None:
    check_store(folder, store)
    check_data(folder, task)
    begin_manifest(folder)  # of a study from before there was one: what is made from now on is known


def _claim(folder: Path, store: "Store", task: "Task") -> None:
    """Give folder, database and data one name."""
    path = folder / IDENTITY
    known = _identity(folder)["study"] if path.is_file() else None
    claimed = store.read_setting(STUDY)
    if known is None and store.is_file(folder / DATABASE):
        known = claimed  # once the database was claimed first, and the beginning may have been killed then
    if store.comparisons() or claimed not in (None, known):
        raise InputError(
            f"The database given for {folder} holds another study; give every study one of its own. Where it is this "
            f"study's, {IDENTITY} or {SETTINGS} is lost: restore it."
        )
    begin_manifest(folder)
    study = known or secrets.token_hex(16)
    write_json({"study": study, "data": digest_of_data(task)}, path)
    if store.claim_setting(STUDY, study) != study:
        raise InputError(f"The database given for {folder} was taken by another study just now; give another.")


def is_bare(folder: Path) -> bool:
    """Whether nothing was made yet by the study that was begun in `folder`."""
    return not any((folder / name).exists() for name in MADE)


def check_new(folder: Path) -> None:
    """Raise `InputError` where no study can be begun: a study has made files in `folder`, and without its settings
    nobody knows how; or other things lie there, between which its files would be put."""
    if (folder / SETTINGS).is_file() or not folder.is_dir():
        return
    if not is_bare(folder):
        found = [name for name in MADE if (folder / name).exists()]
        raise InputError(
            f"{folder} has {', '.join(found)} of a study and no {SETTINGS}, which says how they were made; restore it, "
            "or begin in another folder."
        )
    strangers = [item.name for item in sorted(folder.iterdir()) if not _may_lie_there(item.name)]
    if strangers:
        listed = ", ".join(map(repr, strangers[:3])) + (", …" if len(strangers) > 3 else "")
        raise InputError(f"{folder} is no study and holds other things ({listed}); give a new or an empty folder.")


WORDS = ("consent.md", "instructions.md", "wording.toml", "practice.toml")
"""What people may write for a study before it is begun."""


def _may_lie_there(name: str) -> bool:
    """What a study that was not begun to its end may find in its folder: its own, and what people put there before."""
    usual = (IDENTITY, MANIFEST, DATABASE, SETTINGS, "study.lock", "provenance.", *WORDS)
    return name.startswith((".", *usual)) or name in (*MADE, "doctor", "report", "tensorboard")


def task_in(folder: Path, settings: StudySettings, data_dir: Path | str | None = None) -> "Task":
    """The task of the study in `folder`, or of the one that is to be begun there.

    Pictures were once divided by their hashes alone, so that a part could be without a rare class. A study that was
    begun with them so goes on with them so.
    """
    from explainfb.tasks.datasets import FOLDER, folder_task

    task = task_of(settings, data_dir)
    if not settings.task.startswith(FOLDER) or not (folder / IDENTITY).is_file():
        return task
    known = _identity(folder)["data"]
    if known == digest_of_data(task):
        return task
    try:
        earlier = folder_task(settings.task, settings.image_size, settings.train_images, every_class=False)
    except InputError:  # which it never was, where the pictures cannot be divided so
        return task
    return earlier if known == digest_of_data(earlier) else task


def check_data(folder: Path, task: "Task") -> None:
    """Raise `InputError` unless the study in `folder` was begun with the data of `task`."""
    if _identity(folder)["data"] != digest_of_data(task):
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
    check_file(path)
    try:
        known = read_json(path)
        return {"study": known["study"], "data": known["data"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged; restore it, or start a new study.") from error


def digest_of_data(task: "Task") -> str:
    """SHA-256 over every image and label, and the masks and groups that there are."""
    digest = hashlib.sha256()
    for split in (each for each in (task.train, task.validation, task.clean, task.shifted) if each is not None):
        for tensor in (split.images, split.labels, split.relevance, split.shortcut, split.groups):
            for part in () if tensor is None else tensor.split(16):  # not all at once, which may be too many
                digest.update(part.contiguous().numpy().tobytes())
    return digest.hexdigest()
