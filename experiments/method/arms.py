"""What a probe does in place of the study's feedback arm: the ends, controls, and feedback itself."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, load_classifier, save_classifier
from explainfb.classifiers.training import train
from explainfb.core.progress import Progress
from explainfb.core.seeding import derive, torch_generator
from explainfb.explanations.lime import explain
from explainfb.explanations.superpixels import pool
from explainfb.finetuning import baselines
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import Method
from explainfb.preferences.simulated import CoinAnnotator, SimulatedAnnotator
from explainfb.rewards.models import ExplainedImages
from explainfb.store import Store
from explainfb.study.rounds import Loop
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task

Arm = Callable[[Path, StudySettings, Task], tuple[Classifier, dict[str, Any]]]
"""(the probe's folder, its settings, the task) → the classifier in the end, and what else is told of it.

What probes share lies in `start`, beside the folder."""


def trained(folder: Path, settings: StudySettings, task: Task, *, name: str = "") -> Classifier:
    """A classifier trained on the task, once for all probes; `name` tells training images apart."""
    path = folder.parent / "start" / f"{settings.task}-{settings.seed}{name}.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_classifier(train(task, settings=settings.training, seed=settings.seed), path)
    return load_classifier(path)


def before(folder: Path, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    return trained(folder, settings, task), {}


def ceiling(folder: Path, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    assert task.sound_train is not None
    assert task.sound_validation is not None
    sound = replace(task, train=task.sound_train, validation=task.sound_validation)
    return trained(folder, settings, sound, name="-sound"), {}


def longer_ceiling(folder: Path, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    """The ceiling after as many more steps of cross-entropy, at the same rates, as feedback takes."""
    assert task.sound_train is not None
    sound = replace(task, train=task.sound_train)
    method = partial(finetune, reward=None, lime=settings.lime)
    return every_round(ceiling(folder, settings, task)[0], settings, sound, method), {}


def random_exchange(folder: Path, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    """Nobody is asked, and half of the superpixels are exchanged, drawn anew each time."""
    method = partial(baselines.random_exchange, lime=settings.lime)
    return every_round(trained(folder, settings, task), settings, task, method), {}


def rrr(folder: Path, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    """Pixel masks on every image."""
    assert task.train.relevance is not None
    method = partial(baselines.rrr, irrelevant=~task.train.relevance, strength=settings.baselines.rrr_strength)
    return every_round(trained(folder, settings, task), settings, task, method), {}


def feedback(
    folder: Path, settings: StudySettings, task: Task, *, coin: bool = False, kind: Callable[..., Loop] = Loop
) -> tuple[Classifier, dict[str, Any]]:
    """The study's own arm; with `coin` it learns from a coin's answers; `kind` is a loop with a change."""
    (folder / "classifiers").mkdir(parents=True, exist_ok=True)
    save_classifier(trained(folder, settings, task), folder / "classifiers" / "round-0.safetensors")
    annotator: SimulatedAnnotator | CoinAnnotator = CoinAnnotator(seed=settings.seed)
    if not coin:
        annotator = SimulatedAnnotator(split=task.train, seed=settings.seed, error_rate=settings.error_rate)
    with Store(folder / "study.db") as store:
        loop = kind(
            folder=folder,
            task=task,
            settings=settings,
            device=torch.device("cpu"),
            progress=Progress(),
            name="coin" if coin else "feedback",
            store=store,
            annotator=annotator,
        )
        loop.run()
        accuracies = [row["reward_accuracy"] for row in loop.preferences()["by_round"]]
    return loop.classifier(settings.rounds), {"reward_accuracy": accuracies, "stopped": loop.stopped}


def oracle(folder: Path, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    """Every round follows the annotator's utility, brought to a standard deviation of 1 over 200 explanations."""
    assert task.train.relevance is not None
    relevance = task.train.relevance.float()
    annotator = SimulatedAnnotator(split=task.train, seed=settings.seed)

    def utility(explained: ExplainedImages, deviation: float) -> Tensor:
        inside = pool(relevance[explained.image_index][:, None], explained.segments, explained.weights.shape[1])[:, 0]
        strength = explained.weights.abs()
        return (strength * inside).sum(1) / strength.sum(1).clamp_min(1e-8) / deviation

    classifier = trained(folder, settings, task)
    for number in range(1, settings.rounds + 1):
        some = torch.randperm(len(task.train), generator=torch_generator(settings.seed, "oracle", number))[:200]
        explained = explain(classifier, task.train.images[some], settings=settings.lime, background=task.train.images)
        shares = torch.tensor([annotator.utility(item, int(i)) for item, i in zip(explained, some, strict=True)])
        classifier = finetune(
            classifier,
            task.train,
            partial(utility, deviation=float(shares.std())),
            lime=settings.lime,
            settings=settings.finetune,
            seed=derive(settings.seed, "finetune", number),
        ).classifier
    return classifier, {}


def every_round(classifier: Classifier, settings: StudySettings, task: Task, method: Method) -> Classifier:
    """The classifier after as many rounds of a method as the study has, on the batches of its rounds."""
    for number in range(1, settings.rounds + 1):
        seed = derive(settings.seed, "finetune", number)
        classifier = method(classifier, task.train, settings=settings.finetune, seed=seed).classifier
    return classifier


ARMS: dict[str, Arm] = {
    "before": before,
    "ceiling": ceiling,
    "longer_ceiling": longer_ceiling,
    "feedback": feedback,
    "coin": partial(feedback, coin=True),
    "oracle": oracle,
    "random_exchange": random_exchange,
    "rrr": rrr,
}
