"""Rounds that ask: explain, choose comparisons, gather answers, learn a reward, and follow it if it predicts answers.

What is asked and answered lies in the database, what is explained and learned in the arm's folder. A stage that has its
file is not done again.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from explainfb.classifiers.compute import counted
from explainfb.core.seeding import derive, numpy_generator
from explainfb.core.types import Answer, BoolArray, Comparison, ExplanationKey
from explainfb.explanations.storage import explanation_of, load_explanations, save_explanations
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import Method, no_update
from explainfb.preferences.gathering import ask_annotator, wait_for_people
from explainfb.preferences.gold import gold_comparisons, superpixels_of_gold
from explainfb.preferences.queries import Pool, choose_comparisons, draw_pool, held_out_images, what_is_shown
from explainfb.preferences.settings import QuerySettings
from explainfb.preferences.simulated import Annotator, simulated_annotator
from explainfb.results.records import FEEDBACK, PreferenceResults, RoundResult, Stopped, StopReason
from explainfb.rewards.dataset import PreferenceDataset, as_seen_by_reward, check_decided
from explainfb.rewards.ensemble import RewardEnsemble, save_ensemble
from explainfb.rewards.features import ClassifierFeatures
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.validation import best_member_test, round_accuracy, save_out_of_bag_test
from explainfb.store import Store
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.context import StudyContext
from explainfb.study.explaining import explain_pool, rounds_that_differ
from explainfb.study.rounds import Rounds
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Split

MOST_PER_IMAGE = 4
"""In so many comparisons of a round people see an image at most, while there are others that they have not seen."""


@dataclass(frozen=True)
class ArmAnswers:
    """What was answered in the rounds of an arm, and how well the rewards learned from it predict held-out answers."""

    context: StudyContext
    files: ArmFolder
    store: Store

    @property
    def held_out(self) -> BoolArray:
        """(N,) which training images the reward is never fitted to and is judged by."""
        settings = self.context.settings
        return held_out_images(len(self.context.task.train), settings.queries.held_out, settings.seed)

    def dataset(self, through: int) -> PreferenceDataset:
        """The answers of rounds 1 … `through`, and the explanations they are about."""
        preferences = self.store.preferences(range(1, through + 1), gold=False)
        explanations = self.files.explanations(through)
        return PreferenceDataset.of(
            preferences,
            explanations,
            self.context.task.train,
            self.held_out,
            self.context.device,
            self.context.question.batch,
        )

    def rounds(self) -> tuple[RoundResult, ...]:
        """Of each round whose reward is fitted: answers, how many were held out, and how well it predicts those."""
        done = [
            number
            for number in range(1, self.context.settings.rounds + 1)
            if self.files.reward_path(number).is_file() or self.files.classifier_path(number).is_file()
        ]
        seed = self.context.settings.seed
        return tuple(
            round_accuracy(number, self.files.ensemble(number), self.dataset(number), seed=seed) for number in done
        )

    def results(self) -> PreferenceResults:
        """What results.json says of the answers; raises `InputError` where what was learned from is damaged."""
        self.files.check_answers(self.store)
        rounds, given = self.rounds(), self.store.preferences(gold=False)
        return PreferenceResults(
            answers=len(given),
            annotators=tuple(sorted({preference.annotator for preference in given})),
            rounds=rounds,
            annotator_reliability=self.files.ensemble(rounds[-1].round).reliability,
            both_bad=sum(preference.answer is Answer.BOTH_BAD for preference in given),
        )


@dataclass(frozen=True, kw_only=True)
class RewardRounds(Rounds):
    """Rounds that learn a reward from answers. Who answers is left to subclasses."""

    store: Store
    """Where comparisons and answers are kept."""

    @abstractmethod
    def gather(self, number: int) -> None:
        """Return when every comparison of round `number` has its answers in the store."""

    def method(self, number: int) -> Method:
        """Follow the reward of the round, or leave the classifier as it is where the reward predicts no answers."""
        reward = self._learn(number)
        if self.reason_not_followed(number) is not None:
            return no_update
        return partial(finetune, reward=reward, lime=self.context.settings.lime)

    def reason_not_followed(self, number: int) -> Stopped | None:
        """A reward is not followed that predicts unseen answers no better than a coin's might be predicted."""
        settings = self.context.settings
        if settings.finetune.significance == 1:
            return None
        test = self.files.out_of_bag_test(number)
        if test.p_value <= settings.finetune.significance:
            return None
        return Stopped(self.name, number, StopReason.NOT_FOLLOWED, test=test, members=settings.reward.members)

    @property
    def counted_files(self) -> list[Path]:
        explained = [self.files.explanations_path(number) for number in range(1, self.rounds + 1)]
        return [*explained, *self.classifiers_made()]

    @property
    def answers(self) -> "ArmAnswers":
        return ArmAnswers(self.context, self.files, self.store)

    def comparisons(self, pool: Pool) -> list[Comparison]:
        """What a round asks, in the order in which it is asked."""
        explanations = load_explanations(self.files.explanations_path(pool.round))
        keys = what_is_shown(pool, explanations, self.queries, self.context.settings.comparisons_per_round)
        explained = as_seen_by_reward(explanations, keys, self.context.task.train).to(self.context.device)
        return choose_comparisons(
            pool,
            self.context.settings.comparisons_per_round,
            ensemble=self.files.ensemble(pool.round - 1) if pool.round > 1 else None,
            explained=explained,
            keys=keys,
            settings=self.queries,
            seed=self.context.settings.seed,
            question=self.context.question,
        )

    @property
    def queries(self) -> QuerySettings:
        """How comparisons are chosen."""
        return self.context.settings.queries

    def utilities(self, number: int, keys: Sequence[ExplanationKey]) -> Tensor | None:
        """(len(keys),) utilities of explanations, for a reward that is fitted to them; None fits it to the answers."""
        return None

    def _learn(self, number: int) -> RewardEnsemble:
        """Everything of a round up to its reward, as far as it is not done."""
        settings, timed = self.context.settings, self.context.timed
        pool = self._pool(number)
        if not self.files.explanations_path(number).is_file():
            with timed(self.stage("explaining")):
                self._explain(pool)
        # all of this once: after the fit, answers that still change must not change what was learned
        if not self.files.reward_path(number).is_file():
            if not self.store.comparisons(number):
                with timed(self.stage("choosing comparisons")):
                    self.store.add_comparisons(self.comparisons(pool), seed=settings.seed)
            self.files.check_answers(self.store)
            self.files.note_asked(self.store, number)
            with timed(self.stage("answers")):
                self.gather(number)
            self.files.check_answers(self.store)
            self.files.note_answers(self.store, number)
            with timed(self.stage("fitting the reward")):
                self._fit_reward(number)
        return self.files.ensemble(number)

    def _pool(self, number: int) -> Pool:
        settings = self.context.settings
        # of two superpixels of one explanation, neither is another classifier's
        whole = settings.queries.compared == "explanations"
        earlier = rounds_that_differ(self.files, number - 1) if whole else []
        return draw_pool(
            number,
            settings.comparisons_per_round,
            self.answers.held_out,
            settings.queries,
            settings.seed,
            earlier,
            self.context.question.shows,
        )

    def _explain(self, pool: Pool) -> None:
        path = self.files.explanations_path(pool.round)
        with counted(path):
            found = explain_pool(pool, self.context, self.files, self.title(pool.round, "explaining"))
        save_explanations(found, path)

    def _fit_reward(self, number: int) -> None:
        settings, seed = self.context.settings.reward, derive(self.context.settings.seed, "reward", number)
        known = self.answers.dataset(number)
        with self.context.progress.stage(self.title(number, "fitting the reward"), settings.members) as step:
            ensemble = fit_ensemble(
                known.explained,
                known.fitted,
                settings=settings,
                seed=seed,
                utilities=self.utilities(number, known.keys),
                features=ClassifierFeatures(self.files.classifier(0)) if settings.features == "classifier" else None,
                on_member=lambda: step(1),
            )
        test = best_member_test(ensemble, known, settings=settings, seed=seed)
        # before the reward, whose file says that this stage is done
        save_out_of_bag_test(test, self.files.reward_path(number))
        save_ensemble(ensemble, self.files.reward_path(number))


@dataclass(frozen=True, kw_only=True)
class SimulatedRounds(RewardRounds):
    """A simulated annotator answers at once."""

    annotator: Annotator

    def gather(self, number: int) -> None:
        explanations = load_explanations(self.files.explanations_path(number))
        settings = self.context.settings
        ask_annotator(self.store, number, self.annotator, explanations, seed=settings.seed, overlap=settings.overlap)

    def utilities(self, number: int, keys: Sequence[ExplanationKey]) -> Tensor | None:
        if self.context.settings.reward.learned_from == "comparisons":
            return None
        explanations = self.files.explanations(number)
        said = self.annotator.utilities([explanation_of(explanations, key) for key in keys], keys)
        return torch.from_numpy(said).float().to(self.context.device)


@dataclass(frozen=True, kw_only=True)
class PeopleRounds(RewardRounds):
    """People answer in a browser, in their own time."""

    def gather(self, number: int) -> None:
        overlap = self.context.settings.overlap
        size = self.store.progress(number, overlap=overlap).asked
        check = partial(check_decided, held_out=self.answers.held_out)
        with self.context.progress.stage(self.title(number, "waiting for answers"), size) as step:
            wait_for_people(self.store, number, overlap=overlap, step=step, check=check)

    @property
    def queries(self) -> QuerySettings:
        """As the settings say, and without a word from them, no image five times while others are not asked about."""
        found = super().queries
        return found if found.most_per_image is not None else replace(found, most_per_image=MOST_PER_IMAGE)

    def comparisons(self, pool: Pool) -> list[Comparison]:
        """With gold ones among them, where it is known what a good reason would be."""
        asked = super().comparisons(pool)
        relevance = self.context.task.train.relevance
        if relevance is None:
            return asked
        seed, wanted = self.context.settings.seed, round(self.context.settings.gold * len(asked))
        question = self.context.question
        images = [int(image) for image in pool.fitted]
        gold = gold_comparisons(images, wanted, pool.round, seed=seed, question=question)
        if self.queries.compared == "superpixels":
            explanations = load_explanations(self.files.explanations_path(pool.round))
            gold = superpixels_of_gold(gold, explanations, relevance)
        mixed = asked + gold
        return [mixed[index] for index in numpy_generator(seed, "mixing", pool.round).permutation(len(mixed))]


def annotator_of(settings: StudySettings, split: Split, name: str = "simulated") -> Annotator:
    """The simulated annotator that the settings describe, who takes the masks of `split` for the truth."""
    return simulated_annotator(
        split,
        seed=settings.seed,
        error_rate=settings.error_rate,
        crowd=settings.crowd,
        name=name,
        random_utility=settings.random_utility if settings.judgement == "random_utility" else None,
    )


def feedback_rounds(context: StudyContext, store: Store) -> RewardRounds:
    """The rounds of feedback itself: the study's own annotator is asked."""
    settings, files = context.settings, context.feedback_folder
    if settings.annotator == "human":
        return PeopleRounds(context=context, name=FEEDBACK, files=files, store=store)
    annotator = annotator_of(settings, context.task.train)
    return SimulatedRounds(context=context, name=FEEDBACK, files=files, store=store, annotator=annotator)
