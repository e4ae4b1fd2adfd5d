"""experiments/christiano_2017: when is asked, what the oracle says, what agents are paid."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.christiano_2017.asking import Oracle, Preferences, schedule
from experiments.christiano_2017.run import Settings
from experiments.christiano_2017.segments import Segments
from experiments.christiano_2017.tasks import TASKS, Task
from explainfb.core.errors import InputError
from explainfb.core.types import FloatArray
from explainfb.rewards.settings import RewardSettings


@pytest.mark.parametrize("comparisons", [700, 1400, 33])
@pytest.mark.parametrize("rounds", [1, 2, 6, 10])
def test_a_fourth_is_asked_before_training_and_ever_fewer_later(comparisons: int, rounds: int) -> None:
    asked = schedule(comparisons, rounds)
    assert sum(asked) == comparisons
    assert len(asked) == rounds
    if rounds > 1:
        assert asked[0] == round(comparisons / 4)
        assert all(later <= earlier + 1 for earlier, later in pairwise(asked[1:]))


def some(count: int, seed: int) -> tuple[Segments, FloatArray]:
    """What is worth something is to be near zero in the first of three entries; half of the segments are alike."""
    steps = torch.randn(count, 25, 3, generator=torch.Generator().manual_seed(seed))
    steps[: count // 2, :, 0] = 5.0
    return Segments(steps), (steps[:, :, 0].abs() < 0.5).sum(1).double().numpy()


def test_an_oracle_that_errs_teaches_what_single_steps_are_worth() -> None:
    preferences = Preferences("disagreement", RewardSettings(steps=80), 0, Oracle(0, 0.1))
    for number, asked in enumerate(schedule(500, 2)):
        preferences.ask(*some(400, number), asked)
    assert len({frozenset(item.shown) for item, _ in preferences.answered}) == 500
    right, among = preferences.accuracy()
    assert right / among > 0.65
    assert preferences.ensemble is not None
    steps = torch.tensor([[[0.0, 1.0, 1.0]], [[1.5, 1.0, 1.0]], [[5.0, 1.0, 1.0]]])
    worth = preferences.ensemble(Segments(steps)).tolist()
    assert worth[0] > max(worth[1:])


def test_the_oracle_errs_as_often_as_it_is_told_and_calls_alike_what_is_alike() -> None:
    preferences = Preferences("random", RewardSettings(steps=1), 3, Oracle(3, 0.25))
    preferences.ask(*some(2000, 0), 1500)
    said = np.array([share_left for _, share_left in preferences.answered])
    more = np.array(
        [
            preferences.returns[item.left.image] - preferences.returns[item.right.image]
            for item, _ in preferences.answered
        ]
    )
    assert ((said == 0.5) == (more == 0)).all()
    decided = more != 0
    assert ((said > 0.5) != (more > 0))[decided].mean() == pytest.approx(0.25, abs=0.04)
    assert preferences.equal == (~decided).sum()


def test_rounds_that_do_not_fit_are_told() -> None:
    with pytest.raises(InputError, match="fill the 500 steps of an episode of cartpole"):
        Settings(length=30)
    with pytest.raises(InputError, match="7 rounds"):
        Settings(rounds=7)
    with pytest.raises(InputError, match="about one task"):
        Settings(annotator="human")
    with pytest.raises(InputError, match="100 comparisons need as many segments a round; found 8"):
        Settings(annotator="human", tasks=("cartpole",), steps=1200)


TINY = Task(
    gym_name="CartPole-v1",
    horizon=50,
    steps=800,
    copies=4,
    lying=(0.0, 0.0, 1.5, 0.0),
    agent={"n_steps": 50, "batch_size": 50, "n_epochs": 2},
)


def environment(task: Task) -> Any:
    pytest.importorskip("gymnasium")
    pytest.importorskip("stable_baselines3")
    from experiments.christiano_2017.learning import training_environment

    return training_environment(task)


def test_a_pole_that_fell_lies_and_is_put_up_again_within_the_episode() -> None:
    env = environment(TASKS["cartpole"])
    env.reset(seed=0)
    played = [env.step(1) for _ in range(500)]  # always to the right: the pole falls
    rewards = [reward for _, reward, *_ in played]
    lying = [seen[2] > 1 for seen, *_ in played]
    assert 300 < sum(lying) < 450
    falls = [step for step in range(1, 450) if lying[step] and not lying[step - 1]]
    assert 6 <= len(falls) <= 9
    for fall in falls:
        assert rewards[fall] == 1.0  # as Gymnasium has it, the step that ends it is worth as much as any
        assert rewards[fall + 1 : fall + 51] == [0.0] * 50
        assert all(lying[fall : fall + 50])
        assert abs(played[fall + 50][0][2]) < 0.06  # upright
        assert rewards[fall + 51] == 1.0
    assert [truncated for *_, truncated, _ in played] == [False] * 499 + [True]
    assert not any(ended for _, _, ended, _, _ in played)


@pytest.mark.parametrize("learned", [False, True])
def test_an_agent_is_paid_the_true_reward_or_the_learned_one(learned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(TINY)
    from experiments.christiano_2017 import learning

    monkeypatch.setattr(learning, "EVALUATED", 2)
    paid: list[FloatArray] = []
    step_wait = learning.Watched.step_wait

    def watched(self: Any) -> Any:
        told = step_wait(self)
        paid.append(told[1].copy())  # the agent adds what it expects after the end of an episode
        return told

    monkeypatch.setattr(learning.Watched, "step_wait", watched)
    reward = RewardSettings(steps=5, batch_size=8)
    preferences = Preferences("disagreement", reward, 0, Oracle(0, 0.1)) if learned else None
    found = learning.train_agent(TINY, preferences, comparisons=24 if learned else 0, rounds=2, length=25, seed=0)
    assert [step for step, _ in found["curve"]] == [0, 400, 800]
    assert 8 <= found["return"] <= 500
    values = len(np.unique(np.concatenate(paid[learning.UNTRAINED :])))
    assert values > 100 if learned else values <= 2  # upright, or lying
    if preferences is not None:
        assert len(preferences.answered) == 24
        assert preferences.segments.steps.shape[1:] == (25, 6)  # four numbers seen, two actions


def test_every_agent_of_the_script_is_told_apart(tmp_path: Path) -> None:
    settings = Settings(seeds=2, out=tmp_path)
    assert len(set(settings.keys)) == len(settings.keys) == 8
    assert replace(settings, arms=("true",)).keys == ["true 2", "true 3"]
