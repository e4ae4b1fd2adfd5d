"""Christiano et al. 2017 on its own ground: agents whose reward is learned from comparisons of 25-step segments.

    python -m experiments.christiano_2017.run

An oracle that errs in one answer of ten compares segments of what the agent does, while it learns. The reward is
learned by explainfb's own functions, as for explanations (segments.py says what they are told). Beside it stands the
same agent with the true reward. Every agent is a line in --out, written as soon as it is there, so that a run that was
stopped goes on. With --annotator human, people answer in a browser in place of the oracle (people.py). Needs the extra
`rl`: pip install "explainfb[rl]".
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import torch
import tyro

from experiments.christiano_2017.asking import Oracle, Preferences
from experiments.christiano_2017.page import page_of
from experiments.christiano_2017.tasks import TASKS, Task
from experiments.kept import Line, lines
from experiments.page import write_json, write_page
from explainfb.core.environment import describe_environment
from explainfb.core.errors import InputError
from explainfb.preferences.settings import Choice
from explainfb.rewards.settings import RewardSettings

TaskName = Literal["cartpole", "pendulum", "reacher"]
Arm = Literal["true", "disagreement-700", "random-700", "disagreement-1400"]
"""The true reward; or how comparisons are chosen, and how many are asked."""

FEWEST = 24
"""Of people's comparisons: a fourth of them is asked at first, and some of these only judge the reward."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is run."""

    tasks: tuple[TaskName, ...] = get_args(TaskName)
    arms: tuple[Arm, ...] = get_args(Arm)
    first_seed: int = 2
    """Settings were found on seeds 0, 1 and 100."""
    seeds: int = 3
    length: int = 25
    """Steps of a segment."""
    rounds: int = 6
    """How often is asked: before training, and while it goes on."""
    error_rate: float = 0.1
    """The probability, in [0, 1], with which the oracle says the opposite of what is true."""
    steps: int | None = None
    """Of training, in place of what each task has, to try things out."""
    annotator: Literal["oracle", "human"] = "oracle"
    """Who compares: an oracle, or people in a browser, of the one task that --tasks names, for one agent."""
    comparisons: int = 100
    """How many people are asked in all, at least 24."""
    out: Path = Path("studies/christiano_2017")

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.rounds < 1 or not 0 <= self.error_rate <= 1:
            raise InputError("At least one seed and one round are needed, and an error rate in [0, 1].")
        if self.annotator == "human":
            self._check_people()
        for name in self.tasks:
            task = self.task(name)
            rollouts, left = divmod(task.steps, task.rollout)
            if (
                task.horizon % self.length
                or task.rollout // task.copies % self.length
                or left
                or rollouts % self.rounds
            ):
                raise InputError(
                    f"Segments must fill the {task.horizon} steps of an episode of {name} and the "
                    f"{task.rollout // task.copies} of a rollout, and rounds its {rollouts} rollouts; found segments "
                    f"of {self.length} steps and {self.rounds} rounds."
                )

    def task(self, name: TaskName) -> Task:
        """As it is run."""
        return TASKS[name] if self.steps is None else replace(TASKS[name], steps=self.steps)

    def _check_people(self) -> None:
        if len(self.tasks) != 1 or self.comparisons < FEWEST:
            raise InputError(
                f"People are asked about one task, as in --tasks cartpole, and {FEWEST} comparisons or more."
            )
        segments = self.task(self.tasks[0]).steps // self.rounds // self.length
        if segments < self.comparisons:
            raise InputError(
                f"{self.comparisons} comparisons need as many segments a round; found {segments}. Ask for fewer, or "
                "train for more steps."
            )

    @property
    def keys(self) -> list[str]:
        """Every agent, seed by seed."""
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return [f"{arm} {seed}" for seed in seeds for arm in self.arms]


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    check_installed()
    if settings.annotator == "human":
        learn_from_people(settings)
        return
    found = {}
    for name in settings.tasks:
        told = {
            "task": asdict(settings.task(name)),
            "reward": asdict(RewardSettings()),
            **{each: vars(settings)[each] for each in ("length", "rounds", "error_rate")},
        }
        make = partial(one_agent, name, settings)
        found[name] = list(lines(settings.out / f"{name}.jsonl", told, settings.keys, make))
    write_json({"format": 1, "environment": describe_environment(), "agents": found}, settings.out / "results.json")
    write_page(page_of(settings.out / "results.json"), settings.out)


def check_installed() -> None:
    """Raise `InputError` where the extra is missing."""
    try:
        import experiments.christiano_2017.learning  # noqa: F401
    except ImportError as error:
        raise InputError(f'{error}; install what it needs by pip install "explainfb[rl]".') from error


def learn_from_people(settings: Settings) -> None:
    """One agent, paid by what is learned from people; its true return is only measured."""
    from experiments.christiano_2017.people import agent_of_people

    (name,) = settings.tasks
    folder = settings.out / f"people-{name}"
    found = agent_of_people(
        settings.task(name),
        folder,
        comparisons=settings.comparisons,
        rounds=settings.rounds,
        length=settings.length,
        seed=settings.first_seed,
    )
    write_json({"format": 1, "environment": describe_environment(), "people": found}, folder / "results.json")


def one_agent(name: TaskName, settings: Settings, key: str) -> Line:
    """What the agent called `key` comes to."""
    from experiments.christiano_2017.learning import chance, train_agent

    arm, number = key.split()
    seed, task = int(number), settings.task(name)
    how, _, count = arm.partition("-")
    if how == "true":
        told = train_agent(task, None, comparisons=0, rounds=settings.rounds, length=settings.length, seed=seed)
        return {"arm": arm, "seed": seed, **told, "chance": chance(task, seed)}
    strategy: Choice = "random" if how == "random" else "disagreement"
    preferences = Preferences(strategy, RewardSettings(), seed, Oracle(seed, settings.error_rate))
    told = train_agent(
        task, preferences, comparisons=int(count), rounds=settings.rounds, length=settings.length, seed=seed
    )
    right, asked = preferences.accuracy()
    return {"arm": arm, "seed": seed, **told, "right": right, "held_out": asked, "equal": preferences.equal}


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
