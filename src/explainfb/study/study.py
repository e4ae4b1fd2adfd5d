"""A study: a folder in which everything that was asked, answered, learned and measured is kept.

    study.toml            the settings as run
    study.db              comparisons and answers, unless a database was given
    classifiers/          round-0 before any feedback, round-K after round K
    explanations/         what was explained in each round
    reward/               the reward learned in each round
    controls/NAME/        the same for each control
    evaluations/          what was measured on each arm
    tensorboard/          curves
    provenance.json       with what it was computed, and how long that took
    results.json          every number
    report/index.html     the page

Running the same study again goes on where it was: what has its file is not done again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from explainfb.classifiers.classifier import Classifier, fingerprint, load_classifier
from explainfb.classifiers.loading.transferable import Network
from explainfb.core.devices import use_one_thread
from explainfb.core.environment import Provenance, add_provenance, read_provenance, write_provenance
from explainfb.core.errors import InputError
from explainfb.core.progress import Progress
from explainfb.core.seeding import derive
from explainfb.evaluation.evaluator import Evaluation, evaluate, load_evaluation, save_evaluation
from explainfb.report import write_report
from explainfb.results.json_file import read_results, write_results
from explainfb.results.records import BEFORE, FEEDBACK, StudyResults
from explainfb.store import Store
from explainfb.study.arms.arm import NoShortcut
from explainfb.study.arms.registry import ARMS
from explainfb.study.context import StudyContext
from explainfb.study.folder import (
    DATABASE,
    REPORT,
    RESULTS,
    SETTINGS,
    begin,
    check_new,
    is_bare,
    locked,
    locked_once,
    recognise,
    remove_evaluations,
    task_in,
)
from explainfb.study.report_data import Made, collect_report_data, gather_results
from explainfb.study.reward_rounds import ArmAnswers, feedback_rounds
from explainfb.study.rounds import Outcome, check_training, train_first
from explainfb.study.settings import Control, StudySettings
from explainfb.study.settings_file import check_same, read_settings, upgrade_settings
from explainfb.study.starting.declared import check_possible
from explainfb.study.starting.estimate import EVALUATION_COST, Estimate, cost, estimate
from explainfb.tasks.task import Task

EVALUATION = "{arm}: evaluation"
"""What provenance.json calls the measuring of an arm's classifier."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study in its folder; `Study.open` checks everything that can be checked before work starts.

    >>> from explainfb import Study, StudySettings
    >>> study = Study.open("studies/example", StudySettings(rounds=1, comparisons_per_round=100))
    >>> study.describe()
    'digits-decoy, 1,209 training images, 1 round of 100 comparisons, seed 0, simulated annotator, cpu'
    """

    context: StudyContext
    database: str | Path
    """URL or file of the database that keeps comparisons and answers."""

    @classmethod
    def open(
        cls,
        folder: Path | str,
        settings: StudySettings | None = None,
        *,
        data_dir: Path | str | None = None,
        device: torch.device | str = "cpu",
        database: str | Path | None = None,
        read_only: bool = False,
        task: Task | None = None,
        start: Network | None = None,
    ) -> "Study":
        """Begin a study in `folder`, or resume the one that is there, for which no settings need be given; with
        `read_only`, as in an archive, nothing is written.

        `task` is the settings' task where it is at hand, and `start` the network whose weights `study` stands for.
        One that has made nothing yet may be begun again with other settings: what could be refused is refused before.

        Raises `InputError` for settings that differ from those of the study being resumed, for a folder that has no
        study.toml where one is needed, for a task or database that cannot be had, for an annotator who could not
        answer, for a classifier that cannot be built and trained, for a control that lacks its masks, for a folder that
        cannot be written, and for a full disk.
        """
        folder = Path(folder)
        read = read_settings if read_only else upgrade_settings
        # without settings, what is missing is told by whoever reads them
        stored = read(folder / SETTINGS) if settings is None or (folder / SETTINGS).is_file() else None
        settings = settings or stored
        assert settings is not None
        if stored is None:
            check_new(folder)
        elif not is_bare(folder):
            check_same(settings, stored, folder)
        task = task or task_in(folder, settings, data_dir)
        check_possible(settings, task)
        if is_bare(folder):
            check_training(settings, task, start)
        database = database or folder / DATABASE
        if read_only:
            recognise(folder, database, task)
        else:
            begin(folder, database, task, settings, stored)
        context = StudyContext(folder=folder, settings=settings, task=task, device=torch.device(device))
        return cls(context=context, database=database)

    @classmethod
    def begin(
        cls,
        folder: Path | str,
        task: Task,
        model: Classifier,
        settings: StudySettings | None = None,
        *,
        device: torch.device | str = "cpu",
        database: str | Path | None = None,
    ) -> "Study":
        """Begin a study of `model`, trained on `task`, or resume the one that is there.

        Task and classifier replace those of `settings`; without these, `PHOTOGRAPHS` or the usual ones are taken. Twins
        without the shortcut are made of the network that `model` was transferred from, or trained by
        `settings.training`. Raises `InputError` as `open` does, and for what could not be made again.

        >>> from explainfb import load_task, train
        >>> Study.begin("studies/mine", load_task("digits"), train(load_task("digits"))).settings.task
        'digits'
        """
        from explainfb.study.starting.beginning import begin_with  # which stands on this module

        return begin_with(Path(folder), task, model, settings, device=device, database=database)

    def run(self, progress: Progress | None = None) -> StudyResults:
        """Do what is left of the study and write results.json and the report; returns what results.json holds.

        The results.json of a study of which nothing was left stays. Raises `InputError` where another process runs it.
        """
        progress = progress or Progress()
        with locked_once(self.folder):
            made = self.run_feedback(progress)
            made |= {name: self.run_arm(name, progress) for name in self.controls}
            with Store(self.database, on_outage=progress.say) as store:
                preferences = ArmAnswers(self.context, self.context.feedback_folder, store).results()
            if not self.results_path.is_file():
                write_results(gather_results(self.context, preferences, made), self.results_path)
            return self.report()

    def run_feedback(self, progress: Progress | None = None) -> dict[str, Made]:
        """Do what is left of the classifier before any feedback and of feedback, and measure both."""
        use_one_thread()
        progress = progress or Progress()
        context = replace(self.context, progress=progress)
        with self._recorded_provenance():
            before = train_first(context, context.feedback_folder, self.task, "training")
            with Store(self.database, on_outage=progress.say) as store:
                outcomes = {BEFORE: before, FEEDBACK: feedback_rounds(context, store).run()}
            return {name: (outcome, self._evaluate(name, outcome, progress)) for name, outcome in outcomes.items()}

    def run_arm(self, name: Control, progress: Progress | None = None) -> Made:
        """Do what is left of one of `controls`, and measure it. Feedback must have been run.

        Raises `InputError` when another process is running it.
        """
        use_one_thread()
        progress = progress or Progress()
        with locked(self.folder / "controls" / name), self._recorded_provenance():
            outcome = ARMS[name].run(name, replace(self.context, progress=progress))
            return outcome, self._evaluate(name, outcome, progress)

    def report(self, output: Path | str | None = None) -> StudyResults:
        """Write the report from results.json, to `report_path` or `output`; returns what results.json holds."""
        results = read_results(self.results_path)
        write_report(results, collect_report_data(self.context), Path(output or self.report_path))
        return results

    def estimate(self) -> Estimate:
        """What the whole study costs on this machine, about, from a few seconds of measuring its classifier."""
        return estimate(self.context, self.controls)

    def forget_evaluations(self) -> None:
        """Let the next run measure every classifier anew. Raises `InputError` for a study that is not finished."""
        if not self.results_path.is_file():
            raise InputError(f"The study in {self.folder} is not finished; run it first.")
        with Store(self.database) as store:  # what could not be measured to its end is not begun
            ArmAnswers(self.context, self.context.feedback_folder, store).results()
        self._adopt_old_provenance()
        if (known := read_provenance(self.folder)) is not None:
            forgotten = {EVALUATION.format(arm=arm) for arm in (BEFORE, FEEDBACK, *ARMS)}
            others = {stage: took for stage, took in known.seconds.items() if stage not in forgotten}
            write_provenance(self.folder, replace(known, seconds=others))
        self.results_path.unlink()  # first, so that an interruption leaves an unfinished study
        remove_evaluations(self.folder)

    @property
    def folder(self) -> Path:
        return self.context.folder

    @property
    def settings(self) -> StudySettings:
        return self.context.settings

    @property
    def task(self) -> Task:
        return self.context.task

    @property
    def device(self) -> torch.device:
        return self.context.device

    @property
    def results_path(self) -> Path:
        return self.folder / RESULTS

    @property
    def report_path(self) -> Path:
        return self.folder / REPORT

    def describe(self) -> str:
        """The study in a line."""
        asked = self.settings
        return (
            f"{self.task.name}, {len(self.task.train):,} training images, {asked.rounds} round"
            f"{'' if asked.rounds == 1 else 's'} of {asked.comparisons_per_round} comparisons, seed {asked.seed}, "
            f"{asked.annotator} annotator, {self.context.device}"
        )

    @property
    def controls(self) -> list[Control]:
        """The controls that are run; those without the shortcut only where there is one."""
        without = self.task.train_without_shortcut
        return [
            name for name in self.settings.controls if without is not None or not isinstance(ARMS[name], NoShortcut)
        ]

    @property
    def cost(self) -> float:
        """The whole study in units of a step of fine-tuning, about."""
        return cost(self.settings, self.controls)

    @contextmanager
    def _recorded_provenance(self) -> Iterator[None]:
        """Adds what is computed inside to provenance.json, even if interrupted; results.json, then old, is removed."""
        try:
            yield
        finally:
            if self.context.seconds:
                self._adopt_old_provenance()
                add_provenance(self.folder, Provenance.here(self.context.device, self.context.seconds))
                self.context.seconds.clear()
                self.results_path.unlink(missing_ok=True)

    def _adopt_old_provenance(self) -> None:
        """For a study from before there was a provenance.json: take it from results.json, before that goes."""
        if read_provenance(self.folder) is None and self.results_path.is_file():
            results = read_results(self.results_path)
            write_provenance(self.folder, Provenance(dict(results.environment), dict(results.seconds)))

    def _evaluate(self, name: str, outcome: Outcome, progress: Progress) -> Evaluation:
        path = self.folder / "evaluations" / f"{name}.safetensors"
        if path.is_file():
            progress.skip(EVALUATION_COST)
            return load_evaluation(path)
        first = self.context.feedback_folder.classifier_path(0)
        undefended, classifier = load_classifier(first), load_classifier(outcome.classifier)
        unchanged = fingerprint(classifier) == fingerprint(undefended)
        if unchanged and name != BEFORE:  # no round followed its reward: this was measured already
            evaluation = self._evaluate(BEFORE, Outcome(first, None), progress)
        else:
            stage = progress.stage(f"{name}: measuring and attacking", 1, cost=EVALUATION_COST)
            with stage as step, self.context.timed(EVALUATION.format(arm=name)):
                evaluation = evaluate(
                    classifier.to(self.context.device),
                    self.task,
                    settings=self.settings.evaluation,
                    seed=derive(self.settings.seed, "evaluation"),
                    surrogate=None if unchanged else undefended,
                    progress=step,
                )
        save_evaluation(evaluation, path)
        return evaluation
