"""A control variate for explanations whose hidden superpixels show other images.

Under the fill `data` most of an explanation's error is the accident of which image b stood behind which mask z. The
classifier is therefore distilled (Hinton et al. 2015), once, into a generalised additive model of such mixtures of an
image x and a background b, in which each place adds its own logits (Hastie & Tibshirani 1986):

    g(z, b) = softmax( Σ_s z_s · a_s(x) + (1 − z_s) · a_s(b) + c )

a_s(x) is linear in the pixels of superpixel s, at most 32 a side, and in x's own log-probabilities. It costs next to
nothing, so its mean over z and b is known from tens of thousands of mixtures, and the classifier need only be asked
where it differs:

    β = β[mean of g] + β[f − g]

The first is fitted to those mixtures, the second to the masks that the classifier is asked about. Both have the
estimand of β[f], whatever g is: a bad g costs precision, and never shifts an explanation.
"""

from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.passes import usual_images
from explainfb.core.seeding import torch_generator
from explainfb.core.types import IntArray
from explainfb.explanations.perturbation import draw_masks
from explainfb.explanations.settings import LimeSettings

MIXTURES = 4096
"""How many mixtures of two images the classifier is distilled from."""
ITERATIONS = 40
"""Of L-BFGS, after which little is gained: on digits after feedback R² is .92 after 30 and .93 after 60."""
DECAY = 1e-4
"""Strength of the weight decay of the distilled model."""
SIDE = 32
"""Larger images are averaged to at most this many pixels a side for it."""
LEAST_PROBABILITY = 1e-4
"""Probabilities are raised to it before their logarithm is taken, so that none weighs without end."""
COMPONENTS = 9
"""How many principal components of the classifier's answers on the backgrounds are covariates."""
PART = 256
"""Images whose contributions are computed at a time."""
KNOWN_LOGITS = 2**19
"""How many logits are held at most for the distilled model's own mean: those of 52,428 mixtures of 10 classes."""
MOST_KNOWN = 2**16
"""How many mixtures they are of at most."""


class LinearMaps(NamedTuple):
    """What each pixel adds to the logits: the distilled model."""

    pixels: Tensor
    """(C·h·w, K) logits by pixel."""
    answers: Tensor
    """(): how much of an image's own log-probabilities its pixels add, all of them together."""
    bias: Tensor
    """(K,)"""


@dataclass(frozen=True, eq=False)
class ControlVariate:
    """A classifier's distilled model, and what it says of every background image."""

    background: Tensor
    """(M, C, H, W)"""
    answers: Tensor
    """(M, K) the classifier's own probabilities on them."""
    maps: LinearMaps
    settings: LimeSettings
    seed: int
    explained: float
    """R² of the distilled model on mixtures that it was not fitted to."""
    _known: dict[bytes, "KnownMixtures"] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def known(self, segments: IntArray) -> "KnownMixtures":
        """What can be known beforehand for superpixels (H, W); kept, since a grid is the same for every image."""
        key = segments.tobytes()
        with self._lock:  # or several threads would prepare the same
            found = self._known.get(key)
            if found is None:
                self._known.clear()  # superpixels that follow an image's edges do not come again
                found = self._known[key] = KnownMixtures(self, segments)
        return found


class KnownMixtures:
    """The distilled model's answers for one division into superpixels.

    Mixtures of an unknown image with the background images are prepared up to what the image itself adds, and with them
    the regression that gives β[mean of g].
    """

    def __init__(self, model: ControlVariate, segments: IntArray) -> None:
        self.maps = model.maps
        self.paired = model.settings.sampling != "lime"
        self.cells = _cells(segments, model.background.shape[2:])  # (h·w, d)
        self.background = self.contributions(model.background, model.answers)  # (M, d, K)
        count = min(MOST_KNOWN, max(2, KNOWN_LOGITS // len(model.maps.bias) // 2 * 2))
        generator = torch_generator(model.seed, "known mixtures")
        self.masks, weights = draw_masks(count, self.cells.shape[1], model.settings.sampling, generator)
        behind = even_draws(len(model.background), len(self.masks), generator)
        # classes first, here and in `_shown`: over a short last axis a softmax takes twenty times as long
        self.logits = self.background_logits(self.masks, behind).T.contiguous()  # (K, J)
        # what is explained by which background it is, whatever the image: under each mask it is 0 on average
        hidden = 1 - self.masks.mean(1, keepdim=True)
        known = _principal_components(model.answers)[behind]
        self.regressors = torch.cat([self.masks, known, known * hidden, known * hidden.square()], 1)
        centred = self.regressors.double() - weights @ self.regressors.double() / weights.sum()
        weighted = centred.T * weights
        gram = weighted @ centred + model.settings.alpha * torch.eye(centred.shape[1], dtype=torch.float64)
        # float32, because it is large and what it gives is far less precise than that
        self.projection = torch.linalg.solve(gram, weighted).float()  # (d + covariates, J)
        self.squared = self.projection[: self.cells.shape[1]].square()

    def contributions(self, images: Tensor, answers: Tensor) -> Tensor:
        """(B, d, K) logits that the superpixels of images (B, C, H, W) with probabilities (B, K) add."""
        own = self.maps.answers * _logarithm(answers) / self.cells.sum()  # (B, K) by pixel
        weights = self.maps.pixels.unflatten(0, (images.shape[1], -1))  # (C, h·w, K)
        by_place = [
            # one class and superpixel need every pixel, so a few images at a time bound what is held
            torch.einsum("bpk,pd->bdk", torch.einsum("bcp,cpk->bpk", _shrink(part).flatten(2), weights), self.cells)
            for part in images.split(PART)
        ]
        return torch.cat(by_place) + self.cells.sum(0)[:, None] * own[:, None]

    def background_logits(self, masks: Tensor, chosen: Tensor) -> Tensor:
        """(N, K) what the hidden places of backgrounds `chosen` (N,) add under masks (N, d), with the bias."""
        parts = [
            torch.einsum("nd,ndk->nk", 1 - some, self.background[behind])
            for some, behind in zip(masks.split(4 * PART), chosen.split(4 * PART), strict=True)
        ]
        return torch.cat(parts) + self.maps.bias

    def mean_weights(self, contributions: Tensor, target: int) -> tuple[Tensor, Tensor]:
        """(d,) weights of the distilled model for an image that adds `contributions` (d, K), and their variances."""
        outputs = (self.logits + self._shown(contributions)).softmax(0)[target]
        residuals = outputs - outputs.mean()  # any constant does: the projection takes it to 0
        coefficients = self.projection @ residuals
        residuals = residuals - self.regressors @ coefficients
        variances = self.squared @ (residuals - residuals.mean()).square()
        return coefficients[: len(variances)].double(), variances.double()

    def _shown(self, contributions: Tensor) -> Tensor:
        """(K, J) what the image adds where it is shown."""
        if not self.paired:
            return contributions.T @ self.masks.T
        first = contributions.T @ self.masks[: len(self.masks) // 2].T
        # of complements, at half the price
        return torch.cat([first, contributions.sum(0)[:, None] - first], 1)


def _principal_components(answers: Tensor) -> Tensor:
    """(M, c) what tells answers (M, K) apart, centred; c at most `COMPONENTS`."""
    centred = (answers - answers.mean(0)).double()
    _, directions = torch.linalg.eigh(centred.T @ centred)
    # probabilities add up to 1, so the first direction is empty
    components: Tensor = centred @ directions[:, 1:][:, -COMPONENTS:]
    return components.float()


def even_draws(images: int, count: int, generator: torch.Generator) -> Tensor:
    """(count,) indices of images, each drawn as often as every other, or once more."""
    rounds = -(-count // images)
    return torch.cat([torch.randperm(images, generator=generator) for _ in range(rounds)])[:count]


def fit_control_variate(
    classifier: Classifier,
    background: Tensor,
    *,
    settings: LimeSettings,
    seed: int = 0,
    at_a_time: int | None = None,
) -> ControlVariate:
    """Distil `classifier`, asking it about `background` (M, C, H, W) and 4,096 mixtures of two images of these,
    `at_a_time` so many."""
    at_a_time = at_a_time or usual_images(classifier)
    generator = torch_generator(seed, "control variate")
    answers = _probabilities(classifier, background, at_a_time)
    shown, hidden = (even_draws(len(background), MIXTURES, generator) for _ in range(2))
    # a grid of about as many cells as an explanation has superpixels
    side = max(2, round(settings.n_segments**0.5))
    masks, _ = draw_masks(MIXTURES, side * side, "leverage", generator)
    masks = masks[torch.randperm(len(masks), generator=generator)]
    cells = masks.view(-1, 1, side, side)
    taught = []
    for part in torch.arange(len(masks)).split(at_a_time):
        visible = F.interpolate(cells[part], size=background.shape[2:], mode="nearest")
        mixed = torch.lerp(background[hidden[part]], background[shown[part]], visible)
        taught.append(_probabilities(classifier, mixed, at_a_time))
    small = _shrink(background)
    visible = F.interpolate(cells, size=small.shape[2:], mode="nearest")
    pixels = torch.lerp(small[hidden], small[shown], visible).flatten(1)
    share = visible.mean((1, 2, 3)).unsqueeze(1)
    own = torch.lerp(_logarithm(answers[hidden]), _logarithm(answers[shown]), share)
    maps, explained = _distil(pixels, own, torch.cat(taught))
    return ControlVariate(background, answers, maps, settings, seed, explained)


def _distil(pixels: Tensor, own: Tensor, taught: Tensor) -> tuple[LinearMaps, float]:
    """The multinomial regression of probabilities `taught` (N, K) on pixels (N, P) and on `own` (N, K), all with one
    coefficient; and its R² on an eighth that it is not fitted to."""
    fitted = len(pixels) * 7 // 8
    maps = LinearMaps(
        pixels.new_zeros(pixels.shape[1], taught.shape[1]), pixels.new_zeros(()), taught.new_zeros(taught.shape[1])
    )
    for tensor in maps:
        tensor.requires_grad_()
    optimiser = torch.optim.LBFGS(maps, max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe")

    def logits(part: slice) -> Tensor:
        return pixels[part] @ maps.pixels + maps.answers * own[part] + maps.bias

    def loss() -> Tensor:
        optimiser.zero_grad()
        entropy = -(taught[:fitted] * logits(slice(fitted)).log_softmax(1)).sum(1).mean()
        value = entropy + DECAY / 2 * maps.pixels.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    with torch.no_grad():
        kept = slice(fitted, None)
        wrong = (logits(kept).softmax(1) - taught[kept]).square().sum()
        total = (taught[kept] - taught[kept].mean(0)).square().sum()
    return LinearMaps(*(tensor.detach() for tensor in maps)), float(1 - wrong / total.clamp_min(1e-12))


@torch.no_grad()
def _probabilities(classifier: Classifier, images: Tensor, at_a_time: int) -> Tensor:
    """(N, K) on the CPU, by the classifier in evaluation mode."""
    classifier.eval()
    parts = images.split(at_a_time)
    return torch.cat([classifier(part.to(classifier.device)).softmax(1).cpu() for part in parts])


def _shrink(images: Tensor) -> Tensor:
    """(B, C, h, w), h and w at most `SIDE`."""
    height, width = (min(SIDE, side) for side in images.shape[2:])
    return torch.cat([F.adaptive_avg_pool2d(part, (height, width)) for part in images.split(PART)])


def _logarithm(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(LEAST_PROBABILITY).log()


def _cells(segments: IntArray, shape: torch.Size) -> Tensor:
    """(h·w, d): which share of each pixel of a shrunken image belongs to each superpixel."""
    labels = torch.from_numpy(segments)
    every = F.one_hot(labels).movedim(-1, 0).float()  # (d, H, W)
    return _shrink(every[None])[0].flatten(1).T.contiguous()
