"""Checks of the images and labels, before any network sees them."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.stats import binom
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from explainfb.core.seeding import derive
from explainfb.core.types import FloatArray, IntArray
from explainfb.doctor.linear import features
from explainfb.doctor.pictures import draw_fed_images
from explainfb.doctor.setup import Finding, Setup
from explainfb.tasks.stored.on_demand import PART, lowest_and_highest
from explainfb.tasks.task import Split

CHANCE = 0.001
"""The probability that labels which have nothing to do with the images pass by luck."""
NEAR = 0.61
"""Pictures whose `nearness` is less have neighbours that tell something."""
NEIGHBOURS = 500
"""Images at most whose distances are measured."""
SAMPLE = 2000
"""Images at most that a simple model is fitted to."""


def network_inputs(setup: Setup) -> Finding:
    """The pixels use [0, 1], and after its own normalisation the network is fed numbers around 0, of order 1."""
    sample = setup.sample(64)
    fed = fed_to_network(setup, sample.images)
    mean, std, (low, high) = float(fed.mean()), float(fed.std()), (float(bound) for bound in torch.aminmax(fed))
    bottom, top = lowest_and_highest(setup.task.train.images)
    return Finding(
        "network inputs",
        bottom >= 0 and 0.1 < top <= 1 and abs(mean) < 2 and 0.2 < std < 5,
        "pixels in [0, 1] that reach above 0.1; the network is fed a mean within ±2 and a std of 0.2 to 5",
        f"pixels in [{bottom:.3g}, {top:.3g}]; fed: mean {mean:.2f}, std {std:.2f}, in [{low:.3g}, {high:.3g}]",
        "Divide 8-bit pictures by 255 once, and give the Architecture the mean and std of pixels in [0, 1]."
        + (" Pictures this dark may have 12 bits in files of 16: multiply their levels by 16." if top <= 0.1 else ""),
        draw_fed_images(setup.folder, fed, sample.labels, setup.task.class_names) if setup.folder else None,
    )


def fed_to_network(setup: Setup, images: Tensor) -> Tensor:
    """What reaches the network inside the classifier, after the classifier's own preprocessing."""
    # by a hook, because a classifier's preprocessing is its own, and may not be what its settings say
    classifier, fed = setup.subject().eval(), []
    with classifier.network.register_forward_pre_hook(lambda module, inputs: fed.append(inputs[0].detach().cpu())):
        setup.predict(classifier, images)
    return torch.cat(fed)


def class_balance(setup: Setup) -> Finding:
    """Every class has training images, the largest at most five times as many as the smallest."""
    names, counts = setup.task.class_names, _counts(setup.task.train, len(setup.task.class_names))
    smallest, largest = int(np.argmin(counts)), int(np.argmax(counts))
    seen = f"{counts[smallest]} of {names[smallest]!r} to {counts[largest]} of {names[largest]!r}"
    for split, name in ((setup.task.validation, "validation"), (setup.task.clean, "test")):
        missing = [names[label] for label, count in enumerate(_counts(split, len(names))) if count == 0]
        seen += f"; no {name} images of {', '.join(missing)}" if missing else ""
    return Finding(
        "class balance",
        bool(0 < counts[largest] <= 5 * counts[smallest]),
        "training images of every class, at most 5 times as many of one as of another",
        seen,
        "Add images of the rare classes or drop some of the common ones; accuracy alone will hide the rare ones.",
    )


def _counts(split: Split, classes: int) -> IntArray:
    return np.bincount(split.labels.numpy(), minlength=classes)


def separate_splits(setup: Setup) -> Finding:
    """No image stands in two splits; images are compared at 8 bits a pixel, without the planted shortcut."""
    task = setup.task
    trained = task.train_without_shortcut or task.train
    validated = task.validation_without_shortcut or task.validation
    train, validation, test = (_fingerprints(split) for split in (trained, validated, task.clean))
    repeats = {
        f"{len(validation)} validation images in training": _shared(validation, train) / len(validation),
        f"{len(test)} test images in training": _shared(test, train) / len(test),
        f"{len(test)} test images in validation": _shared(test, validation) / len(test),
    }
    if task.shifted is not None and task.shifted.shortcut_class is None:  # other pictures than the test's
        shifted = _fingerprints(task.shifted)
        repeats[f"{len(shifted)} shifted test images in training"] = _shared(shifted, train) / len(shifted)
    return Finding(
        "separate splits",
        max(repeats.values()) <= 0.005,
        "at most 0.5 % of a split's images in another",
        "; ".join(f"{share:.1%} of {what}" for what, share in repeats.items()),
        "Remove the images that stand twice; accuracy on images that were trained on says nothing.",
    )


def _shared(asked: list[bytes], known: list[bytes]) -> int:
    there = set(known)
    return sum(image in there for image in asked)


def _fingerprints(split: Split) -> list[bytes]:
    # at 8 bits, so that a copy that was saved and read again is found
    return [
        hashlib.sha256(image.numpy().tobytes()).digest()
        for part in split.images.split(PART)
        for image in (part * 255).round().byte()
    ]


def labels_follow_images(setup: Setup) -> Finding:
    """Neighbours in pixel space, or a linear model, tell the labels better than chance, in each split.

    On photographs such models are little better than chance though the labels are right. So labels are called wrong
    only where they could have been told: by the neighbours of pictures that have near ones, or because the same models
    tell those of the training images so well that they would have told these too.
    """
    task = setup.task
    train, reference = setup.sample(SAMPLE), setup.sample(SAMPLE, split=task.train_without_shortcut)
    told = {
        name: _simple_models(known, asked, setup.seed)
        for name, known, asked in (
            ("training", train, None),
            ("validation", train, setup.sample(SAMPLE, split=task.validation)),
            ("test", reference, setup.sample(SAMPLE, split=task.clean)),
        )
    }
    near = nearness(features(train.images)) < NEAR
    wrong = [name for name, found in told.items() if not found.passes and found.would_pass(told["training"], near)]
    judged = told["training"].passes and all(found.passes or found.too_few for found in told.values())
    seen = "; ".join(f"{name} {found.rate:.1%} (chance {found.chance:.1%})" for name, found in told.items())
    passed = False if wrong else True if judged else None
    return Finding(
        "labels follow images",
        passed,
        "5 nearest neighbours or a ridge classifier on the pixels tell labels they have not seen better than chance",
        seen
        if passed is not None
        else f"not judged, because models as simple as these tell little of such pictures, or these are few: {seen}",
        f"Look at the contact sheet. The labels of the {' and the '.join(wrong)} images do not go with the images: "
        "they may have been shuffled apart, or be wrong.",
    )


@dataclass(frozen=True)
class _Told:
    """How many labels of a split a simple model told."""

    right: int
    asked: int
    chance: float
    """The share of the commonest class."""

    @property
    def rate(self) -> float:
        return self.right / self.asked

    @property
    def needed(self) -> int:
        """How many must be right, for less luck than allowed; one more than there are where no number would do."""
        # six chances to be lucky: two models on each of three splits
        return int(binom.isf(CHANCE / 6, self.asked, self.chance)) + 1

    @property
    def passes(self) -> bool:
        return self.right >= self.needed

    @property
    def too_few(self) -> bool:
        """Whether even all right could be luck."""
        return self.needed > self.asked

    def would_pass(self, training: "_Told", near: bool) -> bool:
        """Whether right labels would have been told: of pictures with near neighbours, or at the rate of training."""
        if self.too_few:
            return False
        return near or (training.passes and float(binom.sf(self.needed - 1, self.asked, training.rate)) > 1 - CHANCE)


def nearness(rows: FloatArray) -> float:
    """How far the nearest image is, as a share of how far any other one is, both medians; rows is (N, pixels).

    About .3 to .6 for handwritten digits and clothes, .63 and more for photographs: there the nearest is hardly nearer
    than the rest, and says nothing (Beyer et al. 1999).
    """
    rows = rows[:NEIGHBOURS]
    distances = cdist(rows, rows)
    others = ~np.eye(len(rows), dtype=bool)
    nearest = np.where(others, distances, np.inf).min(1)
    return float(np.median(nearest) / max(float(np.median(distances[others])), 1e-12)) if len(rows) > 1 else 1.0


def _simple_models(known: Split, asked: Split | None, seed: int) -> _Told:
    """What the better of two models tells; cross-validated on `known` where nothing is asked."""
    train, labels = features(known.images), known.labels.numpy()
    questions, answers = (train, labels) if asked is None else (features(asked.images), asked.labels.numpy())
    folds = KFold(min(5, len(labels)), shuffle=True, random_state=derive(seed, "doctor", "folds") % 2**32)
    right = 0
    for model in (KNeighborsClassifier(min(5, max(1, len(labels) // 2))), RidgeClassifier(alpha=1.0)):
        told = (
            cross_val_predict(model, train, labels, cv=folds)
            if asked is None
            else model.fit(train, labels).predict(questions)
        )
        right = max(right, int((told == answers).sum()))
    return _Told(right, len(answers), float(np.max(np.bincount(answers)) / len(answers)))
