"""The numbers that two papers published on the grey shortcut, anew with the code of this package's arms.

    python -m experiments.published_results.run --data-dir DATA --recipes mlp
    python -m experiments.published_results.run --data-dir DATA --quick

Classifiers are trained from scratch by cross-entropy or with RRR on the swatch, and tested on images whose swatch is
that of a random class. Every result goes to results.json in --output at once; what is there is not run again.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import joblib
import torch
import torch.nn.functional as F
import tyro

from experiments.page import write_page
from experiments.published_results.page import page_of
from experiments.published_results.recipes import FEW, FULL, RECIPES, Arm, Recipe, RecipeName
from experiments.published_results.trained import Run, Trained, read_trained, write_trained
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.training import architecture_for, predict_logits
from explainfb.core.devices import DeviceName, resolve_device
from explainfb.core.seeding import torch_generator
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.baselines import rrr
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is run, and where."""

    recipes: tuple[RecipeName, ...] = get_args(RecipeName)
    arms: tuple[Arm, ...] = get_args(Arm)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    quick: bool = False
    """The first 10,000 training images, and a fifth of the epochs for the convolutional networks."""
    epochs: int | None = None
    """In place of the recipe's."""
    minutes: float = math.inf
    """No run is begun after this long."""
    data_dir: Path | None = None
    jobs: int = 2
    """Processes, each with one thread."""
    device: DeviceName = "cpu"
    output: Path = Path("studies/published_results")


def main(settings: Settings) -> None:
    settings.output.mkdir(parents=True, exist_ok=True)
    path = settings.output / "results.json"
    found = read_trained(path)
    done = {each.run for each in found}
    began = time.monotonic()
    parallel = joblib.Parallel(n_jobs=settings.jobs, return_as="generator_unordered", pre_dispatch=settings.jobs)
    left = (run for run in runs(settings) if run not in done)
    in_time = (run for run in left if time.monotonic() - began < 60 * settings.minutes)
    for one in parallel(joblib.delayed(measure)(run, settings) for run in in_time):
        found.append(one)
        print(one, flush=True)
        write_trained(found, path)
    write_page(page_of(path), settings.output)


def runs(settings: Settings) -> Iterator[Run]:
    """Seed by seed, so that what is there after an interruption can be compared."""
    for name in settings.recipes:
        recipe = RECIPES[name]
        images, epochs = (FEW, recipe.quick_epochs) if settings.quick else (FULL, recipe.epochs)
        for seed in settings.seeds:
            for arm in (arm for arm in recipe.published if arm in settings.arms):
                yield Run(name, arm, seed, images, settings.epochs or epochs)


def measure(run: Run, settings: Settings) -> Trained:
    """Train and measure one classifier."""
    torch.set_num_threads(1)
    recipe = RECIPES[run.recipe]
    task = load_task(recipe.task, data_dir=settings.data_dir, train_images=run.images, shortcut="grey", seed=run.seed)
    assert task.shifted is not None
    split = training_images(task, run)
    start = time.monotonic()
    classifier = trained(recipe, run, task, split, resolve_device(settings.device))
    seconds = round(time.monotonic() - start, 1)
    train, shifted, clean = (accuracy(classifier, images) for images in (split, task.shifted, task.clean))
    return Trained(run, train, shifted, clean, seconds)


def training_images(task: Task, run: Run) -> Split:
    """All 60,000 where they are wanted: nothing here needs validation images."""
    without = task.train_without_shortcut, task.validation_without_shortcut
    split, rest = without if run.arm == "no_shortcut" else (task.train, task.validation)
    assert split is not None
    assert rest is not None
    if run.images < FULL:
        return split
    masks = None if split.shortcut is None or rest.shortcut is None else torch.cat([split.shortcut, rest.shortcut])
    return Split(torch.cat([split.images, rest.images]), torch.cat([split.labels, rest.labels]), shortcut=masks)


def trained(recipe: Recipe, run: Run, task: Task, split: Split, device: torch.device) -> Classifier:
    """A classifier trained from scratch. Raises `RuntimeError` where its loss became NaN or infinite."""
    start = fresh(recipe, run.seed, task).to(device)
    steps = run.epochs * math.ceil(len(split) / recipe.batch_size)
    if recipe.in_passes:
        return trained_in_passes(start, recipe, split, steps, run.seed)
    how = FinetuneSettings(
        steps=steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        schedule="constant",
        reward_weight=0.0,
    )
    if run.arm == "rrr":
        assert split.shortcut is not None
        # pixels of 0 to 1 have gradients 255 times as steep
        strength = recipe.rrr_strength / 255**2
        found = rrr(start, split, irrelevant=split.shortcut, strength=strength, settings=how, seed=run.seed)
    else:
        found = finetune(start, split, None, lime=LimeSettings(), settings=how, seed=run.seed)
    if found.stopped_at is not None:
        raise RuntimeError(f"{run}: the loss or its gradient was not finite at step {found.stopped_at}.")
    return found.classifier


def trained_in_passes(classifier: Classifier, recipe: Recipe, split: Split, steps: int, seed: int) -> Classifier:
    """By cross-entropy."""
    batches = math.ceil(len(split) / recipe.batch_size)
    order, generator = torch.arange(len(split)), torch_generator(seed, "published", "passes")
    classifier = classifier.to(recipe.precision)
    optimiser = torch.optim.Adam(classifier.train().parameters(), lr=recipe.learning_rate)
    for step in range(steps):
        if recipe.shuffled and step % batches == 0:
            order = torch.randperm(len(split), generator=generator)
        chosen = order[step % batches * recipe.batch_size :][: recipe.batch_size]
        images = split.images[chosen].to(classifier.device, recipe.precision)
        labels = split.labels[chosen].to(classifier.device)
        squares = torch.stack([parameter.square().sum() for parameter in classifier.parameters()]).sum()
        loss = F.cross_entropy(classifier(images), labels) + recipe.weight_decay / recipe.batch_size * squares
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return classifier.float().eval()


def fresh(recipe: Recipe, seed: int, task: Task) -> Classifier:
    """A classifier before its first step."""
    classifier = build_classifier(architecture_for(task, recipe.classifier, "raw"), seed)
    if recipe.deviation is not None:
        generator = torch_generator(seed, "published", "weights")
        with torch.no_grad():
            for parameter in classifier.parameters():
                parameter.normal_(0, recipe.deviation, generator=generator)
    return classifier


def accuracy(classifier: Classifier, split: Split) -> float:
    return round((predict_logits(classifier, split.images).argmax(1) == split.labels).float().mean().item(), 4)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
