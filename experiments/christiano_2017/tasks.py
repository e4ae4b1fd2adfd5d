"""The tasks of Gymnasium that agents are trained on, and how: the same for the true reward and for a learned one."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task, and the agent that learns it: PPO (Schulman et al. 2017) as Stable-Baselines3 has it."""

    gym_name: str
    horizon: int
    """Steps of every training episode, a multiple of the segments' length. None ends early, because an end tells what
    is good (the paper's appendix A): a pole that fell lies there for a while, and is put up again."""
    steps: int
    """Of training in all."""
    copies: int
    """Of the environment, which run side by side."""
    lying: tuple[float, ...] = ()
    """What is seen while it lies; empty where nothing can fall."""
    agent: dict[str, Any] = field(default_factory=dict)
    """Keywords of `stable_baselines3.PPO`."""

    @property
    def rollout(self) -> int:
        """Steps between two updates of the agent, over all copies."""
        return self.copies * int(self.agent["n_steps"])


TASKS = {
    "cartpole": Task(
        gym_name="CartPole-v1",
        horizon=500,
        steps=76_800,
        copies=32,
        lying=(0.0, 0.0, math.pi / 2, 0.0),  # at rest, the pole level
        agent={"n_steps": 100, "batch_size": 400, "learning_rate": 5e-4, "gamma": 0.99, "gae_lambda": 0.95},
    ),
    "pendulum": Task(
        gym_name="Pendulum-v1",
        horizon=200,
        steps=144_000,
        copies=32,
        agent={
            "n_steps": 50,
            "batch_size": 200,
            "n_epochs": 5,
            "learning_rate": 1e-3,
            "gamma": 0.9,
            "gae_lambda": 0.95,
            "use_sde": True,
            "sde_sample_freq": 4,
        },
    ),
}
