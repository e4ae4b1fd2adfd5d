"""The command that examines a task or a classifier."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from explainfb.cli.printing import say, say_data
from explainfb.core.devices import use_one_thread
from explainfb.core.errors import InputError
from explainfb.study.settings import task_of
from explainfb.study.settings_file import read_settings

if TYPE_CHECKING:
    from explainfb.doctor import Finding
    from explainfb.doctor.examination import OnCheck
    from explainfb.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Is my training broken? Checks with their expected values, what was seen, and what to do."""

    task: str | None = None
    """A task by name, or folder:PATH."""
    study: Path | None = None
    """A study, whose last classifier is examined as well."""
    classifier: str = "lenet"
    """The network that is trained on the task: `lenet`, `mlp`, `pooled_lenet` or a torchvision classifier."""
    data_dir: Path | None = None
    """Where data sets lie in torchvision's layout; without it they are downloaded to data/."""
    seed: int = 0
    """What every random draw comes from, at least 0."""
    pictures: Path | None = None
    """Folder for the pictures: what the network is fed, and the linear model's weights; without it, doctor/ in the
    study's folder, or studies/doctor/ for a task."""

    def __call__(self, console: Console) -> int:
        if (self.task is None) == (self.study is None):
            raise InputError("doctor examines one thing; give either --task NAME or --study DIR.")
        from explainfb.core.progress import Progress
        from explainfb.doctor import print_findings
        from explainfb.doctor.examination import CHECKS

        use_one_thread()
        folder = self.pictures or (self.study or Path("studies")) / "doctor"
        checks, task = len(CHECKS), self._task()
        say_data(console, task)
        with Progress(console, checks, "doctor") as progress, progress.stage("examining", checks, checks) as step:
            findings = self._findings(task, folder, lambda name, done, of: step(1))
        print_findings(console, findings)
        say(console, f"Pictures are in {folder}/.")
        return 0 if all(finding.passed is not False for finding in findings) else 1  # for scripts

    def _task(self) -> "Task":
        from explainfb.study.folder import SETTINGS
        from explainfb.tasks.datasets import load_task

        if self.study is not None:
            return task_of(read_settings(self.study / SETTINGS), self.data_dir)
        assert self.task is not None
        return load_task(self.task, data_dir=self.data_dir, seed=self.seed)

    def _findings(self, task: "Task", folder: Path, on_check: "OnCheck") -> "list[Finding]":
        from explainfb.classifiers.classifier import build_classifier, load_classifier
        from explainfb.classifiers.training import architecture_for
        from explainfb.doctor import examine, examine_classifier
        from explainfb.study.arm_folder import ArmFolder

        if self.study is not None:
            classifier = load_classifier(ArmFolder(self.study).last_classifier_path)
            return examine_classifier(task, classifier, seed=self.seed, folder=folder, on_check=on_check)
        build_one = partial(build_classifier, architecture_for(task, self.classifier), self.seed)
        return examine(task, build=build_one, seed=self.seed, folder=folder, on_check=on_check)
