"""A study: a folder in which everything that was asked, answered, learned and measured is kept.

    study.toml            the settings as run
    study.db              comparisons and answers, unless a database was given
    classifiers/          round-0 before any feedback, round-K after round K
    explanations/         what was explained in each round
    reward/               the reward learned in each round
    controls/NAME/        the same for each control
    evaluations/          what was measured on each arm
    tensorboard/          curves
    results.json          every number
    report/index.html     the page

Running the same study again goes on where it was: what has its file is not done again.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from explainfb import classifiers
from explainfb.annotators import CoinAnnotator, SimulatedAnnotator, check_annotator
from explainfb.classifiers import Classifier
from explainfb.errors import InputError
from explainfb.evaluation import Evaluation, evaluate, load_evaluation, save_evaluation
from explainfb.files import check_space
from explainfb.loop import Loop
from explainfb.material import report_material
from explainfb.outcomes import as_results, differences
from explainfb.pretrained import pretrained
from explainfb.progress import Progress
from explainfb.queries import check_enough
from explainfb.report import write_report
from explainfb.results import Results, read_results, write_results
from explainfb.seeds import derive
from explainfb.settings import (
    StudySettings,
    as_plain,
    check_same,
    command_line,
    flatten,
    read_settings,
    task_of,
    write_settings,
)
from explainfb.store import Store
from explainfb.study_folder import DATABASE, REPORT, RESULTS, SETTINGS, begin_or_recognise
from explainfb.surroundings import environment
from explainfb.tasks import Task
from explainfb.training import TrainingPoint, train

FEEDBACK = "feedback"
CROSS_ENTROPY = "cross_entropy"
RANDOM_ANSWERS = "random_answers"
NO_SHORTCUT = "no_shortcut"
BEFORE = "before"
EVALUATION_COST = 200.0
"""What an evaluation costs beside one step of fine-tuning, about, for the progress bar."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study in its folder; `Study.open` checks everything that can be checked before work starts."""

    folder: Path
    settings: StudySettings
    task: Task
    device: torch.device
    database: str | Path
    """URL or file of the database that keeps comparisons and answers."""
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        settings: StudySettings,
        *,
        data_dir: Path | None = None,
        device: torch.device | str = "cpu",
        database: str | Path | None = None,
    ) -> "Study":
        """Begin a study in `folder`, or resume the one that is there.

        Raises `InputError` for settings that differ from those of the study being resumed, for a task or database that
        cannot be had, for an annotator who could not answer, and for a full disk.
        """
        folder = Path(folder)
        stored = read_settings(folder / SETTINGS) if (folder / SETTINGS).is_file() else None
        if stored is not None:
            check_same(settings, stored, folder)
        task = task_of(settings, data_dir)
        if settings.annotator == "simulated":
            check_annotator(task)
        check_enough(len(task.train), settings.comparisons, settings.queries)
        folder.mkdir(parents=True, exist_ok=True)
        check_space(folder)
        database = database or folder / DATABASE
        with Store(database) as store:
            begin_or_recognise(folder, store, task)
        if stored is None:
            write_settings(settings, folder / SETTINGS)
        return cls(folder=folder, settings=settings, task=task, device=torch.device(device), database=database)

    def run(self, progress: Progress | None = None) -> Results:
        """Do what is left of the study and write results.json and the report; returns what results.json holds."""
        torch.set_num_threads(1)  # sums in another order would differ in the last bit
        progress = progress or Progress()
        self._train(self.folder / "classifiers" / "round-0.safetensors", self.task, "training", progress)
        with Store(self.database) as store:
            loop = self._loop(FEEDBACK, self.folder, store, progress)
            loop.run()
            evaluations = {
                BEFORE: self._evaluate(BEFORE, loop.classifier_path(0), progress),
                FEEDBACK: self._evaluate(FEEDBACK, loop.classifier_path(self.settings.rounds), progress),
            }
            controls = [self._control(name, evaluations, progress) for name in self.controls]
            results = self._results(loop, [loop, *(control for control in controls if control)], evaluations)
        write_results(results, self.results_path)
        self.report()
        return results

    def report(self) -> Results:
        """Write the report from results.json; returns what it holds."""
        results = read_results(self.results_path)
        loop = self._loop(FEEDBACK, self.folder, None, Progress())
        write_report(results, report_material(loop, seed=self.settings.seed), self.report_path)
        return results

    def forget_evaluations(self) -> None:
        """Let the next run measure every classifier anew. Raises `InputError` for a study that is not finished."""
        if not self.results_path.is_file():
            raise InputError(f"The study in {self.folder} is not finished; run it first.")
        shutil.rmtree(self.folder / "evaluations", ignore_errors=True)

    @property
    def results_path(self) -> Path:
        return self.folder / RESULTS

    @property
    def report_path(self) -> Path:
        return self.folder / REPORT

    def describe(self) -> str:
        """The study in a line."""
        settings = self.settings
        return (
            f"{self.task.name}, {len(self.task.train):,} training images, {settings.rounds} rounds of "
            f"{settings.comparisons} comparisons, seed {settings.seed}, {settings.annotator} annotator, {self.device}"
        )

    @property
    def controls(self) -> list[str]:
        """The controls that are run; `no_shortcut` only where there is a shortcut."""
        return [name for name in self.settings.controls if name != NO_SHORTCUT or self.task.sound_train is not None]

    @property
    def cost(self) -> float:
        """The whole study in units of a step of fine-tuning, about."""
        tuned = 1 + sum(name in (CROSS_ENTROPY, RANDOM_ANSWERS) for name in self.controls)
        trained = 1 + (NO_SHORTCUT in self.controls)
        training = 0.1 * self.settings.training.steps * trained
        tuning = self.settings.finetune.steps * self.settings.rounds * tuned
        return training + tuning + EVALUATION_COST * (2 + len(self.controls))

    def _loop(self, name: str, folder: Path, store: Store | None, progress: Progress) -> Loop:
        annotator: SimulatedAnnotator | CoinAnnotator | None = None
        if name == RANDOM_ANSWERS:
            annotator = CoinAnnotator(seed=self.settings.seed)
        elif self.settings.annotator == "simulated":
            annotator = SimulatedAnnotator(
                split=self.task.train, seed=self.settings.seed, error_rate=self.settings.error_rate
            )
        return Loop(
            folder=folder,
            task=self.task,
            settings=self.settings,
            device=self.device,
            progress=progress,
            name=name,
            store=store,
            annotator=annotator,
            overlap=self.settings.overlap if annotator is None else 1,
            seconds=self.seconds,
        )

    def _control(self, name: str, evaluations: dict[str, Evaluation], progress: Progress) -> Loop | None:
        """Run one control and add its evaluation; returns its loop where it has one."""
        folder = self.folder / "controls" / name
        if name == NO_SHORTCUT:
            assert self.task.sound_train is not None
            assert self.task.sound_validation is not None
            sound = replace(self.task, train=self.task.sound_train, validation=self.task.sound_validation)
            path = folder / "classifiers" / "round-0.safetensors"
            self._train(path, sound, "training without the shortcut", progress)
            evaluations[name] = self._evaluate(name, path, progress)
            return None
        first = folder / "classifiers" / "round-0.safetensors"
        if not first.is_file():
            first.parent.mkdir(parents=True, exist_ok=True)
            classifiers.save(classifiers.load(self.folder / "classifiers" / "round-0.safetensors"), first)
        if name == CROSS_ENTROPY:
            loop = self._loop(name, folder, None, progress)
            loop.run()
        else:
            with Store(folder / "answers.db") as store:
                loop = self._loop(name, folder, store, progress)
                loop.run()
        evaluations[name] = self._evaluate(name, loop.classifier_path(self.settings.rounds), progress)
        return loop

    def _train(self, path: Path, task: Task, title: str, progress: Progress) -> None:
        settings = self.settings.training
        cost = 0.1 * settings.steps
        if path.is_file():
            progress.skip(cost)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        writer = SummaryWriter(str(path.parent.parent / "tensorboard" / "training"))
        with progress.stage(title, settings.steps, cost=cost) as step, writer:

            def on_look(point: TrainingPoint) -> None:
                writer.add_scalar("training/cross-entropy", point.train_loss, point.step)
                writer.add_scalar("validation/cross-entropy", point.validation_loss, point.step)
                writer.add_scalar("validation/accuracy", point.validation_accuracy, point.step)
                step(settings.check_every)

            trained = self._start(task, on_look)
        classifiers.save(trained, path)
        self.seconds[title] = time.monotonic() - start

    def _start(self, task: Task, on_look: Callable[[TrainingPoint], None]) -> Classifier:
        """The classifier before any feedback: trained anew, or transferred from published weights."""
        settings, seed, weights = self.settings.training, self.settings.seed, self.settings.weights
        if weights is None:
            return train(task, settings=settings, seed=seed, device=self.device, on_look=on_look)
        start = pretrained(settings.classifier, None if weights == "default" else Path(weights))
        return start.transfer(task, settings=settings, layers="all", seed=seed, device=self.device, on_look=on_look)

    def _evaluate(self, name: str, classifier: Path, progress: Progress) -> Evaluation:
        path = self.folder / "evaluations" / f"{name}.safetensors"
        if path.is_file():
            progress.skip(EVALUATION_COST)
            return load_evaluation(path)
        start = time.monotonic()
        with progress.stage(f"{name}: measuring and attacking", 1, cost=EVALUATION_COST) as step:
            evaluation = evaluate(
                classifiers.load(classifier).to(self.device),
                self.task,
                settings=self.settings.evaluation,
                seed=derive(self.settings.seed, "evaluation"),
                progress=step,
            )
        save_evaluation(evaluation, path)
        self.seconds[f"{name}: evaluation"] = time.monotonic() - start
        return evaluation

    def _results(self, feedback: Loop, loops: list[Loop], evaluations: dict[str, Evaluation]) -> Results:
        seed = self.settings.seed
        arms = {name: as_results(evaluation, seed=seed) for name, evaluation in evaluations.items()}
        after = evaluations[FEEDBACK]
        results: Results = {
            "task": self.task.name,
            "seed": seed,
            "command": command_line(self.settings),
            "settings": flatten(as_plain(self.settings)),
            "environment": environment(),
            "preferences": feedback.preferences(),
            "before": arms.pop(BEFORE),
            "after": arms.pop(FEEDBACK),
            "differences": {
                name: differences(after, evaluation, seed=seed)
                for name, evaluation in evaluations.items()
                if name != FEEDBACK
            },
            "seconds": {name: round(seconds, 2) for name, seconds in self.seconds.items()},
            "stopped": [message for loop in loops for message in loop.stopped],
        }
        if NO_SHORTCUT in arms:
            results["ceiling"] = arms.pop(NO_SHORTCUT)
        return results | {"controls": arms}


def last_classifier(folder: Path) -> Path:
    """The file of the classifier of the latest round that is done. Raises `InputError` when there is none."""
    paths = list((folder / "classifiers").glob("round-*.safetensors"))
    if not paths:
        raise InputError(f"The study in {folder} has no classifier yet; run it first.")
    return max(paths, key=lambda path: int(path.stem.removeprefix("round-")))
