"""SP-LIME on images: which images of a task to look at first."""

from dataclasses import replace

import numpy as np
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import FloatArray
from explainfb.explanations.explainer import explain
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import grid
from explainfb.selection.picked import Pick
from explainfb.selection.submodular import submodular_pick
from explainfb.tasks.task import Task


def pick(
    classifier: Classifier,
    task: Task,
    *,
    budget: int = 8,
    among: int = 200,
    images: Tensor | None = None,
    top: int = 10,
    settings: LimeSettings = LimeSettings(),
    seed: int = 0,
) -> Pick:
    """The images of a task whose explanations together show the most of what a classifier goes by (SP-LIME).

    Explains `among` images and picks `budget` of them as `submodular_pick` does. The images are drawn at random from
    the task's validation images, so that nobody decides by test images; `images` (N, C, H, W) in [0, 1] replace them.
    Each is explained for the class that is predicted, and speaks by its `top` superpixels that stand out from their
    error. Interpretable components are the cells of one grid over all images, of as many cells as there are superpixels
    in an image: a superpixel that lies on several cells is shared among them by area. A component is so a *place*:
    where things lie elsewhere in each image, the pick tells places that matter and not things.

    `indices` count the images that were chosen from: those given, or the task's validation images. Raises `InputError`
    as `explain` does, and for a budget, `among` or `top` below 1.

    >>> from explainfb import LimeSettings, TrainingSettings, load_task, pick, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> lime = LimeSettings(n_samples=100, fill="zero")
    >>> picked = pick(classifier, task, budget=4, among=20, settings=lime)
    >>> len(picked.indices), picked.importances.shape
    (4, (49,))
    >>> picked.save("sp-lime.png")
    """
    for name, number in (("budget", budget), ("among", among), ("top", top)):
        if number < 1:
            raise InputError(f"A pick needs {name} of at least 1; found {number}.")
    drawn: list[int] = []
    if images is None:
        order = numpy_generator(seed, "pick").permutation(len(task.validation))
        drawn = sorted(order[:among].tolist())
        images = task.validation.images[drawn]
    explanations = explain(classifier, images, settings=settings, background=task.train.images, seed=seed)
    weights = np.stack([grid_weights(each, top, settings.n_segments) for each in explanations])
    picked = submodular_pick(weights, budget)
    shown = tuple(explanations[index] for index in picked.indices)
    indices = tuple(drawn[index] for index in picked.indices) if drawn else picked.indices
    return replace(picked, indices=indices, explanations=shown)


def grid_weights(explanation: Explanation, top: int, cells: int) -> FloatArray:
    """(d',): the weights of the `top` superpixels that stand out, on a grid of about `cells` cells.

    A superpixel gives each cell the share of its weight that the cell has of its pixels.
    """
    strongest = explanation.top(top)
    labels = explanation.segments.ravel()
    shown = np.zeros_like(explanation.weights)
    shown[strongest] = explanation.weights[strongest] / np.bincount(labels)[strongest]
    height, width = explanation.segments.shape
    places = grid(height, width, cells)
    weights: FloatArray = np.bincount(places.ravel(), weights=np.abs(shown)[labels]).astype(np.float64)
    return weights
