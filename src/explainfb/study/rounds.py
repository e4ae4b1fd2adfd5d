"""The loop: explain, compare, learn the reward, fine-tune; round after round, each stage kept in a file.

A stage whose file is there is not done again, and every stage draws from a stream of its own, so that a loop that was
interrupted ends as one that was not.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from explainfb.classifiers.classifier import Classifier, load_classifier, save_classifier
from explainfb.core.progress import Progress
from explainfb.core.seeding import derive, numpy_generator
from explainfb.core.types import BoolArray, Comparison, ExplanationKey
from explainfb.explanations.lime import explain
from explainfb.explanations.storage import Explanations, explanations_path, load_explanations, save_explanations
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import Finetuned, FinetunePoint, Method, no_update
from explainfb.preferences.gathering import ask_annotator, wait_for_people
from explainfb.preferences.gold import gold_comparisons
from explainfb.preferences.queries import Pool, choose_comparisons, draw_pool, held_out_images
from explainfb.preferences.simulated import Annotator
from explainfb.results.json_file import read_stopped, write_stopped
from explainfb.results.records import Compute, PreferenceResults, RoundResult, Stopped, StopReason
from explainfb.rewards.dataset import PreferenceDataset, as_seen_by_reward, check_decided
from explainfb.rewards.ensemble import RewardEnsemble, load_ensemble, save_ensemble
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.models import ExplainedImages
from explainfb.rewards.validation import best_member, load_out_of_bag_test, round_accuracy, save_out_of_bag_test
from explainfb.store import Store
from explainfb.study.compute import compute_of, counted
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One arm's rounds, in a folder of its own. Round 0's classifier must be in `classifiers/round-0.safetensors`."""

    folder: Path
    task: Task
    settings: StudySettings
    device: torch.device
    progress: Progress
    name: str
    """What the progress bar calls the arm."""
    store: Store | None = None
    """Where comparisons and answers are kept; None for an arm that asks nobody."""
    annotator: Annotator | None = None
    """Who answers at once; None waits for people."""
    overlap: int = 1
    """How many people answer each comparison."""
    method: Method | None = None
    """How the steps of an arm that asks nobody are made; None for one that asks, learns a reward and follows it."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Filled with the wall-clock time of each stage."""

    def run(self) -> None:
        """Do what is left of every round."""
        for number in range(1, self.settings.rounds + 1):
            if self.classifier_path(number).is_file():
                self.progress.skip(self._round_cost)
                continue
            self._finetune(number, self.method or self._follow(number, self._learn(number)))

    @property
    def stopped(self) -> list[Stopped]:
        """Why fine-tuning stopped before its last step, or never began, in the rounds in which it did."""
        paths = [path for end in ("json", "txt") for path in self.folder.glob(f"classifiers/*.stopped.{end}")]
        return sorted(map(read_stopped, paths), key=lambda stop: stop.round)

    @property
    def compute(self) -> Compute | None:
        """What every round cost, from the classifier before any feedback to the last one; None if it is not known."""
        rounds = range(1, self.settings.rounds + 1)
        explained = [] if self.method is not None else [self.explanations_path(number) for number in rounds]
        return compute_of([*explained, *(self.classifier_path(number) for number in rounds)])

    def classifier_path(self, number: int) -> Path:
        return self.folder / "classifiers" / f"round-{number}.safetensors"

    def explanations_path(self, number: int) -> Path:
        return explanations_path(self.folder, number)

    def reward_path(self, number: int) -> Path:
        return self.folder / "reward" / f"round-{number}.safetensors"

    def ensemble(self, number: int) -> RewardEnsemble:
        """The reward learned in round `number`."""
        return load_ensemble(self.reward_path(number)).to(self.device)

    @property
    def _round_cost(self) -> float:
        return self.settings.finetune.steps

    @property
    def _held_out(self) -> BoolArray:
        return held_out_images(len(self.task.train), self.settings.queries.held_out, self.settings.seed)

    def classifier(self, number: int) -> Classifier:
        """The classifier after round `number`; 0 is the one before any feedback."""
        return load_classifier(self.classifier_path(number)).to(self.device)

    def _timed(self, stage: str, work: Callable[[], None]) -> None:
        start = time.monotonic()
        work()
        key = f"{self.name}: {stage}"
        self.seconds[key] = self.seconds.get(key, 0.0) + time.monotonic() - start

    def _title(self, number: int, what: str) -> str:
        return f"{self.name}, round {number} of {self.settings.rounds}: {what}"

    def _learn(self, number: int) -> RewardEnsemble:
        """Everything of a round up to its reward, as far as it is not done."""
        assert self.store is not None
        pool = draw_pool(
            number, self.settings.comparisons_per_round, self._held_out, self.settings.queries, self.settings.seed
        )
        if not self.explanations_path(number).is_file():
            self._timed("explaining", lambda: self._explain(pool))
        if not self.reward_path(number).is_file():
            if not self.store.comparisons(number):
                self._timed("choosing comparisons", lambda: self._ask(pool))
            self._timed("answers", lambda: self._await_answers(number))
            self._timed("fitting the reward", lambda: self._fit_reward(number))
        return self.ensemble(number)

    def _explain(self, pool: Pool) -> None:
        found: Explanations = {}
        images = self.task.train.images[torch.from_numpy(pool.images)]
        path, title = self.explanations_path(pool.round), self._title(pool.round, "explaining")
        with self.progress.stage(title, len(pool.keys)) as step, counted(path):
            for name in {key.classifier: None for key in pool.keys}:
                classifier = self.classifier(int(name.removeprefix("round-")))
                keys = [key for key in pool.keys if key.classifier == name]
                for key, image in zip(keys, images, strict=True):
                    found[key] = explain(
                        classifier,
                        image[None],
                        settings=self.settings.lime,
                        background=self.task.train.images,
                        seed=self.settings.seed,
                    )[0]
                    step(1)
        save_explanations(found, path)

    def _ask(self, pool: Pool) -> None:
        assert self.store is not None
        explanations = load_explanations(self.explanations_path(pool.round))
        comparisons = choose_comparisons(
            pool,
            self.settings.comparisons_per_round,
            ensemble=self.ensemble(pool.round - 1) if pool.round > 1 else None,
            explained=self._seen(explanations, pool.keys),
            keys=pool.keys,
            settings=self.settings.queries,
            seed=self.settings.seed,
        )
        if self.annotator is None and self.task.train.relevance is not None:
            comparisons = self._with_gold(comparisons, pool)
        self.store.add_comparisons(comparisons, seed=self.settings.seed)

    def _with_gold(self, comparisons: list[Comparison], pool: Pool) -> list[Comparison]:
        """The comparisons with gold ones among them."""
        number, seed = pool.round, self.settings.seed
        images = [int(image) for image in pool.fitted]
        mixed = comparisons + gold_comparisons(images, round(self.settings.gold * len(comparisons)), number, seed=seed)
        return [mixed[index] for index in numpy_generator(seed, "mixing", number).permutation(len(mixed))]

    def _seen(self, explanations: Explanations, keys: Sequence[ExplanationKey]) -> ExplainedImages:
        return as_seen_by_reward(explanations, keys, self.task.train).to(self.device)

    def _await_answers(self, number: int) -> None:
        assert self.store is not None
        if self.annotator is not None:
            explanations = load_explanations(self.explanations_path(number))
            ask_annotator(self.store, number, self.annotator, explanations, seed=self.settings.seed)
            return
        size = self.store.progress(number, overlap=self.overlap).asked
        check = partial(check_decided, held_out=self._held_out)
        with self.progress.stage(self._title(number, "waiting for answers"), size) as step:
            wait_for_people(self.store, number, overlap=self.overlap, step=step, check=check)

    def _fit_reward(self, number: int) -> None:
        known = self.known(number)
        utilities = self._utilities(number, known.keys) if self.settings.reward.learned_from == "utilities" else None
        with self.progress.stage(self._title(number, "fitting the reward"), self.settings.reward.members) as step:
            ensemble = fit_ensemble(
                known.explained,
                known.fitted,
                settings=self.settings.reward,
                seed=self._reward_seed(number),
                utilities=utilities,
                on_member=lambda: step(1),
            )
        best = best_member(ensemble, known, settings=self.settings.reward, seed=self._reward_seed(number))
        save_out_of_bag_test(best, self.reward_path(number))
        save_ensemble(ensemble, self.reward_path(number))

    def _utilities(self, number: int, keys: Sequence[ExplanationKey]) -> Tensor:
        """(len(keys),) what the simulated annotator says each explanation is worth."""
        assert self.annotator is not None
        explanations = self._explanations(number)
        said = self.annotator.utilities([explanations[key] for key in keys], keys)
        return torch.from_numpy(said).float().to(self.device)

    def known(self, number: int) -> PreferenceDataset:
        """The answers of rounds 1 … `number`, and the explanations they are about."""
        assert self.store is not None
        preferences = self.store.preferences(range(1, number + 1), gold=False)
        return PreferenceDataset.of(
            preferences, self._explanations(number), self.task.train, self._held_out, self.device
        )

    def _explanations(self, number: int) -> Explanations:
        """What rounds 1 … `number` compare."""
        explanations: Explanations = {}
        for earlier in range(1, number + 1):
            explanations |= load_explanations(self.explanations_path(earlier))
        return explanations

    def _reward_seed(self, number: int) -> int:
        return derive(self.settings.seed, "reward", number)

    def _doubt(self, number: int) -> Stopped | None:
        """Why the reward of round `number` is not followed; None where it is."""
        if self.settings.finetune.significance == 1:
            return None
        best = load_out_of_bag_test(self.reward_path(number))
        if best.p_value <= self.settings.finetune.significance:
            return None
        members = self.settings.reward.members
        return Stopped(self.name, number, StopReason.NOT_FOLLOWED, test=best, members=members)

    def preferences(self) -> PreferenceResults:
        """What was answered, and how well the rewards foretell held-out answers."""
        assert self.store is not None
        rounds, given = self.reward_accuracies(), self.store.preferences(gold=False)
        return PreferenceResults(
            answers=len(given),
            annotators=tuple(sorted({preference.annotator for preference in given})),
            rounds=rounds,
            annotator_reliability=self.ensemble(rounds[-1].round).reliability,
        )

    def reward_accuracies(self) -> tuple[RoundResult, ...]:
        """Of each round whose reward is fitted: answers, how many were held out, and how well it foretells those."""
        numbers = range(1, self.settings.rounds + 1)
        return tuple(
            round_accuracy(number, self.ensemble(number), self.known(number), seed=self.settings.seed)
            for number in numbers
            if self.reward_path(number).is_file() or self.classifier_path(number).is_file()
        )

    def _follow(self, number: int, reward: RewardEnsemble) -> Method:
        if self._doubt(number) is not None:
            return no_update
        return partial(finetune, reward=reward, lime=self.settings.lime)

    def _keep_why_stopped(self, number: int, result: Finetuned) -> None:
        """Beside the classifier of the round, if it did not run to its end; nothing of an earlier attempt stays."""
        path = self.classifier_path(number)
        for stale in path.parent.glob(f"{path.stem}.stopped.*"):
            stale.unlink()
        stopped = None if self.method is not None else self._doubt(number)
        if result.stopped_at is not None:
            stopped = Stopped(self.name, number, StopReason.NOT_FINITE, step=result.stopped_at)
        if stopped is not None:
            write_stopped(stopped, path.with_suffix(".stopped.json"))

    def _finetune(self, number: int, method: Method) -> None:
        writer = SummaryWriter(str(self.folder / "tensorboard" / f"round-{number}"))
        settings, path = self.settings.finetune, self.classifier_path(number)

        def on_step(point: FinetunePoint) -> None:
            writer.add_scalar(f"{self.name}/cross-entropy", point.cross_entropy, point.step)
            writer.add_scalar(f"{self.name}/reward", point.reward, point.step)
            step(1)

        def work() -> None:
            seed = derive(self.settings.seed, "finetune", number)
            with counted(path):
                result = method(
                    self.classifier(number - 1), self.task.train, settings=settings, seed=seed, on_step=on_step
                )
            self._keep_why_stopped(number, result)
            save_classifier(result.classifier, path)

        title = self._title(number, "fine-tuning")
        with self.progress.stage(title, settings.steps, cost=self._round_cost) as step, writer:
            self._timed("fine-tuning", work)
