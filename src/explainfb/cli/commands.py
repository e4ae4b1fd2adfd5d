"""The command line: each command is a record of its options, and calling it does the work."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import torch
import tyro
from rich.console import Console
from tyro.conf import Suppress, arg, subcommand

from explainfb.classifiers.classifier import build_classifier, load_classifier
from explainfb.classifiers.training import architecture_for
from explainfb.cli.people import Annotators, Export, Import, Label, how_to_invite, say
from explainfb.core.devices import DeviceName, resolve_device
from explainfb.core.errors import InputError
from explainfb.core.progress import Progress
from explainfb.doctor import Finding, examine, examine_classifier, print_findings
from explainfb.doctor.examination import CHECKS, OnCheck
from explainfb.report import reach_verdict, table_text, unfinished
from explainfb.results.records import StudyResults
from explainfb.study.folder import SETTINGS, locked, new_folder
from explainfb.study.settings import Control, StudySettings, read_settings, task_of
from explainfb.study.study import Study, last_classifier
from explainfb.sweeps.runner import SweepSettings, sweep
from explainfb.sweeps.terminal import print_sweep
from explainfb.tasks.datasets import load_task

T = TypeVar("T")
Flat = Annotated[T, arg(name="")]
"""A record whose settings are options without a prefix."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The whole loop: train, explain, compare, learn, fine-tune, attack, report. Run it again to go on."""

    study: Path | None = None
    """Folder of the study; without it, the unfinished one of these settings under studies/, or a new one."""
    settings: Flat[StudySettings] = field(default_factory=StudySettings)
    data_dir: Path | None = None
    """Where data sets lie in torchvision's layout; without it they are downloaded to data/."""
    device: DeviceName = "auto"
    db: str | None = None
    """Database for comparisons and answers, such as postgresql://USER:PASSWORD@HOST/NAME; study.db without it."""

    def __call__(self, console: Console) -> int:
        folder = self.study or new_folder(self.settings)
        with locked(folder):
            study = Study.open(
                folder,
                self.settings,
                data_dir=self.data_dir,
                device=resolve_device(self.device),
                database=self.db,
            )
            say(console, f"Study in {folder}: {study.describe()}")
            if self.settings.annotator == "human":
                same = "" if self.db is None else " (and the same --db)"
                say(console, f"People answer in the app: explainfb label --study {shlex.quote(str(folder))}{same}")
                say(console, f"Personal links: {how_to_invite(folder, self.db)}")
            with Progress(console, study.cost) as progress:
                results = study.run(progress)
        show(console, results, folder)
        return 0


@dataclass(frozen=True, kw_only=True)
class OfStudy:
    """A study that was run."""

    study: Path
    """Folder of the study."""
    data_dir: Path | None = None
    """Where data sets lie, as it was given to run."""
    device: DeviceName = "auto"
    db: str | None = None
    """The database, as it was given to run."""

    def open(self) -> Study:
        settings = read_settings(self.study / SETTINGS)
        return Study.open(
            self.study, settings, data_dir=self.data_dir, device=resolve_device(self.device), database=self.db
        )


@dataclass(frozen=True, kw_only=True)
class Evaluate(OfStudy):
    """Measure a finished study's classifiers anew; rewrites results.json and the report."""

    def __call__(self, console: Console) -> int:
        read_settings(self.study / SETTINGS)
        with locked(self.study):
            study = self.open()
            study.forget_evaluations()
            with Progress(console, study.cost) as progress:
                results = study.run(progress)
        show(console, results, self.study)
        return 0


@dataclass(frozen=True, kw_only=True)
class Report(OfStudy):
    """Write a study's report anew from its results.json."""

    def __call__(self, console: Console) -> int:
        show(console, self.open().report(), self.study)
        return 0


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Is my training broken? Checks with their expected values, what was seen, and what to do."""

    task: str | None = None
    """A task by name, or folder:PATH."""
    study: Path | None = None
    """A study, whose last classifier is examined as well."""
    classifier: str = "lenet"
    data_dir: Path | None = None
    seed: int = 0
    pictures: Path | None = None
    """Folder for the pictures: what the network is fed, and the linear model's weights; without it, doctor/ in the
    study's folder, or studies/doctor/ for a task."""

    def __call__(self, console: Console) -> int:
        if (self.task is None) == (self.study is None):
            raise InputError("doctor examines one thing; give either --task NAME or --study DIR.")
        folder = self.pictures or (self.study or Path("studies")) / "doctor"
        checks = len(CHECKS)
        with Progress(console, checks, "doctor") as progress, progress.stage("examining", checks, checks) as step:
            findings = self._findings(folder, lambda name, done, of: step(1))
        print_findings(console, findings)
        say(console, f"Pictures are in {folder}/.")
        return 0 if all(finding.passed for finding in findings) else 1

    def _findings(self, folder: Path, on_check: OnCheck) -> list[Finding]:
        if self.study is None:
            assert self.task is not None
            task = load_task(self.task, data_dir=self.data_dir, seed=self.seed)
            build_one = partial(build_classifier, architecture_for(task, self.classifier), self.seed)
            return examine(task, build=build_one, seed=self.seed, folder=folder, on_check=on_check)
        task = task_of(read_settings(self.study / SETTINGS), self.data_dir)
        classifier = load_classifier(last_classifier(self.study))
        return examine_classifier(task, classifier, seed=self.seed, folder=folder, on_check=on_check)


@dataclass(frozen=True, kw_only=True)
class SweptSettings(StudySettings):
    """What every study of a sweep has in common: its seeds and arms are the sweep's."""

    seed: Suppress[int] = 0
    controls: Suppress[tuple[Control, ...]] = StudySettings().controls

    @property
    def plain(self) -> StudySettings:
        """The same settings as a study keeps them."""
        return StudySettings(**{item.name: getattr(self, item.name) for item in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Several seeds of a study, each compared with its controls; stop it and run it again to go on."""

    sweep: Flat[SweepSettings] = field(default_factory=SweepSettings)
    settings: Flat[SweptSettings] = field(default_factory=SweptSettings)

    def __call__(self, console: Console) -> int:
        print_sweep(console, sweep(self.sweep, self.settings.plain, console))
        say(console, f"Written to {self.sweep.path}")
        return 0


Command = (
    Annotated[Run, subcommand("run")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Report, subcommand("report")]
    | Annotated[Doctor, subcommand("doctor")]
    | Annotated[Sweep, subcommand("sweep")]
    | Annotated[Label, subcommand("label")]
    | Annotated[Annotators, subcommand("annotators")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Import, subcommand("import")]
)


def show(console: Console, results: StudyResults, folder: Path) -> None:
    """The table, what stopped of feedback, the answer in a sentence, and where the report is."""
    console.print(table_text(results))
    for message in unfinished(results):
        console.print(message, markup=False, highlight=False)
    console.print(reach_verdict(results).sentence)
    say(console, f"Report: {folder / 'report' / 'index.html'}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `explainfb`. Exit status 2 and one sentence for bad input."""
    torch.set_num_threads(1)
    try:
        command = tyro.cli(Command, prog="explainfb", args=arguments)
        sys.exit(command(Console()))
    except InputError as error:
        Console(stderr=True).print(f"explainfb: {error}", style="bold red", markup=False, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        Console(stderr=True).print(
            "Stopped; the same command goes on after the last stage that is done. The one under way begins anew."
        )
        sys.exit(130)
