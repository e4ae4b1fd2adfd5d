"""The loop: explain, compare, learn the reward, fine-tune; round after round, each stage kept in a file.

A stage whose file is there is not done again, and every stage draws from a stream of its own, so that a loop that was
interrupted ends as one that was not.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from scipy.stats import binomtest
from torch.utils.tensorboard import SummaryWriter

from explainfb import classifiers
from explainfb.annotators import Annotator
from explainfb.asking import ask_annotator, wait_for_people
from explainfb.classifiers import Classifier
from explainfb.ensemble import Answers, RewardEnsemble, correct_answers, fit_ensemble, load_ensemble, save_ensemble
from explainfb.explanations import Explanations, as_seen_by_reward, load_explanations, save_explanations
from explainfb.files import write_whole
from explainfb.finetune import FinetunePoint, finetune
from explainfb.lime import explain
from explainfb.progress import Progress
from explainfb.queries import Pool, choose_comparisons, draw_pool, held_out_images
from explainfb.results import Results
from explainfb.reward import ExplainedImages
from explainfb.seeds import derive
from explainfb.settings import StudySettings
from explainfb.statistics import pair_accuracy_interval
from explainfb.store import Store
from explainfb.tasks import Task
from explainfb.types import BoolArray, ExplanationKey


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
    """Where comparisons and answers are kept; None for an arm that asks nobody and follows no reward."""
    annotator: Annotator | None = None
    """Who answers at once; None waits for people."""
    overlap: int = 1
    """How many people answer each comparison."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Filled with the wall-clock time of each stage."""

    def run(self) -> None:
        """Do what is left of every round."""
        for number in range(1, self.settings.rounds + 1):
            if self.classifier_path(number).is_file():
                self.progress.skip(self._round_cost)
                continue
            reward = self._learn(number) if self.store is not None else None
            if reward is not None and (doubt := self._doubt(number, reward)) is not None:
                self._note(number, doubt)
                classifiers.save(self.classifier(number - 1), self.classifier_path(number))
                self.progress.skip(self._round_cost)
                continue
            self._finetune(number, reward)

    @property
    def stopped(self) -> list[str]:
        """Why fine-tuning stopped before its last step, or never began, where it did."""
        return [path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("classifiers/*.stopped.txt"))]

    def classifier_path(self, number: int) -> Path:
        return self.folder / "classifiers" / f"round-{number}.safetensors"

    def explanations_path(self, number: int) -> Path:
        return self.folder / "explanations" / f"round-{number}.safetensors"

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
        return classifiers.load(self.classifier_path(number)).to(self.device)

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
        pool = draw_pool(number, self.settings.comparisons, self._held_out, self.settings.queries, self.settings.seed)
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
        with self.progress.stage(self._title(pool.round, "explaining"), len(pool.keys)) as step:
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
        save_explanations(found, self.explanations_path(pool.round))

    def _ask(self, pool: Pool) -> None:
        assert self.store is not None
        explanations = load_explanations(self.explanations_path(pool.round))
        comparisons = choose_comparisons(
            pool,
            self.settings.comparisons,
            ensemble=self.ensemble(pool.round - 1) if pool.round > 1 else None,
            explained=self._seen(explanations, pool.keys),
            keys=pool.keys,
            settings=self.settings.queries,
            seed=self.settings.seed,
        )
        self.store.add_comparisons(comparisons, seed=self.settings.seed)

    def _seen(self, explanations: Explanations, keys: Sequence[ExplanationKey]) -> ExplainedImages:
        return as_seen_by_reward(explanations, keys, self.task.train).to(self.device)

    def _await_answers(self, number: int) -> None:
        assert self.store is not None
        if self.annotator is not None:
            explanations = load_explanations(self.explanations_path(number))
            ask_annotator(self.store, number, self.annotator, explanations, seed=self.settings.seed)
            return
        size = self.store.progress(number, overlap=self.overlap).asked
        with self.progress.stage(self._title(number, "waiting for answers"), size) as step:
            wait_for_people(self.store, number, overlap=self.overlap, step=step)

    def _fit_reward(self, number: int) -> None:
        fitted, _, explained = self.answers(number)
        with self.progress.stage(self._title(number, "fitting the reward"), self.settings.reward.members) as step:
            ensemble = fit_ensemble(
                explained,
                fitted,
                settings=self.settings.reward,
                seed=derive(self.settings.seed, "reward", number),
                on_member=lambda: step(1),
            )
        save_ensemble(ensemble, self.reward_path(number))

    def answers(self, number: int) -> tuple[Answers, Answers, ExplainedImages]:
        """The answers of rounds 1 … `number`, those to fit and those held out, and the explanations they are about."""
        assert self.store is not None
        explanations: Explanations = {}
        for earlier in range(1, number + 1):
            explanations |= load_explanations(self.explanations_path(earlier))
        preferences = self.store.preferences(range(1, number + 1), gold=False)
        pairs = [(item.comparison, item.answer.share_left) for item in preferences]
        decided = [(comparison, share) for comparison, share in pairs if share is not None]
        keys = sorted({key for comparison, _ in decided for key in (comparison.left, comparison.right)})
        place = {key: index for index, key in enumerate(keys)}
        answers = Answers(
            torch.tensor([place[comparison.left] for comparison, _ in decided], dtype=torch.int64),
            torch.tensor([place[comparison.right] for comparison, _ in decided], dtype=torch.int64),
            torch.tensor([share for _, share in decided], dtype=torch.float32),
        ).to(self.device)
        held_out = torch.tensor([bool(self._held_out[comparison.left.image]) for comparison, _ in decided])
        return (
            answers.take((~held_out).nonzero().squeeze(1)),
            answers.take(held_out.nonzero().squeeze(1)),
            self._seen(explanations, keys),
        )

    def _doubt(self, number: int, reward: RewardEnsemble) -> str | None:
        """Why the reward of round `number` is not followed, in a sentence; None where it is."""
        if self.settings.finetune.evidence == 1:
            return None
        _, held_out, explained = self.answers(number)
        correct = correct_answers(reward, explained, held_out)
        right, asked = int(correct.sum()), len(correct)
        if asked and binomtest(right, asked, alternative="greater").pvalue <= self.settings.finetune.evidence:
            return None
        return f"The reward was not followed: it foretells {right} of {asked} held-out answers, as a coin might."

    def preferences(self) -> Results:
        """What was answered, and how well the rewards foretell held-out answers, as results.json holds it."""
        assert self.store is not None
        rounds = [self._round_accuracy(number) for number in range(1, self.settings.rounds + 1)]
        last, given = rounds[-1], self.store.preferences(gold=False)
        return {
            "answers": len(given),
            "annotators": sorted({preference.annotator for preference in given}),
            "reward_accuracy": last["reward_accuracy"],
            "reward_accuracy_interval": None if last["low"] is None else [last["low"], last["high"]],
            "by_round": rounds,
        }

    def _round_accuracy(self, number: int) -> Results:
        fitted, held_out, explained = self.answers(number)
        correct = correct_answers(self.ensemble(number), explained, held_out).cpu().double().numpy()
        decided = held_out.take((held_out.share_left != 0.5).nonzero().squeeze(1))
        left, right = (explained.image_index[side].cpu().numpy() for side in (decided.left, decided.right))
        seed = self.settings.seed
        interval = pair_accuracy_interval(correct, left, right, seed=seed) if len(correct) else None
        return {
            "round": number,
            "answers": len(fitted) + len(held_out),
            "held_out": len(correct),
            "reward_accuracy": interval and interval.estimate,
            "low": interval and interval.low,
            "high": interval and interval.high,
        }

    def _finetune(self, number: int, reward: RewardEnsemble | None) -> None:
        writer = SummaryWriter(str(self.folder / "tensorboard" / f"round-{number}"))
        settings = self.settings.finetune

        def on_step(point: FinetunePoint) -> None:
            writer.add_scalar(f"{self.name}/cross-entropy", point.cross_entropy, point.step)
            writer.add_scalar(f"{self.name}/reward", point.reward, point.step)
            step(1)

        def work() -> None:
            result = finetune(
                self.classifier(number - 1),
                self.task.train,
                reward,
                lime=replace(self.settings.lime, masks=settings.masks),
                settings=settings,
                worth=None if reward is None else reward.worth,
                seed=derive(self.settings.seed, "finetune", number),
                on_step=on_step,
            )
            if result.stopped is not None:
                self._note(number, result.stopped)
            classifiers.save(result.classifier, self.classifier_path(number))

        title = self._title(number, "fine-tuning")
        with self.progress.stage(title, settings.steps, cost=self._round_cost) as step, writer:
            self._timed("fine-tuning", work)

    def _note(self, number: int, why: str) -> None:
        message = f"{self.name}, round {number}: {why}"
        path = self.classifier_path(number).with_suffix(".stopped.txt")
        write_whole(path, lambda partial: partial.write_text(message, encoding="utf-8"))
