"""How good an explanation is: whether it is true, by four measures of the field, and whether its reason is.

Faithfulness, which knows nothing of where the reason should be:

- Deletion and insertion (Petsiuk et al. 2018): the class's probability while superpixels are hidden, or shown, the
  strongest first. The area under the first curve is small for a faithful explanation, under the second large.
- Infidelity (Yeh et al. 2019): how far the summed weights of what is hidden are from the probability that is lost.
- Sensitivity (Yeh et al. 2019): how far the weights move when the image is changed by less than anybody would see.

The relevance mass (Arras et al. 2022) is how much of an explanation lies where the reason should be.
"""

import numpy as np
import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, check_classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.core.types import BoolArray, FloatArray, check_images
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.settings import Fill
from explainfb.explanations.superpixels import coverage


def deletion(
    classifier: Classifier,
    image: Tensor,
    explanation: Explanation,
    *,
    fill: Fill = "blur",
    background: Tensor | None = None,
    seed: int = 0,
) -> FloatArray:
    """(d + 1,) probabilities of the explained class of one image (C, H, W), in [0, 1], while superpixels are hidden.

    Those that speak for the class most go first. `fill` says what is put in their place, as in `LimeSettings`. The area
    under the curve is its mean. Raises `InputError` for an image of another shape than the explanation's.

    >>> from explainfb import LimeSettings, TrainingSettings, deletion, explain, insertion, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier, image = train(task, settings=TrainingSettings(steps=100)), task.shifted.images[0]
    >>> (why,) = explain(classifier, image[None], settings=LimeSettings(n_samples=256, fill="blur"))
    >>> bool(deletion(classifier, image, why).mean() < insertion(classifier, image, why).mean())
    True
    """
    masks = _strongest_first(explanation)
    return _probabilities(classifier, image, explanation, 1 - masks, fill, background, seed)


def insertion(
    classifier: Classifier,
    image: Tensor,
    explanation: Explanation,
    *,
    fill: Fill = "blur",
    background: Tensor | None = None,
    seed: int = 0,
) -> FloatArray:
    """(d + 1,) probabilities of the explained class, in [0, 1], while superpixels of a hidden image are shown.

    Arguments as for `deletion`. The first is the probability of the image with everything hidden, the last the image's.

    >>> from explainfb import LimeSettings, TrainingSettings, explain, insertion, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier, image = train(task, settings=TrainingSettings(steps=100)), task.shifted.images[0]
    >>> (why,) = explain(classifier, image[None], settings=LimeSettings(n_samples=256, fill="blur"))
    >>> insertion(classifier, image, why).shape
    (50,)
    """
    masks = _strongest_first(explanation)
    return _probabilities(classifier, image, explanation, masks, fill, background, seed)


def infidelity(
    classifier: Classifier,
    image: Tensor,
    explanation: Explanation,
    *,
    fill: Fill = "blur",
    background: Tensor | None = None,
    n_samples: int = 256,
    seed: int = 0,
) -> float:
    """The mean of (Σ weights of hidden superpixels − lost probability)² over random masks; 0 is perfect.

    Each superpixel is hidden by the toss of a coin. In squared units of probability.

    >>> from explainfb import LimeSettings, TrainingSettings, explain, infidelity, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier, image = train(task, settings=TrainingSettings(steps=100)), task.shifted.images[0]
    >>> (why,) = explain(classifier, image[None], settings=LimeSettings(n_samples=256, fill="blur"))
    >>> 0 <= infidelity(classifier, image, why) < 1
    True
    """
    generator = torch_generator(seed, "infidelity")
    masks = torch.randint(2, (n_samples, len(explanation.weights)), generator=generator).float()
    kept = _probabilities(classifier, image, explanation, masks, fill, background, seed)
    hidden_weight = (1 - masks.double().numpy()) @ explanation.weights
    return float(np.mean((hidden_weight - (explanation.probability - kept)) ** 2))


def sensitivity(
    explainer: Explainer,
    image: Tensor,
    explanation: Explanation,
    *,
    radius: float = 0.02,
    changes: int = 10,
    seed: int = 0,
) -> float:
    """The largest ‖β' − β‖ / ‖β‖ over `changes` copies of one image (C, H, W) that are changed by noise.

    Every pixel is moved by at most `radius`; β' are the weights that `explainer` gives such a copy, for the same class
    and superpixels. With few masks much of it is their error: compare it with `1 - explanation.reliability`.

    >>> from explainfb import Explainer, LimeSettings, TrainingSettings, load_task, sensitivity, train
    >>> task = load_task("digits-decoy")
    >>> classifier, image = train(task, settings=TrainingSettings(steps=100)), task.shifted.images[0]
    >>> explainer = Explainer(classifier, settings=LimeSettings(n_samples=256, fill="zero"))
    >>> (why,) = explainer(image[None])
    >>> sensitivity(explainer, image, why, changes=2) > 0
    True
    """
    copies = changed_slightly(image, radius, changes, seed)
    segments, targets = [explanation.segments] * changes, [explanation.target] * changes
    moved = np.stack([item.weights for item in explainer(copies, segments=segments, targets=targets)])
    size = float(np.linalg.norm(explanation.weights))
    if size == 0:
        raise InputError("Sensitivity is relative to the weights, and those of this explanation are all 0.")
    return float(np.max(np.linalg.norm(moved - explanation.weights, axis=1))) / size


def changed_slightly(image: Tensor, radius: float, copies: int, seed: int) -> Tensor:
    """(copies, C, H, W) the image with noise that is uniform in ±`radius`, in [0, 1]."""
    generator = torch_generator(seed, "sensitivity")
    noise = torch.rand(copies, *image.shape, generator=generator) * 2 - 1
    return (image.cpu() + radius * noise).clamp(0, 1)


def _strongest_first(explanation: Explanation) -> Tensor:
    """(d + 1, d) masks of none, the strongest, the two strongest … all superpixels."""
    order = np.argsort(-explanation.weights, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return torch.from_numpy(place[None] < np.arange(len(order) + 1)[:, None]).float()


@torch.no_grad()
def _probabilities(
    classifier: Classifier,
    image: Tensor,
    explanation: Explanation,
    masks: Tensor,
    fill: Fill,
    background: Tensor | None,
    seed: int,
) -> FloatArray:
    """(N,) of the explained class under masks (N, d)."""
    check_classifier(classifier)
    check_images(image[None])
    if tuple(image.shape[1:]) != explanation.segments.shape:
        raise InputError(
            f"The explanation is of an image of {explanation.segments.shape} pixels; found {tuple(image.shape[1:])}."
        )
    device = classifier.device
    labels = torch.from_numpy(explanation.segments)[None].to(device)
    perturber = Perturber(image[None].to(device), labels, fill, background)
    generator = torch_generator(seed, "faithfulness")
    classifier.eval()
    found = []
    for part in masks.split(classifier.comfortable_batch):
        outputs = classifier(perturber(part[None].to(device), generator)[0]).softmax(1)
        found.append(outputs[:, explanation.target].double().cpu())
    probabilities: FloatArray = torch.cat(found).clamp(0, 1).numpy()  # rounding takes a softmax past 1
    return probabilities


def relevance_mass(explanation: Explanation, relevance: BoolArray) -> float:
    """The share in [0, 1] of the explanation's absolute weight that lies on `relevance` (H, W).

    The weight of a superpixel is spread evenly over its pixels. An explanation without any weight gets 0.
    """
    inside = coverage(relevance, explanation.segments)  # (d,)
    strength = np.abs(explanation.weights)
    total = float(strength.sum())
    return float((strength * inside).sum()) / total if total > 0 else 0.0
