"""Changes to feedback, or to what it is compared with, that are not settings of a study."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from arms import Arm, feedback, trained
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, load_classifier
from explainfb.core.seeding import derive, torch_generator
from explainfb.explanations.lime import sample_perturbations
from explainfb.explanations.storage import Explanations, save_explanations
from explainfb.explanations.superpixels import batch_superpixels
from explainfb.finetuning.counterexamples import irrelevant_superpixels, make_counterexamples
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import Finetuned, Method
from explainfb.preferences.queries import Pool
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.study.rounds import Loop
from explainfb.study.settings import StudySettings
from explainfb.tasks.shortcuts import Shortcut
from explainfb.tasks.task import Split, Task

MOVED = 2
"""By how many pixels, at most, a copy of an image is moved."""
Found = tuple[Classifier, dict[str, Any]]


class SharedWorth(Loop):
    """What a place is worth is the mean over 500 training images, the same for all."""

    def _follow(self, number: int, reward: RewardEnsemble) -> Method:
        doubt = self._doubt(number)
        if doubt is not None:
            return super()._follow(number, reward)
        everywhere = reward.relevance_map(self.task.train.images[:500]).mean(0)
        worth = lambda images, _: everywhere.expand(len(images), -1, -1)  # noqa: E731
        return partial(finetune, reward=reward, lime=self.settings.lime, relevance_map=worth)


class Agreed(Loop):
    """A superpixel is exchanged only where every member of the ensemble finds it worth less than its image's mean."""

    def _follow(self, number: int, reward: RewardEnsemble) -> Method:
        doubt = self._doubt(number)
        if doubt is not None:
            return super()._follow(number, reward)
        members = [RewardEnsemble([member]) for member in reward.members]  # type: ignore[list-item]
        lime = self.settings.lime

        def wanted_by_some(images: Tensor, _: Tensor) -> Tensor:
            segments = batch_superpixels(images, lime.superpixels, lime.n_segments)
            by_all = torch.stack(
                [irrelevant_superpixels(member.relevance_map(images), segments) for member in members]
            ).all(0)
            return (~by_all).float().gather(1, segments.flatten(1)).view(segments.shape)

        return partial(finetune, reward=reward, lime=lime, relevance_map=wanted_by_some)


class TwoClasses(Loop):
    """A coin decides of each explanation whether it says why the likeliest class, or why the second."""

    def _explain(self, pool: Pool) -> None:
        found: Explanations = {}
        coin = torch_generator(self.settings.seed, "two classes", pool.round)
        asked = {
            name: self.classifier(int(name.removeprefix("round-"))) for name in {key.classifier for key in pool.keys}
        }
        for key in pool.keys:
            near = sample_perturbations(
                asked[key.classifier],
                self.task.train.images[key.image],
                settings=self.settings.lime,
                background=self.task.train.images,
                seed=self.settings.seed,
            )
            second = int(torch.randint(2, (), generator=coin))
            found[key] = near.explain(int(near.plain.argsort(descending=True)[second]))
        save_explanations(found, self.explanations_path(pool.round))


@dataclass(frozen=True, kw_only=True)
class ExplainedElsewhere(Loop):
    """The images of `task` are explained and compared; those of `tuned_on` are tuned on."""

    tuned_on: Split

    def _follow(self, number: int, reward: RewardEnsemble) -> Method:
        method = super()._follow(number, reward)

        def elsewhere(classifier: Classifier, split: Split, **others: Any) -> Finetuned:
            return method(classifier, self.tuned_on, **others)

        return elsewhere


def exchanged_explained(folder: Path, settings: StudySettings, task: Task) -> Found:
    """Images half of whose superpixels show another image are explained; annotators judge them as the others."""
    trained(folder, settings, task)
    generator = torch_generator(settings.seed, "exchanged images")
    images = task.train.images
    worth = torch.rand(len(images), 7, 7, generator=generator)
    worth = F.interpolate(worth[:, None], size=images.shape[2:], mode="nearest")[:, 0]
    segments = batch_superpixels(images, settings.lime.superpixels, settings.lime.n_segments)
    mixed = make_counterexamples(images, segments, worth, background=images, generator=generator)
    changed = replace(task, train=replace(task.train, images=mixed))
    return feedback(folder, settings, changed, kind=partial(ExplainedElsewhere, tuned_on=task.train))


def augmented(folder: Path, settings: StudySettings, task: Task) -> Found:
    """Beside each image a copy moved by up to two pixels, patch and all, is explained and tuned on."""
    trained(folder, settings, task)
    return feedback(folder, settings, replace(task, train=with_moved(task.train, settings.seed)))


def augmented_ceiling(folder: Path, settings: StudySettings, task: Task) -> Found:
    """The ceiling with the same copies."""
    assert task.sound_train is not None
    assert task.sound_validation is not None
    images = with_moved(task.sound_train, settings.seed)
    sound = replace(task, train=images, validation=task.sound_validation)
    return trained(folder, settings, sound, name="-sound-moved"), {}


def with_moved(split: Split, seed: int) -> Split:
    """The images and as many moved copies, masks and all; where a copy has nothing to show it is black."""
    generator = torch_generator(seed, "moved")
    places = torch.randint(2 * MOVED + 1, (len(split), 2), generator=generator).tolist()

    def moved(maps: Tensor, fill: float) -> Tensor:
        height, width = maps.shape[-2:]
        wide = F.pad(maps.float(), (MOVED,) * 4, value=fill)
        copies = [one[..., r : r + height, c : c + width] for one, (r, c) in zip(wide, places, strict=True)]
        return torch.cat([maps, torch.stack(copies).to(maps.dtype)])

    masks = {name: moved(mask, 0) for name in ("relevance", "shortcut") if (mask := getattr(split, name)) is not None}
    return Split(moved(split.images, 0), split.labels.repeat(2), **masks)


def averaged(folder: Path, settings: StudySettings, task: Task) -> Found:
    """The mean of the weights that the last three rounds of feedback end with."""
    learned = feedback(folder, settings, task)[1]
    paths = [folder / "classifiers" / f"round-{number}.safetensors" for number in range(1, settings.rounds + 1)][-3:]
    states = [load_classifier(path).state_dict() for path in paths]
    mean = load_classifier(paths[-1])
    mean.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    return mean, learned


def random_patches(folder: Path, settings: StudySettings, task: Task) -> Found:
    """Trained from the start on images whose patch says nothing: what knowing the shortcut itself can reach."""
    assert task.sound_train is not None
    assert task.sound_validation is not None
    images, validation = (
        with_random_patches(split, task, settings, name)
        for split, name in ((task.sound_train, "train"), (task.sound_validation, "validation"))
    )
    blind = replace(task, train=images, validation=validation)
    return trained(folder, settings, blind, name="-random-patches"), {}


def with_random_patches(split: Split, task: Task, settings: StudySettings, name: str) -> Split:
    """Images without a shortcut, each with that of a class drawn at random."""
    height, width = task.image_shape[1:]
    classes = len(task.class_names)
    hints = torch.randint(classes, (len(split),), generator=torch_generator(settings.seed, "random patches", name))
    shortcut = Shortcut(settings.shortcut, classes, height, width)
    images, mask = shortcut.plant(split.images, hints, seed=derive(settings.seed, "random patches", name))
    return replace(split, images=images, shortcut=mask)


LEADS: dict[str, Arm] = {
    "shared_worth": partial(feedback, kind=SharedWorth),
    "agreed": partial(feedback, kind=Agreed),
    "two_classes": partial(feedback, kind=TwoClasses),
    "exchanged_explained": exchanged_explained,
    "augmented": augmented,
    "augmented_ceiling": augmented_ceiling,
    "averaged": averaged,
    "random_patches": random_patches,
}
