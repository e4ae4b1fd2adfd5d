"""Whether a study is as it was written: every file, and what its databases have on record."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file

from explainfb.archive.remaking import deleted_with, is_kept
from explainfb.classifiers.loading.sound import VARIANCE
from explainfb.core.errors import InputError
from explainfb.core.files import parse_json
from explainfb.core.manifest import MANIFEST, Manifest, digest_of, read_manifest
from explainfb.core.progress import with_progress_bar
from explainfb.labelling.practice import PRACTICE, check_practice
from explainfb.labelling.wording_files import WORDING, check_texts, wording_of
from explainfb.results.json_file import read_results
from explainfb.store import Store
from explainfb.store.database_errors import UnreachableError
from explainfb.study.arm_folder import ANSWERS, ArmFolder
from explainfb.study.folder import DATABASE, IDENTITY, RESULTS, SETTINGS, check_store
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import read_settings


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written."""

    name: str
    """Its path from the study's folder, or that of the database."""
    finding: str
    delete: tuple[str, ...] | None
    """What to delete so that the next run makes it anew; None where only a copy brings it back."""


@dataclass(frozen=True)
class StudyCheck:
    """What was found."""

    sound: int
    """Files whose bytes are those that were written."""
    readable: tuple[str, ...]
    """Files that no manifest knows, as those of studies from before there was one: they can be read, that is all."""
    to_make: tuple[str, ...]
    """Files that are gone, and that the next run makes anew."""
    damaged: tuple[Damage, ...]
    rows_without_checksum: int = 0
    """Rows of the databases that an explainfb from before there were checksums wrote: they can be read, that is all."""


def check_study(folder: Path, database: str | Path | None = None) -> StudyCheck:
    """Look at every file of the study in `folder` and at its databases; nothing is written.

    Raises `InputError` where there is no study, for a manifest of a later format, and for a database that is away.
    """
    if not (folder / SETTINGS).is_file() and not (folder / MANIFEST).is_file():
        read_settings(folder / SETTINGS)  # which says what is there instead
    manifest = read_manifest(folder) if (folder / MANIFEST).is_file() else Manifest({}, 0)
    damaged = list(_damaged_manifest(manifest))
    there = {path.relative_to(folder).as_posix(): path for path in sorted(_files_in(folder))}
    kept = {name: path for name, path in there.items() if is_kept(name)}
    sound, readable = 0, []
    for name, path in with_progress_bar(list(kept.items()), "checking"):
        finding = _finding(path, manifest.digests.get(name, ()))
        if finding is not None:
            damaged.append(Damage(name, finding, deleted_with(name)))
        elif manifest.digests.get(name):
            sound += 1
        else:
            readable.append(name)
    lost = [name for name, digests in manifest.digests.items() if digests and is_kept(name) and name not in there]
    to_make = [name for name in lost if _is_made_anew(name, there.keys())]
    damaged += [Damage(name, "is missing", deleted_with(name)) for name in lost if name not in to_make]
    damaged += _unfit_texts(folder)
    # a damaged identity is not the database's fault
    known = all(each.name != IDENTITY for each in damaged)
    without: list[int] = []
    damaged += _damaged_databases(folder, database, without, known=known)
    return StudyCheck(sound, tuple(readable), tuple(to_make), tuple(damaged), sum(without))


def _files_in(folder: Path) -> Iterator[Path]:
    """Also of folders that were moved to another disk, where a link to them was left; each once, if they are in a
    ring."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (path for path in (Path(place, name) for name in files) if path.is_file())


def _damaged_manifest(manifest: Manifest) -> Iterator[Damage]:
    if manifest.damaged_lines:
        lines = "a line" if manifest.damaged_lines == 1 else f"{manifest.damaged_lines} lines"
        yield Damage(MANIFEST, f"is damaged in {lines}; files that it does not know any more are read unchecked", None)


def _is_made_anew(name: str, there: object) -> bool:
    """Whether what would have to be deleted with it is gone as well."""
    together = deleted_with(name)
    return together is not None and not any(other in there for other in together)  # type: ignore[operator]


def _finding(path: Path, known: tuple[str, ...]) -> str | None:
    try:
        if known and digest_of(path) not in known:
            return "is damaged: its bytes are not those that were written"
        _read(path)
    except (InputError, SafetensorError, ValueError, OSError) as error:
        return f"cannot be read ({error})"
    return None


def _read(path: Path) -> None:
    """Raise what its reader does, and `ValueError` for weights that are not finite."""
    if path.name == SETTINGS:
        read_settings(path)
    elif path.name == RESULTS:
        read_results(path)
    elif path.suffix == ".json":
        parse_json(path.read_text(encoding="utf-8"))
    elif path.suffix == ".safetensors":
        tensors = load_file(path)
        for name, tensor in tensors.items():
            if path.parent.name in ("classifiers", "reward") and not math.isfinite(float(abs(tensor).sum())):
                raise ValueError(f"{name} holds NaN or infinity")
            if name.endswith(VARIANCE) and float(tensor.min(initial=0)) < 0:
                raise ValueError(f"{name} holds a negative variance")


def _unfit_texts(folder: Path) -> Iterator[Damage]:
    """What people wrote for whoever answers: the app would refuse it, perhaps when the first of them comes."""
    try:
        settings = read_settings(folder / SETTINGS)
    except InputError:
        settings = StudySettings()  # that these are damaged is told already
    for name, check in (
        (WORDING, lambda: wording_of(folder, settings)),
        (PRACTICE, lambda: check_practice(folder, settings)),
        ("consent.md, instructions.md", lambda: check_texts(folder)),
    ):
        try:
            check()
        except InputError as error:
            yield Damage(name, f"cannot be used ({error})", None)


def _damaged_databases(
    folder: Path, database: str | Path | None, without: list[int], *, known: bool
) -> Iterator[Damage]:
    own = folder / DATABASE
    if database is not None or own.is_file():
        yield from _damaged_database(folder, database or own, ArmFolder(folder), None, known, without)
    elif (folder / SETTINGS).is_file():
        yield Damage(DATABASE, "is not there; give the --db with which the study was begun, to have it checked", None)
    for path in sorted(folder.glob(f"controls/*/{ANSWERS}.db")):
        arm = path.parent.name
        delete = (f"controls/{arm}", f"evaluations/{arm}.safetensors")
        yield from _damaged_database(folder, path, ArmFolder(path.parent), delete, False, without)


def _damaged_database(
    folder: Path,
    database: str | Path,
    files: ArmFolder,
    delete: tuple[str, ...] | None,
    claimed: bool,
    without: list[int],
) -> Iterator[Damage]:
    name = database.relative_to(folder).as_posix() if isinstance(database, Path) else "the database"
    try:
        with Store(database, read_only=True) as store:
            without.append(store.check_whole())
            if claimed:
                check_store(folder, store)
            files.check_answers(store)
    except UnreachableError:
        raise  # a server that is away is not damaged
    except InputError as error:
        yield Damage(name, f"is not as it was ({error})", delete)
