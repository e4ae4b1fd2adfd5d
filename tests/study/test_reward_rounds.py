"""Rounds that ask and learn: who answers, what is learned from whom, and whether the reward is followed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from itertools import combinations, cycle
from typing import Any, Literal

import pytest
import torch

from explainfb.classifiers.classifier import save_classifier
from explainfb.classifiers.training import train
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.preferences.simulated import CoinAnnotator, SimulatedAnnotator
from explainfb.results.records import Stopped, StopReason
from explainfb.rewards import validation
from explainfb.store import Store
from explainfb.study.context import StudyContext
from explainfb.study.reward_rounds import SimulatedRounds, feedback_rounds
from explainfb.study.settings import task_of
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY

ONE_STEP = replace(TINY.finetune, steps=1)
Run = Callable[..., SimulatedRounds]


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(TINY)


@pytest.fixture(scope="module")
def run(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Rounds of TINY with some settings of its reward and of the study changed, after they ran."""
    opened = ExitStack()
    trained = train(task, settings=TINY.training, seed=0)

    def make(
        *,
        rounds: int = 1,
        crowd: tuple[float, ...] = (),
        coin: bool = False,
        finetune: FinetuneSettings = ONE_STEP,
        question: Literal["compare", "yes-no", "point", "rank"] = "compare",
        **reward: Any,
    ) -> SimulatedRounds:
        folder = tmp_path_factory.mktemp("study")
        settings = replace(TINY, rounds=rounds, crowd=crowd, reward=replace(TINY.reward, **reward), finetune=finetune)
        settings = replace(
            settings,
            question=question,
            judgement="random_utility" if question != "compare" else "fixed_error",
            queries=replace(settings.queries, ranked=6),
        )
        context = StudyContext(folder=folder, settings=settings, task=task, device=torch.device("cpu"))
        save_classifier(trained, context.feedback_folder.classifier_path(0))
        arm = feedback_rounds(context, opened.enter_context(Store(folder / "study.db")))
        assert isinstance(arm, SimulatedRounds)
        arm = replace(arm, annotator=CoinAnnotator(seed=0)) if coin else arm
        arm.run()
        return arm

    with opened:
        yield make


@pytest.fixture(scope="module")
def ran(run: Run) -> Run:
    """The same, once for the same settings; to be looked at only."""
    return cache(run)


def moved(rounds: SimulatedRounds) -> bool:
    before, after = (list(rounds.files.classifier(number).parameters()) for number in (0, 1))
    return not all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_one_member_is_no_ensemble_and_works(ran: Run) -> None:
    arm = ran(members=1, rounds=2)
    assert len(arm.files.ensemble(2).members) == 1
    assert arm.answers.results().annotator_reliability == {}


def test_without_normalisation_members_keep_their_own_scale(ran: Run) -> None:
    as_they_are, usual = ran(normalised=False).files.ensemble(1), ran().files.ensemble(1)
    assert as_they_are.mean.tolist() == [0, 0]
    assert as_they_are.std.tolist() == [1, 1]
    assert not torch.equal(usual.std, as_they_are.std)
    assert all(torch.equal(a, b) for a, b in zip(usual.parameters(), as_they_are.parameters(), strict=True))


def test_a_crowd_answers_under_its_own_names(ran: Run) -> None:
    preferences = ran(crowd=(0.0, 0.5, 1.0), reliability="learned").answers.results()
    assert preferences.annotators == ("simulated-1", "simulated-2", "simulated-3")
    assert tuple(preferences.annotator_reliability) == preferences.annotators
    assert all(0 < share < 1 for share in preferences.annotator_reliability.values())


@pytest.mark.parametrize("coin", [False, True])
def test_comparisons_are_asked_and_judge_a_reward_learned_from_utilities(ran: Run, coin: bool) -> None:
    arm, usual = ran(learned_from="utilities", coin=coin), ran(coin=coin)
    assert isinstance(arm.annotator, CoinAnnotator if coin else SimulatedAnnotator)
    same = [[(each.comparison, each.answer) for each in one.store.preferences(gold=True)] for one in (arm, usual)]
    assert same[0] == same[1]
    assert arm.answers.rounds()[0].held_out == usual.answers.rounds()[0].held_out
    one, other = (next(each.files.ensemble(1).parameters()) for each in (arm, usual))
    assert not torch.equal(one, other)


def test_without_evidence_a_round_leaves_the_classifier_as_it_was_and_says_so(run: Run) -> None:
    held_back, followed = (run(coin=True, finetune=replace(ONE_STEP, significance=level)) for level in (1e-9, 1.0))
    assert not moved(held_back)
    (stop,) = held_back.files.stopped()
    best = held_back.files.out_of_bag_test(1)
    assert stop == Stopped("feedback", 1, StopReason.NOT_FOLLOWED, test=best, members=TINY.reward.members)
    assert moved(followed)
    assert followed.files.stopped() == ()


def test_a_round_that_is_made_anew_keeps_no_earlier_reason(run: Run) -> None:
    """Also none that an earlier version left as a sentence."""
    rounds = run(coin=True, finetune=replace(ONE_STEP, significance=1e-9))
    kept = rounds.context.folder / "classifiers" / "round-1.stopped.json"
    old = "feedback, round 1: Fine-tuning stopped at step 3: the loss or its gradient was not finite."
    kept.with_suffix(".txt").write_text(old)
    kept.unlink()
    assert rounds.files.stopped() == (Stopped("feedback", 1, StopReason.NOT_FINITE, step=3),)
    rounds.files.classifier_path(1).unlink()
    settings = replace(rounds.context.settings, finetune=replace(ONE_STEP, significance=1.0))
    replace(rounds, context=replace(rounds.context, settings=settings)).run()
    assert rounds.files.stopped() == ()


@pytest.mark.parametrize(("right", "follows"), [(18, True), (17, False), (2, False)])
def test_a_reward_is_followed_for_what_a_coin_would_hardly_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, right: int, follows: bool
) -> None:
    """A coin predicts 18 or more of 22 answers with probability .0022, 17 or more with .0085; two members try."""
    told = cycle([torch.arange(22) < right, torch.zeros(0, dtype=torch.bool)])  # out of the bag, held out
    monkeypatch.setattr(validation, "_correct", lambda *_: next(told))
    assert moved(run(finetune=replace(ONE_STEP, significance=0.01))) == follows


def test_a_round_follows_its_reward_by_counterexamples_and_by_the_penalty(run: Run) -> None:
    """Nothing else differs."""
    settings = replace(ONE_STEP, reward_weight=0.7)
    ways = (replace(settings, counterexample_share=0.0), settings, replace(settings, gradient_penalty=0.1))
    first = [next(run(finetune=way).files.classifier(1).parameters()) for way in ways]
    assert not any(torch.equal(one, other) for one, other in combinations(first, 2))


@pytest.mark.parametrize("question", ["yes-no", "point", "rank"])
def test_a_round_asks_any_question_and_learns_from_it(run: Run, question: str) -> None:
    """The second round is asked what the members disagree on; held-out images are in items of their own."""
    arm = run(question=question, rounds=2)
    given = arm.store.answers()
    assert len({each.comparison.comparison for each in given}) == 2 * TINY.comparisons_per_round == len(given)
    held_out = arm.answers.held_out
    for each in given:
        shown = each.comparison.comparison.shown
        assert len(shown) == len(set(shown)) == {"rank": 6}.get(question, 1)
        assert len({bool(held_out[key.image]) for key in shown}) == 1
        assert each.responded_at > each.shown_at
    assert moved(arm)
    assert [each.answers for each in arm.answers.rounds()][1] > TINY.comparisons_per_round
