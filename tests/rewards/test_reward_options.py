"""The switches of the reward, each seen through rounds of its own: who answers, and what is learned from whom."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from test_ensemble import EXPLAINED, judged, permuted

from explainfb.classifiers.classifier import save_classifier
from explainfb.classifiers.training import train
from explainfb.core.errors import InputError
from explainfb.preferences.simulated import CoinAnnotator, SimulatedAnnotator
from explainfb.rewards.ensemble import load_ensemble, save_ensemble
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.settings import RewardSettings
from explainfb.store import Store
from explainfb.study.context import StudyContext
from explainfb.study.reward_rounds import SimulatedRounds, feedback_rounds
from explainfb.study.settings import StudySettings, command_line, read_settings, write_settings
from explainfb.study.study import task_of
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(TINY)


@pytest.fixture(scope="module")
def run(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., SimulatedRounds]:
    """Rounds of TINY with some settings of its reward and of the study changed, after they ran."""
    trained = train(task, settings=TINY.training, seed=0)

    @cache
    def make(*, rounds: int = 1, crowd: tuple[float, ...] = (), coin: bool = False, **reward: Any) -> SimulatedRounds:
        folder = tmp_path_factory.mktemp("study")
        reward_settings, steps = replace(TINY.reward, **reward), replace(TINY.finetune, steps=1)
        settings = replace(TINY, rounds=rounds, crowd=crowd, reward=reward_settings, finetune=steps)
        context = StudyContext(folder=folder, settings=settings, task=task, device=torch.device("cpu"))
        save_classifier(trained, context.feedback_folder.classifier_path(0))
        arm = feedback_rounds(context, Store(folder / "study.db"))
        assert isinstance(arm, SimulatedRounds)
        arm = replace(arm, annotator=CoinAnnotator(seed=0)) if coin else arm
        arm.run()
        return arm

    return make


def test_one_member_is_no_ensemble_and_works(run: Callable[..., SimulatedRounds]) -> None:
    arm = run(members=1, rounds=2)
    assert len(arm.files.ensemble(2).members) == 1
    assert arm.answers.results().annotator_reliability == {}


def test_without_normalisation_members_keep_their_own_scale(run: Callable[..., SimulatedRounds]) -> None:
    as_they_are, usual = run(normalised=False).files.ensemble(1), run().files.ensemble(1)
    assert as_they_are.mean.tolist() == [0, 0]
    assert as_they_are.std.tolist() == [1, 1]
    assert not torch.equal(usual.std, as_they_are.std)
    assert all(torch.equal(a, b) for a, b in zip(usual.parameters(), as_they_are.parameters(), strict=True))


def test_no_weight_decay_stays_none(monkeypatch: pytest.MonkeyPatch) -> None:
    decays: list[float] = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self: decays.append(self.param_groups[0]["weight_decay"]) or step(self)
    )
    for start in (0.0, 1e-3):
        settings = RewardSettings(members=1, steps=60, weight_decay=start)
        fit_ensemble(EXPLAINED, judged(0, 200, 30), settings=settings, seed=0)
    assert set(decays[:60]) == {0.0}
    assert len(set(decays[60:])) > 1


def test_a_crowd_answers_under_its_own_names(run: Callable[..., SimulatedRounds]) -> None:
    preferences = run(crowd=(0.0, 0.5, 1.0), reliability="learned").answers.results()
    assert preferences.annotators == ("simulated-1", "simulated-2", "simulated-3")
    assert tuple(preferences.annotator_reliability) == preferences.annotators
    assert all(0 < share < 1 for share in preferences.annotator_reliability.values())


def test_reliability_is_kept_in_the_file_and_older_files_say_nothing_of_it(tmp_path: Path) -> None:
    settings = RewardSettings(members=1, steps=2, reliability="learned")
    ensemble = fit_ensemble(EXPLAINED, judged(0, 200, 30), settings=settings, seed=0)
    save_ensemble(ensemble, tmp_path / "reward")
    assert load_ensemble(tmp_path / "reward").reliability == ensemble.reliability != {}


def test_utilities_are_learned_in_place_of_answers() -> None:
    """Answers in any order teach nothing; what explanations are worth does, whatever the answers."""
    strength, settings = EXPLAINED.weights.abs(), RewardSettings(members=1, learned_from="utilities")
    worth = strength[:, torch.arange(16) % 4 < 2].sum(1) / strength.sum(1)
    held_out = judged(200, 400, 300, error_rate=0)
    answers = permuted(judged(0, 200, 100), 0)
    for utilities, low, high in ((worth, 0.75, 1.0), (-worth, 0.0, 0.25)):
        ensemble = fit_ensemble(EXPLAINED, answers, settings=settings, seed=0, utilities=utilities)
        rewards = ensemble(EXPLAINED)
        right = (rewards[held_out.left] > rewards[held_out.right]).float() == held_out.share_left
        assert low <= right.float().mean().item() <= high


def test_utilities_change_with_neither_scale_nor_origin() -> None:
    settings, worth = RewardSettings(members=1, steps=10, learned_from="utilities"), EXPLAINED.weights.sum(1)
    fits = [
        fit_ensemble(EXPLAINED, judged(0, 200, 30), settings=settings, seed=0, utilities=scaled)
        for scaled in (worth, 100 * worth + 7)
    ]
    torch.testing.assert_close(fits[0](EXPLAINED), fits[1](EXPLAINED), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("coin", [False, True])
def test_comparisons_are_asked_and_judge_a_reward_learned_from_utilities(
    run: Callable[..., SimulatedRounds], coin: bool
) -> None:
    arm, usual = run(learned_from="utilities", coin=coin), run(coin=coin)
    assert isinstance(arm.annotator, CoinAnnotator if coin else SimulatedAnnotator)
    same = [[(each.comparison, each.answer) for each in one.store.preferences()] for one in (arm, usual)]
    assert same[0] == same[1]
    assert arm.answers.rounds()[0].held_out == usual.answers.rounds()[0].held_out
    one, other = (next(each.files.ensemble(1).parameters()) for each in (arm, usual))
    assert not torch.equal(one, other)


def test_a_crowd_and_the_switches_are_kept_in_study_toml_and_in_the_command(tmp_path: Path) -> None:
    settings = replace(TINY, crowd=(0.0, 0.5), reward=replace(TINY.reward, reliability="learned", normalised=False))
    write_settings(settings, tmp_path / "study.toml")
    assert read_settings(tmp_path / "study.toml") == settings
    assert "--crowd 0.0 0.5" in command_line(settings)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"crowd": (0.1, 1.1)}, r"shares in \[0, 1\]; found 0.1, 1.1"),
        ({"crowd": (0.1, float("nan"))}, "found 0.1, nan"),
        ({"crowd": (0.1,), "annotator": "human"}, "leave one out"),
        ({"reward": RewardSettings(learned_from="utilities"), "annotator": "human"}, "one simulated annotator"),
        ({"reward": RewardSettings(learned_from="utilities"), "crowd": (0.1, 0.2)}, "one simulated annotator"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        StudySettings(**wrong)


@pytest.mark.parametrize("wrong", [{"weight_decay": -1.0}, {"weight_decay": 11.0}, {"learned_from": "ratings"}])
def test_impossible_rewards_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"reward\.(weight_decay|learned_from)"):
        RewardSettings(**wrong)
