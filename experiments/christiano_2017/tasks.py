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
    falling: tuple[str, ...] = ()
    """Which of these fall to zero in a straight line over the whole training."""

    @property
    def rollout(self) -> int:
        """Steps between two updates of the agent, over all copies."""
        return self.copies * int(self.agent["n_steps"])


# CartPole as rl-baselines3-zoo has tuned it for the true reward (hyperparams/ppo.yml at commit 00128b5), except that a
# rollout is made to hold whole segments: 25 steps of each copy in place of 32, batches of 200 in place of 256
TASKS = {
    "cartpole": Task(
        gym_name="CartPole-v1",
        horizon=500,
        steps=96_000,
        copies=8,
        lying=(0.0, 0.0, math.pi / 2, 0.0),  # at rest, the pole level
        agent={
            "n_steps": 25,
            "batch_size": 200,
            "n_epochs": 20,
            "learning_rate": 1e-3,
            "clip_range": 0.2,
            "gamma": 0.98,
            "gae_lambda": 0.8,
        },
        falling=("learning_rate", "clip_range"),
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
    # MuJoCo's two-jointed arm, whose episodes end by their time alone; the zoo trains for a million steps. Here
    # there are so few that six agents take 25 minutes of a busy processor
    "reacher": Task(
        gym_name="Reacher-v5",
        horizon=50,
        steps=48_000,
        copies=8,
        agent={"n_steps": 250, "batch_size": 100, "learning_rate": 3e-4, "gamma": 0.9, "gae_lambda": 0.95},
    ),
}
