"""The commands that keep a study: check that it is whole, copy its database, and compute its numbers again."""

import shlex
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from explainfb.cli.database import store_of
from explainfb.cli.printing import say
from explainfb.core.devices import DeviceName, resolve_device
from explainfb.core.errors import InputError
from explainfb.study.folder import WORDS

if TYPE_CHECKING:
    from explainfb.archive.checking import StudyCheck
    from explainfb.archive.verifying import Agreement
    from explainfb.study.settings import StudySettings


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


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Recompute a row of a results.json, sweep.json or grid.json from its command, and say how far it agrees.

    Status 1 where a recorded number lies outside the 95 % interval of the recomputed one.
    """

    file: Annotated[Path, Positional]
    """The file, which is only read."""
    arms: tuple[str, ...] = ("feedback",)
    """Which rows; feedback is run in any case."""
    cell: str | None = None
    """Of a grid, the name of the cell; the first without it."""
    seed: int | None = None
    """Of a grid or sweep, the seed; the first without it."""
    study: Path | None = None
    """Folder for the study that recomputes, which then stays and can be gone on with; without it, none stays."""
    data_dir: Path | None = None
    """Where data sets lie in torchvision's layout; without it they are downloaded to data/."""
    device: DeviceName = "auto"
    """Where networks run; `auto` is CUDA where there is one, else the CPU."""

    def __call__(self, console: Console) -> int:
        from explainfb.archive.recorded import read_recorded
        from explainfb.archive.verifying import agreement, begun_again, settings_to_run
        from explainfb.core.progress import Progress
        from explainfb.study.folder import locked

        recorded = read_recorded(self.file, cell=self.cell, seed=self.seed)
        lacking = [name for name in self.arms if name not in recorded.arms]
        if lacking or not self.arms:
            named = ", ".join(lacking) or "none"
            raise InputError(f"{self.file} has the arms {', '.join(recorded.arms)}; found --arms {named}.")
        if self.study is not None and self.study.resolve() == self.file.parent.resolve():
            raise InputError(f"In {self.study} nothing would be computed; give another --study, or leave it out.")
        settings, told = settings_to_run(recorded, settings_of_command(recorded.command))
        say(console, f"Recomputing seed {recorded.seed} of: {recorded.command or 'the recorded settings'}")
        for sentence in told:
            say(console, sentence)
        with ExitStack() as opened:
            folder = self.study or Path(opened.enter_context(TemporaryDirectory(prefix="explainfb-"))) / "study"
            opened.enter_context(locked(folder))
            device = resolve_device(self.device)
            study = begun_again(settings, self.arms, folder, data_dir=self.data_dir, device=device)
            found = study.run(opened.enter_context(Progress(console, study.cost)))
        result = agreement(recorded, found, self.arms)
        say_agreement(console, result)
        return 1 if result.verdict == "differs" else 0


def settings_of_command(command: str) -> "StudySettings":
    """The settings that a command means today; the usual ones where none is given.

    Raises `InputError` for a command that is not one of `run` or `sweep`.
    """
    from explainfb.cli.commands import read
    from explainfb.cli.old_options import with_new_names
    from explainfb.cli.study import Run
    from explainfb.cli.sweep import Sweep
    from explainfb.study.settings import StudySettings

    words = with_new_names(shlex.split(command)[1:])[0]
    try:
        meant = read(words) if words else None
    except SystemExit as error:
        raise InputError(f"This explainfb does not know the command that was recorded: {command}") from error
    if meant is None:
        return StudySettings()
    if isinstance(meant, Sweep):
        return meant.settings.plain
    if not isinstance(meant, Run):
        raise InputError(f"Results come from explainfb run or sweep; found the command {command}.")
    return meant.settings


def say_agreement(console: Console, found: "Agreement") -> None:
    """Each number as recorded and as recomputed, and how far they agree."""
    table = Table("", "recorded", "recomputed", "its 95 % interval", "difference", box=None)
    for each in found.compared:
        interval = f"{each.found.low:.4f} to {each.found.high:.4f}"
        numbers = (f"{each.recorded:.4f}", f"{each.found.estimate:.4f}", interval, f"{each.difference:+.1g}")
        table.add_row(f"{each.arm}, {each.measure.heading}", *(numbers if each.difference else (*numbers[:3], "none")))
    console.print(table)
    for name, (then, now) in found.environment.items():
        say(console, f"{name} was {then}, and is {now} here.")
    largest = found.largest
    say(
        console,
        {
            "equal": f"All {len(found.compared)} numbers are equal to the last bit.",
            "agrees": f"Agrees: each recorded number lies in the 95 % interval of the recomputed one. The largest "
            f"difference is {largest.difference:+.2g} ({largest.arm}, {largest.measure.name}).",
            "differs": "Differs: not every recorded number lies in the 95 % interval of the recomputed one.",
        }[found.verdict],
    )


def say_check(console: Console, folder: Path, found: "StudyCheck") -> None:
    """What is sound, what is not, and what to do about it."""
    say(console, f"{found.sound:,} files are as they were written.")
    if found.readable:
        say(console, f"{len(found.readable):,} files can be read; no manifest says how they were written.")
    if found.rows_without_checksum:
        rows = f"{found.rows_without_checksum:,} rows of the database can be read"
        say(console, f"{rows}; no checksum says how they were written.")
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
        return ("Mend it, or restore" if set(name.split(", ")) <= set(WORDS) else "Restore") + " it from a copy."
    others = [other for other in delete if other != name]
    return f"Restore it from a copy, or delete {' and '.join(['it', *others])}: run makes it anew."
