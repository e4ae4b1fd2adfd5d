"""The commands that run a study, measure it anew and report it.

What they run is imported when they are called: PyTorch and what stands on it take seconds, which neither `--help` nor a
misspelt option should wait for.
"""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from explainfb.classifiers.settings import TrainingSettings
from explainfb.cli.help_pages import Flat, UsualOptions
from explainfb.cli.printing import how_to_invite, say, say_data, show
from explainfb.core.devices import DeviceName, resolve_device, use_one_thread
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import read_settings
from explainfb.study.starting.presets import Preset, hint

if TYPE_CHECKING:
    from explainfb.core.progress import Progress
    from explainfb.study.study import Study


@dataclass(frozen=True, kw_only=True)
class Run:
    """The whole loop: train, explain, compare, learn, fine-tune, attack, report. Run it again to go on."""

    study: Path | None = None
    """Its folder; without it, the unfinished one of these settings under studies/, or a new one."""
    preset: Preset | None = None
    """Settings for photographs, or for shortcuts that move; options beside it count more."""
    settings: Flat[StudySettings] = field(default_factory=StudySettings)
    """What the study does."""
    data_dir: Path | None = None
    """Where data sets lie in torchvision's layout; without it they are downloaded to data/."""
    device: DeviceName = "auto"
    """Where networks run; `auto` is CUDA where there is one, else the CPU."""
    db: str | None = None
    """Database of answers, such as postgresql://USER:PASSWORD@HOST/NAME; study.db without it."""
    jobs: int = 1
    """Processes that share the arms beside feedback, of 1 GB each."""
    refit: bool = False
    """Learn anew what was learned from people since left out or forgotten."""

    def __call__(self, console: Console) -> int:
        from explainfb.cli.people import say_researchers_link
        from explainfb.core.progress import Progress
        from explainfb.store import Store
        from explainfb.study.folder import check_new, locked, new_folder

        use_one_thread()
        folder = self.study or new_folder(self.settings)
        check_new(folder)
        with locked(folder):
            study = self._open(folder)
            cost = "" if study.results_path.is_file() else f". {study.estimate()}"
            say(console, f"Study in {folder}: {study.describe()}{cost}")
            say_data(console, study.task)
            if (advice := hint(study.settings, study.task.image_shape)) is not None:
                say(console, advice)
            if self.refit:
                self._refit(console, study)
            if self.settings.annotator == "human":
                same = "" if self.db is None else " (and the same --db)"
                say(console, f"People answer in the app: explainfb label --study {shlex.quote(str(folder))}{same}")
                say(console, f"Personal links: {how_to_invite(folder, self.db)}")
                with Store(study.database) as store:
                    say_researchers_link(console, store)
            with Progress(console, study.cost) as progress:
                if self.jobs > 1:
                    self._run_apart(study, progress)
                results = study.run(progress)  # what is done already it only reads
        show(console, results, study.report_path)
        return 0

    def _refit(self, console: Console, study: "Study") -> None:
        from explainfb.archive.refitting import plan_refit, prepare_refit
        from explainfb.store import Store

        with Store(study.database) as store:
            refit = plan_refit(study.folder, store)
            say(console, str(refit))
            prepare_refit(study.folder, store, refit)

    def _run_apart(self, study: "Study", progress: "Progress") -> None:
        from explainfb.sweeps.processes import run_arms
        from explainfb.sweeps.settings import Processes

        study.run_feedback(progress)
        run_arms(study, Processes(jobs=self.jobs, data_dir=self.data_dir, device=self.device), progress)

    def _open(self, folder: Path) -> "Study":
        from explainfb.study.study import Study

        device = resolve_device(self.device)
        return Study.open(folder, self.settings, data_dir=self.data_dir, device=device, database=self.db)


USUAL_OPTIONS: UsualOptions = {
    Run: ("study", "preset", "data_dir", "device", "db", "jobs", "settings"),
    StudySettings: (
        "task",
        "annotator",
        "question",
        "rounds",
        "comparisons_per_round",
        "seed",
        "train_images",
        "image_size",
        "plant",
        "controls",
        "weights",
        "training",
    ),
    TrainingSettings: ("classifier",),
}
"""What `run --help` shows."""


@dataclass(frozen=True, kw_only=True)
class OfStudy:
    """A study that was run."""

    study: Path
    """Folder of the study."""
    data_dir: Path | None = None
    """Where data sets lie, as it was given to run."""
    device: DeviceName = "auto"
    """Where networks run; `auto` is CUDA where there is one, else the CPU."""
    db: str | None = None
    """The database, as it was given to run."""

    def check(self) -> StudySettings:
        """The study's settings. Raises `InputError` when there is no study."""
        from explainfb.study.folder import SETTINGS

        return read_settings(self.study / SETTINGS)

    def open(self, *, read_only: bool = False) -> "Study":
        """The study. Raises `InputError` as `Study.open` does."""
        settings = self.check()
        from explainfb.study.study import Study

        use_one_thread()
        device = resolve_device(self.device)
        return Study.open(
            self.study, settings, data_dir=self.data_dir, device=device, database=self.db, read_only=read_only
        )


@dataclass(frozen=True, kw_only=True)
class Evaluate(OfStudy):
    """Measure a finished study's classifiers anew; rewrites results.json and the report."""

    def __call__(self, console: Console) -> int:
        from explainfb.core.progress import Progress
        from explainfb.study.folder import locked

        self.check()
        with locked(self.study):
            study = self.open()
            study.forget_evaluations()
            with Progress(console, study.cost) as progress:
                results = study.run(progress)
        show(console, results, study.report_path)
        return 0


@dataclass(frozen=True, kw_only=True)
class Report(OfStudy):
    """Write a study's report anew from its results.json."""

    output: Path | None = None
    """Where to write the page; without it, report/index.html in the study's folder."""

    def __call__(self, console: Console) -> int:
        study = self.open(read_only=True)
        show(console, study.report(self.output), self.output or study.report_path)
        return 0
