"""People in place of the oracle: two clips side by side in the annotators' app, and four answers, as in the paper.

    python -m experiments.christiano_2017.run --annotator human --tasks cartpole

Each round waits until people have answered it. Who kills the script and types the same again goes on where it was: the
agent is trained again up to there, from the same seeds, and what was answered is on record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from experiments.christiano_2017.asking import Answered, Preferences
from experiments.christiano_2017.drawing import STATES, clips_of
from experiments.christiano_2017.learning import train_agent
from experiments.christiano_2017.tasks import Task
from experiments.kept import Line
from explainfb.clips.study import ClipSettings, ClipStudy
from explainfb.core.errors import InputError
from explainfb.core.types import Comparison, Preference
from explainfb.rewards.settings import RewardSettings

INSTRUCTIONS = {
    "CartPole-v1": """
A computer program moves a **cart** along a track. On the cart stands a **pole**, which is to be kept upright. You see
two short clips of what it does, slowed down. **Choose the clip in which the pole is held up better**: best is a pole
that stands still on a cart that stays near the middle; worse, a pole that leans more and more; worst, one that has
fallen, and lies level. A pole that falls late is better than one that falls early.

If both are as good, or the pole lies all the time in both, say that there is **no difference**; use it rarely where
something can be seen. If you do not understand what happens, say that you **can't tell**.
""",
    "Pendulum-v1": """
A computer program turns a **pendulum** about its end; it is to be swung up and kept pointing **up**. You see two short
clips of what it does. **Choose the clip in which the pendulum points up more**, or comes nearer to it; where both do,
the calmer one is better.

If both are as good, say that there is **no difference**. If you do not understand what happens, say that you **can't
tell**.
""",
}


@dataclass(frozen=True)
class People:
    """Whoever has a personal link to the annotators' app."""

    study: ClipStudy
    task: Task

    def __call__(self, asked: Sequence[Comparison], preferences: Preferences) -> list[Answered]:
        """Nobody looks at the true returns."""
        items = [replace(item, asked="clips") for item in asked]
        keys = list(dict.fromkeys(key for item in items for key in item.shown))
        steps = preferences.segments.take(torch.tensor([key.image for key in keys])).steps
        for key, clip in zip(keys, clips_of(self.task, steps), strict=True):
            self.study.keep(key, clip)
        print(f"Round {items[0].round} of {self.study.settings.rounds}: {len(items)} comparisons wait for answers.")
        given = self.study.ask(items, check=lambda answers: preferences.check(told(answers)))
        return told(given)


def told(given: Sequence[Preference]) -> list[Answered]:
    """Without can't tell, as in the paper."""
    found = [(each.comparison, each.answer.share_left) for each in given]
    return [(item, share_left) for item, share_left in found if share_left is not None]


def agent_of_people(task: Task, folder: Path, *, comparisons: int, rounds: int, length: int, seed: int) -> Line:
    """What an agent comes to that people's answers pay. `folder` is what `explainfb label` serves."""
    if task.gym_name not in STATES:
        raise InputError(
            f"{task.gym_name} cannot be drawn from what its agent sees; ask people about {', '.join(STATES)}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "instructions.md").is_file():
        (folder / "instructions.md").write_text(INSTRUCTIONS[task.gym_name].lstrip(), encoding="utf-8")
    with ClipStudy(folder, ClipSettings(rounds=rounds, seed=seed)) as study:
        print(study.how_to_serve())
        preferences = Preferences("disagreement", RewardSettings(), seed, People(study, task))
        found = train_agent(task, preferences, comparisons=comparisons, rounds=rounds, length=length, seed=seed)
    right, held_out = preferences.accuracy()
    counts = {"answers": len(preferences.answered), "equal": preferences.equal, "right": right, "held_out": held_out}
    print(
        f"The agent that was paid by {counts['answers']} answers earns {found['return']} of the true reward an episode."
    )
    return {**found, **counts}
