"""A round's reward is followed only with evidence that it predicts unseen answers."""

from dataclasses import replace
from itertools import combinations, cycle
from pathlib import Path

import pytest
import torch
from torch import nn

from explainfb.classifiers.classifier import Classifier, save_classifier
from explainfb.classifiers.networks import BUILDERS, Architecture
from explainfb.classifiers.training import train
from explainfb.core.errors import InputError
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.preferences.simulated import CoinAnnotator, SimulatedAnnotator
from explainfb.results.records import Stopped, StopReason
from explainfb.rewards import validation
from explainfb.rewards.settings import RewardSettings
from explainfb.store import Store
from explainfb.study.context import StudyContext
from explainfb.study.reward_rounds import SimulatedRounds
from explainfb.study.settings import StudySettings
from explainfb.study.study import Study, task_of
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY

ONE_ROUND = replace(TINY, rounds=1)


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(ONE_ROUND)


@pytest.fixture(scope="module")
def trained(task: Task) -> Classifier:
    return train(task, settings=ONE_ROUND.training, seed=0)


def run(folder: Path, task: Task, trained: Classifier, settings: FinetuneSettings, coin: bool) -> SimulatedRounds:
    (folder / "classifiers").mkdir(parents=True)
    save_classifier(trained, folder / "classifiers" / "round-0.safetensors")
    annotator = CoinAnnotator(seed=0) if coin else SimulatedAnnotator(split=task.train, seed=0)
    study = StudyContext(
        folder=folder, settings=replace(ONE_ROUND, finetune=settings), task=task, device=torch.device("cpu")
    )
    store = Store(folder / "study.db")
    rounds = SimulatedRounds(context=study, name="arm", files=study.feedback_folder, store=store, annotator=annotator)
    rounds.run()
    return rounds


def moved(rounds: SimulatedRounds) -> bool:
    before, after = (list(rounds.files.classifier(number).parameters()) for number in (0, 1))
    return not all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_without_evidence_a_round_leaves_the_classifier_as_it_was_and_says_so(
    tmp_path: Path, task: Task, trained: Classifier
) -> None:
    strict, usual = (replace(ONE_ROUND.finetune, significance=evidence) for evidence in (1e-9, 1.0))
    held_back = run(tmp_path / "strict", task, trained, strict, coin=True)
    assert not moved(held_back)
    (stop,) = held_back.files.stopped()
    best = held_back.files.out_of_bag_test(1)
    assert stop == Stopped("arm", 1, StopReason.NOT_FOLLOWED, test=best, members=ONE_ROUND.reward.members)
    followed = run(tmp_path / "usual", task, trained, usual, coin=True)
    assert moved(followed)
    assert followed.files.stopped() == ()


def test_a_round_that_is_made_anew_keeps_no_earlier_reason(tmp_path: Path, task: Task, trained: Classifier) -> None:
    """Also none that an earlier version left as a sentence."""
    rounds = run(tmp_path, task, trained, replace(ONE_ROUND.finetune, significance=1e-9), coin=True)
    old = "arm, round 1: Fine-tuning stopped at step 3: the loss or its gradient was not finite."
    (tmp_path / "classifiers" / "round-1.stopped.txt").write_text(old)
    (tmp_path / "classifiers" / "round-1.stopped.json").unlink()
    assert rounds.files.stopped() == (Stopped("arm", 1, StopReason.NOT_FINITE, step=3),)
    rounds.files.classifier_path(1).unlink()
    settings = replace(rounds.context.settings, finetune=replace(ONE_ROUND.finetune, significance=1.0))
    replace(rounds, context=replace(rounds.context, settings=settings)).run()
    assert rounds.files.stopped() == ()


@pytest.mark.parametrize(("right", "follows"), [(18, True), (17, False), (5, False)])
def test_the_evidence_is_what_a_coin_would_hardly_do(
    tmp_path: Path,
    task: Task,
    trained: Classifier,
    monkeypatch: pytest.MonkeyPatch,
    right: int,
    follows: bool,
) -> None:
    """A coin predicts 18 or more of 22 answers with probability .0022, 17 or more with .0085; two members try."""
    told = cycle([torch.arange(22) < right, torch.zeros(0, dtype=torch.bool)])  # out of the bag, held out
    monkeypatch.setattr(validation, "_correct", lambda *_: next(told))
    rounds = run(tmp_path / "study", task, trained, replace(ONE_ROUND.finetune, significance=0.01), coin=False)
    assert moved(rounds) == follows


def test_a_round_exchanges_what_its_reward_finds_irrelevant(tmp_path: Path, task: Task, trained: Classifier) -> None:
    """Nothing but the counterexamples, or the penalty beside them, differs."""
    settings = replace(ONE_ROUND.finetune, reward_weight=0.7)
    ways = {
        "plain": replace(settings, counterexample_share=0.0),
        "counterexamples": settings,
        "flat": replace(settings, gradient_penalty=0.1),
    }
    ended = [run(tmp_path / name, task, trained, way, coin=False).files.classifier(1) for name, way in ways.items()]
    first = [next(classifier.parameters()) for classifier in ended]
    assert not any(torch.equal(one, other) for one, other in combinations(first, 2))


def test_a_network_without_second_derivatives_is_refused_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hard(architecture: Architecture) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 8), nn.Hardsigmoid(), nn.Linear(8, architecture.classes))

    monkeypatch.setitem(BUILDERS, "hard", hard)
    settings = replace(ONE_ROUND, controls=(), training=replace(ONE_ROUND.training, classifier="hard"))
    with pytest.raises(InputError, match=r"second derivatives.*hardsigmoid"):
        Study.open(tmp_path, replace(settings, finetune=replace(settings.finetune, gradient_penalty=0.1))).run()
    with Store(tmp_path / "study.db") as store:
        assert store.rounds() == {}


def test_impossible_settings_are_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="significance"):
        FinetuneSettings(significance=0)
    for followed in (FinetuneSettings(), FinetuneSettings(counterexample_share=0, gradient_penalty=0.1)):
        with pytest.raises(InputError, match="additive"):
            StudySettings(reward=RewardSettings(kind="free"), finetune=followed)
