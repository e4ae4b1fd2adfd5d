"""The numbers that two papers published on the grey shortcut, anew with the code of this package's arms.

    python experiments/shortcut/published.py --data-dir DATA
    python experiments/shortcut/published.py --data-dir DATA --quick
    python experiments/shortcut/published.py --only-table

Classifiers are trained from scratch by cross-entropy or with RRR on the swatch, and tested on images whose swatch is
that of a random class. Every result goes to published.json at once; what is there is not run again.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal, get_args

import joblib
import scipy.stats
import torch
import torch.nn.functional as F
import tyro

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.training import architecture_for, predict_logits
from explainfb.core.devices import DeviceName, resolve_device
from explainfb.core.files import write_whole
from explainfb.core.seeding import torch_generator
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.baselines import rrr
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task

HERE = Path(__file__).parent
FULL, FEW = 60_000, 10_000
"""Training images in the papers, and with --quick."""
Arm = Literal["cross_entropy", "rrr", "no_shortcut"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a paper trained, by Adam at a constant rate on pixels of 0 to 255, and the accuracies that it reports."""

    source: str
    task: str
    classifier: str
    epochs: int
    quick_epochs: int
    strength: float
    """λ of RRR beside the mean cross-entropy, where the penalty is a mean over the batch too."""
    deviation: float | None = None
    """Of the normal distribution that every weight and bias is drawn from; None leaves PyTorch's own."""
    published: dict[Arm, float]
    logged: dict[Arm, tuple[float, ...]] = field(default_factory=dict)
    """What all runs that the paper's repository has on record ended at, those that were published among them."""
    batch: int = 256
    learning_rate: float = 1e-3
    in_passes: bool = False
    """Whether every pass has every image once, by cross-entropy alone; otherwise batches are drawn."""
    shuffled: bool = False
    """Whether each pass has an order of its own, and not that of the images; in passes."""
    decay: float = 0.0
    """Times the sum of all squared weights and biases, beside a cross-entropy summed over the batch; in passes."""
    precision: torch.dtype = torch.float32
    """Of weights and pixels; in passes."""


ROSS = Recipe(
    source="Ross et al. 2017",
    task="mnist-decoy",
    classifier="mlp",
    epochs=64,
    quick_epochs=64,
    strength=1000.0,
    deviation=0.1,
    published={"cross_entropy": 0.5155, "rrr": 0.9607, "no_shortcut": 0.9611},
    logged={
        "cross_entropy": (0.5481, 0.552, 0.5155),
        "rrr": (0.9631, 0.9604, 0.9607),
        "no_shortcut": (0.9578, 0.9611),
    },
)
ROSS_IN_PASSES = replace(ROSS, in_passes=True, published={"cross_entropy": 0.5155})
ROSS_WITH_DECAY = replace(ROSS_IN_PASSES, decay=1e-4)
ROSS_IN_DOUBLE = replace(ROSS_WITH_DECAY, precision=torch.float64)
FRIEDRICH = Recipe(
    source="Friedrich et al. 2023",
    task="mnist-decoy",
    classifier="pooled_lenet",
    epochs=50,
    quick_epochs=10,
    strength=10.0 * 256,
    published={"cross_entropy": 0.789, "rrr": 0.988},
)
FRIEDRICH_IN_PASSES = replace(FRIEDRICH, in_passes=True, shuffled=True, published={"cross_entropy": 0.789})
FRIEDRICH_FASHION = replace(FRIEDRICH, task="fashion-mnist-decoy", published={"cross_entropy": 0.583, "rrr": 0.894})
RecipeName = Literal["mlp", "mlp-in-passes", "mlp-with-decay", "mlp-in-double", "cnn", "cnn-in-passes", "cnn-fashion"]
RECIPES: dict[RecipeName, Recipe] = {
    "mlp": ROSS,
    "mlp-in-passes": ROSS_IN_PASSES,
    "mlp-with-decay": ROSS_WITH_DECAY,
    "mlp-in-double": ROSS_IN_DOUBLE,
    "cnn": FRIEDRICH,
    "cnn-in-passes": FRIEDRICH_IN_PASSES,
    "cnn-fashion": FRIEDRICH_FASHION,
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is run, and where."""

    recipes: tuple[RecipeName, ...] = get_args(RecipeName)
    arms: tuple[Arm, ...] = ("cross_entropy", "rrr", "no_shortcut")
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
    results: Path = HERE / "published.json"
    only_table: bool = False


@dataclass(frozen=True)
class Run:
    """One classifier to train."""

    recipe: RecipeName
    arm: Arm
    seed: int
    images: int
    epochs: int


def main(settings: Settings) -> None:
    records = json.loads(settings.results.read_text(encoding="utf-8")) if settings.results.is_file() else []
    done = {Run(**{name: record[name] for name in Run.__dataclass_fields__}) for record in records}
    wanted = [] if settings.only_table else [run for run in runs(settings) if run not in done]
    began = time.monotonic()
    parallel = joblib.Parallel(n_jobs=settings.jobs, return_as="generator_unordered", pre_dispatch=settings.jobs)
    in_time = (run for run in wanted if time.monotonic() - began < 60 * settings.minutes)
    for record in parallel(joblib.delayed(one)(run, settings) for run in in_time):
        records.append(record)
        print(json.dumps(record), flush=True)
        keep(records, settings.results)
    print("\n".join(table(records)))


def keep(records: list[dict[str, Any]], path: Path) -> None:
    text = "[\n" + ",\n".join(json.dumps(each) for each in sorted(records, key=order)) + "\n]\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def runs(settings: Settings) -> Iterator[Run]:
    """Seed by seed, so that what is there after an interruption can be compared."""
    for name in settings.recipes:
        recipe = RECIPES[name]
        images, epochs = (FEW, recipe.quick_epochs) if settings.quick else (FULL, recipe.epochs)
        for seed in settings.seeds:
            for arm in (arm for arm in recipe.published if arm in settings.arms):
                yield Run(name, arm, seed, images, settings.epochs or epochs)


def order(record: dict[str, Any]) -> tuple[Any, ...]:
    return list(RECIPES).index(record["recipe"]), record["images"], record["epochs"], record["arm"], record["seed"]


def one(run: Run, settings: Settings) -> dict[str, Any]:
    """Train and measure one classifier."""
    torch.set_num_threads(1)
    recipe = RECIPES[run.recipe]
    task = load_task(recipe.task, data_dir=settings.data_dir, train_images=run.images, shortcut="grey", seed=run.seed)
    assert task.shifted is not None
    split = training_images(task, run)
    steps = run.epochs * math.ceil(len(split) / recipe.batch)
    start = time.monotonic()
    classifier, stopped = trained(recipe, run, task, split, steps, resolve_device(settings.device))
    seconds = time.monotonic() - start
    return asdict(run) | {
        "steps": steps,
        "train_accuracy": accuracy(classifier, split),
        "shifted_accuracy": accuracy(classifier, task.shifted),
        "clean_accuracy": accuracy(classifier, task.clean),
        "stopped": stopped,
        "seconds": round(seconds, 1),
    }


def training_images(task: Task, run: Run) -> Split:
    """All 60,000 where they are wanted: nothing here needs validation images."""
    sound = run.arm == "no_shortcut"
    split, rest = (task.sound_train, task.sound_validation) if sound else (task.train, task.validation)
    assert split is not None
    assert rest is not None
    if run.images < FULL:
        return split
    masks = None if split.shortcut is None or rest.shortcut is None else torch.cat([split.shortcut, rest.shortcut])
    return Split(torch.cat([split.images, rest.images]), torch.cat([split.labels, rest.labels]), shortcut=masks)


def trained(
    recipe: Recipe, run: Run, task: Task, split: Split, steps: int, device: torch.device
) -> tuple[Classifier, str | None]:
    """A classifier trained from scratch, and why it stopped early."""
    start = fresh(recipe, run.seed, task).to(device)
    if recipe.in_passes:
        return trained_in_passes(start, recipe, split, steps, run.seed), None
    how = FinetuneSettings(
        steps=steps, batch_size=recipe.batch, learning_rate=recipe.learning_rate, schedule="constant", reward_weight=0.0
    )
    if run.arm == "rrr":
        assert split.shortcut is not None
        # pixels of 0 to 1 have gradients 255 times as steep
        strength = recipe.strength / 255**2
        found = rrr(start, split, irrelevant=split.shortcut, strength=strength, settings=how, seed=run.seed)
    else:
        found = finetune(start, split, None, lime=LimeSettings(), settings=how, seed=run.seed)
    return found.classifier, found.stopped


def trained_in_passes(classifier: Classifier, recipe: Recipe, split: Split, steps: int, seed: int) -> Classifier:
    """By cross-entropy."""
    batches = math.ceil(len(split) / recipe.batch)
    order, generator = torch.arange(len(split)), torch_generator(seed, "published", "passes")
    classifier = classifier.to(recipe.precision)
    optimiser = torch.optim.Adam(classifier.train().parameters(), lr=recipe.learning_rate)
    for step in range(steps):
        if recipe.shuffled and step % batches == 0:
            order = torch.randperm(len(split), generator=generator)
        chosen = order[step % batches * recipe.batch :][: recipe.batch]
        images = split.images[chosen].to(classifier.device, recipe.precision)
        labels = split.labels[chosen].to(classifier.device)
        squares = torch.stack([parameter.square().sum() for parameter in classifier.parameters()]).sum()
        loss = F.cross_entropy(classifier(images), labels) + recipe.decay / recipe.batch * squares
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


def table(records: list[dict[str, Any]]) -> list[str]:
    """Markdown: means over seeds with 95 % t-intervals, beside what was published, in percent."""
    lines = [
        "| network | images | epochs | arm | seeds | published | here | one more seed | less theirs | each seed |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in sorted(records, key=order):
        groups.setdefault(tuple(record[name] for name in ("recipe", "images", "epochs", "arm")), []).append(record)
    for (name, images, epochs, arm), group in groups.items():
        recipe = RECIPES[name]
        measure = "clean_accuracy" if arm == "no_shortcut" else "shifted_accuracy"
        values = [100 * record[measure] for record in group]
        each = " ".join(f"{value:.1f}" for value in values)
        published = f"{100 * recipe.published[arm]:.2f}".removesuffix("0")
        cells = [
            f"{name} ({recipe.source})",
            f"{images:,}",
            epochs,
            arm,
            len(values),
            published,
            interval(values),
            of_one_more(values),
            less(values, [100 * value for value in recipe.logged.get(arm, ())]),
            each,
        ]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


def interval(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.1f}"
    half = float(scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1))
    return f"{mean(values):.1f} ± {half:.1f}"


def of_one_more(values: list[float]) -> str:
    """The 95 % prediction interval of one more seed, beside which a number published of one seed can be put."""
    if len(values) < 2:
        return "–"
    half = stdev(values) * (1 + 1 / len(values)) ** 0.5 * float(scipy.stats.t.ppf(0.975, len(values) - 1))
    return f"{mean(values) - half:.1f} to {mean(values) + half:.1f}"


def less(values: list[float], logged: list[float]) -> str:
    """The difference of the means, with its 95 % interval, by Welch's t-test."""
    if len(values) < 2 or len(logged) < 2:
        return "–"
    test = scipy.stats.ttest_ind(values, logged, equal_var=False)
    low, high = test.confidence_interval()
    return f"{mean(values) - mean(logged):+.1f} ({low:.1f} to {high:.1f}), p {test.pvalue:.2f}"


if __name__ == "__main__":
    main(tyro.cli(Settings))
