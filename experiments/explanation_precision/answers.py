"""Does an annotator who never errs give the same answer, when the same images are explained under another seed?

    python -m experiments.explanation_precision.answers --study FOLDER

The pairs that a finished study asked about are explained twice, under two seeds that the study did not use: as studies
explain, with four times the masks, and as they did before. They are answered both times; the shares go to results.json.
A study that asked about two superpixels of one explanation (`--preset superpixels`) is one more line a round.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import tyro

from experiments.explanation_precision.page import page_of
from experiments.explanation_precision.run import Results
from experiments.grids import EXPLAINED
from experiments.page import write_page
from explainfb.core.types import Answer, Comparison, ExplanationKey
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.storage import Explanations, explanation_of
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.store.study_store import Store
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.folder import DATABASE
from explainfb.study.settings import StudySettings, task_of
from explainfb.study.settings_file import read_settings
from explainfb.tasks.task import Task

NOW = StudySettings().lime
WAYS = {"as studies explain": NOW, "with 2,880 masks": replace(NOW, n_samples=2880), "as they did": EXPLAINED}
SUPERPIXELS = "two superpixels, as studies explain"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is explained again."""

    study: Path
    """A finished study."""
    rounds: tuple[int, ...] = (1, 2, 3, 4)
    pairs: int = 100
    """Of each round, evenly over those that were asked."""
    seeds: tuple[int, int] = (100, 101)
    output: Path = field(default_factory=lambda: Path("studies/explanation_precision"))


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    results = Results(settings.output)
    study = read_settings(settings.study / "study.toml")
    ways = {SUPERPIXELS: study.lime} if study.queries.compared == "superpixels" else WAYS
    shares = results.found.setdefault("answers", {})
    for number in settings.rounds:
        for way, lime in ways.items():
            shares[f"{way} | round {number}"] = shares_of(settings, number, task_of(study), lime)
            results.keep()
            print(way, number, shares[f"{way} | round {number}"], flush=True)
    write_page(page_of(results.path), settings.output)


def shares_of(settings: Settings, number: int, task: Task, lime: LimeSettings) -> dict[str, float]:
    """How many pairs get the same answer twice, the opposite one, and are called equal the first time; how far apart
    the two are, and how much of that is chance in each; and of superpixels, how many pairs are shown again."""
    with Store(settings.study / DATABASE, read_only=True) as store:
        every = [stored.comparison for stored in store.comparisons(number)]
    chosen = [every[place] for place in np.linspace(0, len(every) - 1, min(settings.pairs, len(every))).astype(int)]
    keys = list(dict.fromkeys(key.whole for asked in chosen for key in asked.shown))
    first, second = (explained(ArmFolder(settings.study), keys, task, lime, seed) for seed in settings.seeds)
    annotator = SimulatedAnnotator(split=task.train, seed=0, error_rate=0)
    answers = [
        [annotator.answer(asked, *(explanation_of(made, key) for key in asked.shown)) for made in (first, second)]
        for asked in chosen
    ]
    opposite = {(Answer.LEFT, Answer.RIGHT), (Answer.RIGHT, Answer.LEFT)}
    worth = np.array(
        [
            [[annotator.utility(explanation_of(made, key), key.image) for key in asked.shown] for asked in chosen]
            for made in (first, second)
        ]
    )  # (2 seeds, pairs, 2 sides)
    found = {
        "pairs": len(chosen),
        "same": round(float(np.mean([one == other for one, other in answers])), 3),
        "opposite": round(float(np.mean([(one, other) in opposite for one, other in answers])), 3),
        "equal": round(float(np.mean([one == Answer.EQUAL for one, _ in answers])), 3),
        "apart": round(float(np.abs(worth[0, :, 0] - worth[0, :, 1]).mean()), 3),
        "chance": round(float((worth[0] - worth[1]).std() / 2**0.5), 3),
    }
    if chosen[0].left.superpixel is not None:
        found["shown again"] = round(float(np.mean([shown_again(asked, first, second) for asked in chosen])), 3)
    return found


def shown_again(asked: Comparison, first: Explanations, second: Explanations) -> bool:
    """Whether each superpixel that is asked about stands out under both seeds, with the same sign."""
    signs = [
        [
            np.sign(made[key.whole].weights[key.superpixel]) * made[key.whole].stands_out[key.superpixel]
            for key in asked.shown
        ]
        for made in (first, second)
    ]
    return signs[0] == signs[1] and 0 not in signs[0]


def explained(
    files: ArmFolder, keys: Sequence[ExplanationKey], task: Task, lime: LimeSettings, seed: int
) -> Explanations:
    found = Explanations()
    for name in sorted({key.classifier for key in keys}):
        classifier = files.classifier(int(name.removeprefix("round-")))
        explainer = Explainer(classifier, settings=lime, background=task.train.images, seed=seed)
        for key in keys:
            if key.classifier == name:
                [found[key]] = explainer(task.train.images[key.image][None])
    return {key: replace(found[key], image=None) for key in keys}


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
