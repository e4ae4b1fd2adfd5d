"""The commands that keep a study: check that it is whole."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from tyro.conf import Positional

from explainfb.cli.database import store_of
from explainfb.cli.printing import say

if TYPE_CHECKING:
    from explainfb.archive.checking import StudyCheck


@dataclass(frozen=True, kw_only=True)
class Check:
    """Whether a study is as it was written: every file and answer. Writes nothing; status 1 where something is not."""

    study: Annotated[Path, Positional]
    """Folder of the study; one that nobody may write to, as in an archive, will do."""
    db: str | None = None
    """The database, as it was given to run."""

    def __call__(self, console: Console) -> int:
        from explainfb.archive.checking import check_study

        found = check_study(self.study, self.db)
        say_check(console, self.study, found)
        return 1 if found.damaged else 0


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Copy a study's database whole into one SQLite file, also while people answer; study.db alone may lack the last
    answers. Put in the place of study.db, or given as --db sqlite:///FILE, the study goes on with it."""

    study: Annotated[Path, Positional]
    """Folder of the study."""
    file: Annotated[Path, Positional]
    """The file to write, which must not be there yet, such as answers-monday.db."""
    db: str | None = None
    """The database, as it was given to run: SQLite or PostgreSQL."""

    def __call__(self, console: Console) -> int:
        with store_of(self.study, self.db, read_only=True) as store:
            store.back_up(self.file)
            answers = len(store.answers())
        say(console, f"The database of {self.study}, with {answers:,} answers or more, is in {self.file}.")
        return 0


def say_check(console: Console, folder: Path, found: "StudyCheck") -> None:
    """What is sound, what is not, and what to do about it."""
    say(console, f"{found.sound:,} files are as they were written.")
    if found.readable:
        say(console, f"{len(found.readable):,} files can be read; no manifest says how they were written.")
    for name in found.to_make:
        say(console, f"{name} is gone; explainfb run makes it anew.")
    for each in found.damaged:
        say(console, f"{each.name} {each.finding.removesuffix('.')}. " + _advice(each.name, each.delete))
    delete = dict.fromkeys(name for each in found.damaged for name in each.delete or ())
    if delete:
        paths = shlex.join(str(folder / name) for name in delete)
        say(console, f"Without a copy: rm -rf {paths}")
        say(console, f"and then explainfb run --study {shlex.quote(str(folder))} with the options of then.")
    if not found.damaged:
        say(console, f"The study in {folder} is sound.")


def _advice(name: str, delete: tuple[str, ...] | None) -> str:
    if delete is None:
        return "Restore it from a copy."
    others = [other for other in delete if other != name]
    return f"Restore it from a copy, or delete {' and '.join(['it', *others])}: run makes it anew."
