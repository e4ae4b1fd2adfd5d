"""How true a classifier's explanations are to it, measured on some of the images that are explained."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from explainfb.core.seeding import derive
from explainfb.core.types import FloatArray
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import deletion, infidelity, insertion, sensitivity
from explainfb.results.measures import DELETION, INFIDELITY, INSERTION, SENSITIVITY

INFIDELITY_MASKS = 128
"""An image, of which infidelity is the mean: images differ far more than masks do."""
CHANGES = 2
"""Copies of an image that are explained anew for its sensitivity: nearly all that faithfulness costs."""

Faithfulness = Mapping[str, FloatArray]
"""By the key of a measure: (n,) a value for each image."""


def measure_faithfulness(
    explainer: Explainer, images: Tensor, explanations: Sequence[Explanation], *, seed: int
) -> Faithfulness | None:
    """Of `images` (n, C, H, W) with the `explanations` that `explainer` gave them.

    What is hidden is filled as for the explanations. An explanation without any weight, as of a classifier that is sure
    of one class whatever it is shown, says nothing that could be true or false, and is left out; None where all are.
    """
    classifier, fill, background = explainer.classifier, explainer.settings.fill, explainer.background
    rows: list[tuple[float, ...]] = []
    for index, (image, explanation) in enumerate(zip(images, explanations, strict=True)):
        if not explanation.weights.any():
            continue
        own = derive(seed, "faithfulness", index)
        removed = deletion(classifier, image, explanation, fill=fill, background=background, seed=own)
        shown = insertion(classifier, image, explanation, fill=fill, background=background, seed=own)
        infidel = infidelity(
            classifier, image, explanation, fill=fill, background=background, n_samples=INFIDELITY_MASKS, seed=own
        )
        moved = sensitivity(explainer, image, explanation, changes=CHANGES, seed=own)
        rows.append((float(removed.mean()), float(shown.mean()), infidel, moved))
    if not rows:
        return None
    measures = (DELETION, INSERTION, INFIDELITY, SENSITIVITY)
    return {measure.key: np.array(column) for measure, column in zip(measures, zip(*rows, strict=True), strict=True)}
