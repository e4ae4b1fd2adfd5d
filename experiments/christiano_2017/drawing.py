"""Segments as people see them: what an agent saw tells where everything was, so that Gymnasium can draw it later."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from torch import Tensor

from experiments.christiano_2017.tasks import Task
from explainfb.clips.clip import Clip

FRAMES_PER_SECOND = 15.0
"""As in the paper. CartPole's own 50 and Pendulum's 20 steps a second would be over in .5 and 1.2 seconds."""


def cartpole(seen: Any) -> Any:
    """What it sees is its whole state."""
    return np.asarray(seen[:4], dtype=np.float64)


def pendulum(seen: Any) -> Any:
    """It sees the cosine and the sine of its angle, and its speed."""
    return np.array([np.arctan2(seen[1], seen[0]), seen[2]], dtype=np.float64)


STATES: dict[str, Callable[[Any], Any]] = {"CartPole-v1": cartpole, "Pendulum-v1": pendulum}
"""The state of which each is an observation, by Gymnasium's name."""


def clips_of(task: Task, segments: Tensor) -> list[Clip]:
    """A clip of each of the segments (B, T, D)."""
    env = gym.make(task.gym_name, render_mode="rgb_array")
    env.reset(seed=0)
    state_of, inner = STATES[task.gym_name], env.unwrapped
    found = []
    for steps in segments.numpy():
        frames = []
        for seen in steps:
            inner.state = state_of(seen)
            frames.append(np.asarray(env.render(), dtype=np.uint8))
        found.append(Clip(np.stack(frames), frames_per_second=FRAMES_PER_SECOND))
    env.close()
    return found
