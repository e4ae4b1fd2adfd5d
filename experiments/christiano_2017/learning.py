"""An agent that learns from the true reward, or from one that is learned from comparisons while it learns.

This is the one file that imports Gymnasium and Stable-Baselines3 (the extra `rl`).
"""

from copy import deepcopy
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper

from experiments.christiano_2017.asking import Preferences, schedule
from experiments.christiano_2017.segments import Segments
from experiments.christiano_2017.tasks import Task
from explainfb.core.seeding import derive
from explainfb.core.types import FloatArray
from explainfb.rewards.ensemble import RewardEnsemble

UNTRAINED = 400
"""Steps of every copy before training, about which the first comparisons are asked."""
LYING = 50
"""Steps for which what fell stays as it is."""
EVALUATED = 30
"""Episodes that a trained agent is judged by, as Gymnasium has them, with the true reward."""


class Endless(gym.Wrapper):  # type: ignore[misc]  # Gymnasium's types are not read
    """No episode ends before its time: what fell lies there for a while, worth nothing, and is put up again."""

    def __init__(self, env: Any, lying: tuple[float, ...]) -> None:
        super().__init__(env)
        self.lying, self.left = np.array(lying, dtype=np.float32), 0

    def reset(self, **more: Any) -> Any:
        self.left = 0
        return super().reset(**more)

    def step(self, action: Any) -> Any:
        if self.left:
            self.left -= 1
            return self.lying if self.left else self.env.reset()[0], 0.0, False, False, {}
        seen, reward, ended, _, told = super().step(action)
        if ended:
            self.left, seen = LYING, self.lying
        return seen, float(reward), False, False, told


def training_environment(task: Task) -> Any:
    """One copy, whose episodes all last for the task's horizon."""
    endless = Endless(gym.make(task.gym_name, max_episode_steps=-1), task.lying)
    return gym.wrappers.TimeLimit(endless, task.horizon)


class Watched(VecEnvWrapper):  # type: ignore[misc]  # nor are those of Stable-Baselines3
    """Keeps what agents see, do and earn, and pays them the learned reward once there is one.

    Before that, and without one, it pays the true reward less `usual` and divided by `spread`, so that both are of one
    size.
    """

    def __init__(self, copies: Any) -> None:
        super().__init__(copies)
        self.reward: RewardEnsemble | None = None
        self.usual, self.spread = 0.0, 1.0
        self.steps = 0
        """Of all copies together, so far."""
        self.rows: list[FloatArray] = []
        """(copies, D) of each step."""
        self.earned: list[FloatArray] = []
        """(copies,) the true rewards."""

    def reset(self) -> Any:
        self.seen = self.venv.reset()
        return self.seen

    def step_async(self, actions: Any) -> None:
        self.steps += self.num_envs
        did = np.asarray(actions)
        if isinstance(self.action_space, gym.spaces.Discrete):
            did = np.eye(int(self.action_space.n))[did]
        self.rows.append(np.concatenate([self.seen, did], axis=1))
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        self.seen, true, done, told = self.venv.step_wait()
        self.earned.append(np.asarray(true, dtype=np.float64))
        if self.reward is None:
            return self.seen, (true - self.usual) / self.spread, done, told
        now = Segments(torch.from_numpy(self.rows[-1]).float()[:, None])
        with torch.no_grad():
            return self.seen, self.reward(now).numpy(), done, told

    def taken(self, length: int) -> tuple[Segments, FloatArray]:
        """The segments (B, length, D) since this was last called, and their true returns (B,)."""
        rows, earned = np.stack(self.rows, 1), np.stack(self.earned, 1)  # (copies, steps, D), (copies, steps)
        self.rows, self.earned = [], []
        cut = rows.reshape(-1, length, rows.shape[2])
        return Segments(torch.from_numpy(cut).float()), earned.reshape(-1, length).sum(1)


def train_agent(
    task: Task, preferences: Preferences | None, *, comparisons: int, rounds: int, length: int, seed: int
) -> dict[str, Any]:
    """What an agent of this seed earns after training on the true reward, or on what `preferences` learn.

    The curve has the mean true return of a training episode in each round.
    """
    env = Watched(DummyVecEnv([partial(training_environment, task)] * task.copies))
    env.seed(derive(seed, "environment") % 2**31)
    agent = PPO("MlpPolicy", env, seed=derive(seed, "agent") % 2**31, device="cpu", **keywords(task, env))
    each = task.steps // rounds
    curve: list[tuple[int, float]] = []
    watch(agent, env, UNTRAINED)
    env.usual, env.spread = float(np.mean(env.earned)), float(np.std(env.earned))
    for number, asked in enumerate(schedule(comparisons, rounds)):
        segments, returns = env.taken(length)
        curve.append((number * each, round(float(returns.mean()) * task.horizon / length, 2)))
        if preferences is not None:
            preferences.ask(segments, returns, asked)
            env.reward = per_step(preferences)
        agent.learn(each, reset_num_timesteps=number == 0)
    segments, returns = env.taken(length)
    curve.append((rounds * each, round(float(returns.mean()) * task.horizon / length, 2)))
    return {"return": judged(agent, task, seed), "curve": curve}


def keywords(task: Task, env: Watched) -> dict[str, Any]:
    """The agent's, with what falls as a function of how much of the training in `env` is over."""

    def left(_of_round: float) -> float:  # Stable-Baselines3 counts from the beginning of each round
        return max(0.0, 1 - max(0, env.steps - UNTRAINED * task.copies) / task.steps)

    return task.agent | {name: lambda of_round, start=task.agent[name]: start * left(of_round) for name in task.falling}


def watch(agent: Any, env: Watched, steps: int) -> None:
    """Let the untrained agent act, so that there is something to compare."""
    seen = env.reset()
    for _ in range(steps):
        seen, _, _, _ = env.step(agent.predict(seen)[0])


def per_step(preferences: Preferences) -> RewardEnsemble:
    """The ensemble with mean 0 and standard deviation 1 over single steps, which are what an agent is paid for."""
    found = deepcopy(preferences.ensemble)
    assert found is not None
    found.normalise(preferences.segments.single_steps)
    return found


def judged(agent: Any, task: Task, seed: int, *, by_chance: bool = False) -> float:
    """The mean true return of `EVALUATED` episodes, as Gymnasium has them.

    What the agent does is the likeliest, or is drawn by chance, as in training.
    """
    env = DummyVecEnv([partial(lambda: Monitor(gym.make(task.gym_name)))])
    env.seed(derive(seed, "evaluation") % 2**31)
    mean, _ = evaluate_policy(agent, env, n_eval_episodes=EVALUATED, deterministic=not by_chance)
    return round(float(mean), 2)


def chance(task: Task, seed: int) -> float:
    """What an untrained agent earns."""
    env = DummyVecEnv([partial(gym.make, task.gym_name)])
    return judged(PPO("MlpPolicy", env, seed=derive(seed, "agent") % 2**31, device="cpu"), task, seed, by_chance=True)
