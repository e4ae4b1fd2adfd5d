"""Do simpler models than the learned reward foretell the answers as well, place alone or ink and place?

    python -m experiments.moving_shortcut.simpler --data-dir DATA

Reads the studies that `run` has made, and writes simpler.md beside them: of the held-out answers of the last round, the
share that each of three models foretells, all fitted to the same answers: the reward, one map for all images, and a map
that reads how bright each place is beside where it is.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import tyro
from scipy.stats import binomtest
from torch import Tensor

from explainfb.core.devices import use_one_thread
from explainfb.core.seeding import derive
from explainfb.core.types import BoolArray
from explainfb.rewards.fitting import fit_members
from explainfb.rewards.models import AdditiveReward
from explainfb.rewards.validation import correct_answers
from explainfb.store import Store
from explainfb.study.reward_rounds import ArmAnswers
from explainfb.study.study import Study

TASKS = ("ring", "two", "stripe", "texture", "frame", "ring-95")
MODELS = ("reward", "place", "ink and place")
CELL = 4
"""Pixels a side of what a simpler map tells apart, as many as of the reward's."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the studies and their data are."""

    folder: Path = Path("studies/moving_shortcut")
    """The grid's."""
    data_dir: Path | None = None
    """Where MNIST lies."""


def place(images: Tensor) -> Tensor:
    """(B, 1, h, w) nothing: the coordinates that a reward is given beside are all that is left."""
    return torch.zeros_like(ink(images))


def ink(images: Tensor) -> Tensor:
    """(B, 1, h, w) how bright images (B, C, H, W) are."""
    return F.avg_pool2d(images.mean(1, keepdim=True), CELL)


def foretold(folder: Path, data_dir: Path | None) -> dict[str, BoolArray]:
    """Of each model which of the study's held-out answers it foretells."""
    context = (study := Study.open(folder, data_dir=data_dir)).context
    settings, number = context.settings, context.settings.rounds
    with Store(study.database) as store:
        answers = ArmAnswers(context, context.feedback_folder, store)
        known, reward = answers.dataset(number), answers.files.ensemble(number)
    found = {"reward": correct_answers(reward, known.explained, known.held_out)}
    for name, features in zip(MODELS[1:], (place, ink), strict=True):
        simpler = fit_members(
            known.explained.with_features(features),
            known.fitted,
            build=lambda: AdditiveReward(1, settings.reward.scale, feature_channels=1),
            settings=settings.reward,
            seed=derive(settings.seed, "reward", number),
        )
        found[name] = correct_answers(simpler, known.explained.with_features(features), known.held_out)
    return {name: correct.numpy() for name, correct in found.items()}


def row(cell: str, seeds: list[dict[str, BoolArray]]) -> str:
    """A line of the table: shares, and of the answers on which two models differ those that the reward has right."""
    shares = [sum(seed[name].sum() for seed in seeds) / sum(len(seed[name]) for seed in seeds) for name in MODELS]
    tests = []
    for name in MODELS[1:]:
        won = sum(int((seed["reward"] & ~seed[name]).sum()) for seed in seeds)
        lost = sum(int((~seed["reward"] & seed[name]).sum()) for seed in seeds)
        tests.append(f"{won} of {won + lost} (p = {binomtest(won, won + lost).pvalue:.2g})" if won + lost else "none")
    return f"| `{cell}` | " + " | ".join([*(f"{share:.3f}" for share in shares), *tests]) + " |"


def main(wanted: Settings) -> None:
    use_one_thread()
    lines = [
        "| | reward | place | ink and place | better than place | better than ink and place |",
        "|---|---|---|---|---|---|",
    ]
    for cell in TASKS:
        studies = sorted((wanted.folder / cell).glob("seed-*"))
        if studies:
            lines.append(row(cell, [foretold(study, wanted.data_dir) for study in studies]))
            print(lines[-1], flush=True)
    (wanted.folder / "simpler.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
