"""What feedback is compared with: other ways to spend as many gradient steps on the same images.

Each method starts from the classifier that it is given, draws the same batches from the same seed and takes every step
with the same optimiser; none reads a test image. Each is an `Objective` of its own terms, on images x' as drawn, or
attacked where `settings.adversarial_epsilon` > 0. What a step costs differs, and a study counts it.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import batch_superpixels, pool
from explainfb.finetuning.batches import AnnotatedMasks, Cutout, training_batches
from explainfb.finetuning.counterexamples import RelevanceMap
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.objective import Objective, Penalty
from explainfb.finetuning.optimisation import Finetuned, OnStep, optimise
from explainfb.finetuning.penalties import irrelevant_gradient, loss_gradient
from explainfb.finetuning.settings import FinetuneSettings, Region
from explainfb.rewards.models import ExplainedImages, to_scale
from explainfb.tasks.task import Split


def cross_entropy(
    classifier: Classifier,
    split: Split,
    *,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """loss(θ) = cross-entropy(x', y): what as many steps without an answer do."""
    objective = Objective(training_batches(split, settings, seed))
    return optimise(classifier, objective.add_gradient, settings=settings, seed=seed, on_step=on_step)


def adversarial_training(
    classifier: Classifier,
    split: Split,
    *,
    epsilon: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """loss(θ) = cross-entropy(x', y), x' = the worst images that PGD finds within ε in L∞ (Madry et al. 2018).

    PGD's steps are those of `settings`; ε is `epsilon`, in [0, 1].
    """
    settings = replace(settings, adversarial_epsilon=epsilon)
    return cross_entropy(classifier, split, settings=settings, seed=seed, on_step=on_step)


def cutout(
    classifier: Classifier,
    split: Split,
    *,
    size: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """loss(θ) = cross-entropy(x', y), x' = images with a black square at a random place (DeVries & Taylor 2017).

    `size` is the square's side as a share of the image's, in (0, 1]. Nobody is asked and nothing is known: what a
    method gains by covering parts of images must lie above this.
    """
    squares = Cutout(size, torch_generator(seed, "cutout"))
    objective = Objective(training_batches(split, settings, seed, squares))
    return optimise(classifier, objective.add_gradient, settings=settings, seed=seed, on_step=on_step)


def rrr(
    classifier: Classifier,
    split: Split,
    *,
    irrelevant: Tensor,
    strength: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """Right for the right reasons: no gradient where the reason should not be (Ross, Hughes & Doshi-Velez 2017).

        loss(θ) = cross-entropy(x', y) + λ · mean_n Σ_d (A_nd · ∂/∂x'_nd Σ_k log p_nk)²

    `irrelevant` (N, H, W) bool is A for every image of `split`; `strength` is λ.
    """
    objective = Objective(
        training_batches(split, settings, seed, AnnotatedMasks(irrelevant)),
        penalties=(Penalty(irrelevant_gradient, weight=strength),),
    )
    return optimise(classifier, objective.add_gradient, settings=settings, seed=seed, on_step=on_step)


def input_gradient(
    classifier: Classifier,
    split: Split,
    *,
    strength: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """Double backprop: small gradients everywhere (Drucker & Le Cun 1992; Ross & Doshi-Velez 2018).

        loss(θ) = cross-entropy(x', y) + λ · mean_n Σ_d (∂/∂x'_nd cross-entropy(x'_n, y_n))²

    `strength` is λ.
    """
    objective = Objective(
        training_batches(split, settings, seed),
        penalties=(Penalty(loss_gradient, weight=strength),),
    )
    return optimise(classifier, objective.add_gradient, settings=settings, seed=seed, on_step=on_step)


def random_exchange(
    classifier: Classifier,
    split: Split,
    *,
    lime: LimeSettings,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """Feedback with a random relevance map: nobody is asked, and half of the superpixels are irrelevant.

        loss(θ) = cross-entropy(x', y) + γ · ‖A ⊙ ∂/∂x' Σ_k log p_k‖², with A drawn anew for every image of every batch

    x' are counterexamples and γ is the gradient penalty as in feedback. Where feedback has the penalty alone, without
    counterexamples, so has this. What feedback gains beyond this it owes to the answers, and not to training on pieces
    of other images.
    """
    relevance_map = RandomRelevance(lime, torch_generator(seed, "random exchange"))
    return known_relevance(
        classifier, split, relevance_map=relevance_map, lime=lime, settings=settings, seed=seed, on_step=on_step
    )


@dataclass(frozen=True, eq=False)
class RandomRelevance:
    """A relevance map that is uniform in [0, 1] for each superpixel, drawn anew at each call."""

    lime: LimeSettings
    """Of which `superpixels` and `n_segments` count."""
    generator: torch.Generator

    def __call__(self, images: Tensor, index: Tensor) -> Tensor:
        """(B, H, W) for images (B, C, H, W)."""
        segments = batch_superpixels(images, self.lime.superpixels, self.lime.n_segments)
        # for each superpixel, not each pixel, whose mean over a superpixel would be about ½ everywhere
        values = torch.rand(len(images), int(segments.max()) + 1, generator=self.generator)  # (B, d)
        return values.gather(1, segments.flatten(1).cpu()).view(segments.shape).to(images)


def known_relevance(
    classifier: Classifier,
    split: Split,
    *,
    relevance_map: RelevanceMap,
    lime: LimeSettings,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """What feedback does, with a relevance map that is given and not learned."""
    # feedback that follows the reward's gradient alone does nothing with a map; then all images are changed
    share = settings.counterexample_share if settings.needs_relevance_map else 1.0
    settings = replace(settings, counterexample_share=share, reward_weight=0.0)
    return finetune(
        classifier, split, None, lime=lime, settings=settings, relevance_map=relevance_map, seed=seed, on_step=on_step
    )


@dataclass(frozen=True, eq=False)
class ConstantMap:
    """A relevance map that is the same for all images: the share of images in which each pixel is relevant.

    It is the best that can be said in one sentence about where to look, and needs no look at any image.
    """

    relevance: Tensor
    """(N, H, W) bool, one mask for every image of the split."""

    def __call__(self, images: Tensor, index: Tensor) -> Tensor:
        """(B, H, W) for images (B, C, H, W)."""
        return self.relevance.float().mean(0).expand(len(images), -1, -1).to(images)


@dataclass(frozen=True, eq=False)
class OracleReward:
    """The simulated annotator's own utility, in place of a reward learned from answers: relevance mass.

        r(x, β) = (Σ_s |β_s| · a_s / Σ_s |β_s| − mean) / std

    a_s is the share of the pixels of superpixel s that are relevant (Arras et al. 2022). It is differentiable in β.
    """

    relevance: Tensor
    """(N, H, W) bool, one mask for every image of the split that is explained."""
    mean: float = 0.0
    std: float = 1.0

    def __call__(self, explained: ExplainedImages) -> Tensor:
        """(B,) rewards."""
        relevance = self.relevance[explained.image_index.to(self.relevance.device)].unsqueeze(1)  # (B, 1, H, W)
        inside = pool(relevance.to(explained.weights), explained.segments, explained.weights.shape[1]).squeeze(1)
        mass = (to_scale(explained.weights, "share").abs() * inside).sum(1)  # (B,)
        return (mass - self.mean) / self.std

    def relevance_map(self, images: Tensor, index: Tensor) -> Tensor:
        """(B, H, W): 1 on relevant pixels of images `index` (B,) of the split, else 0."""
        return self.relevance[index.to(self.relevance.device)].to(images)

    @torch.no_grad()
    def normalised(self, explained: ExplainedImages) -> "OracleReward":
        """With mean 0 and standard deviation 1 over these explanations, as the members of an ensemble have."""
        mass = replace(self, mean=0.0, std=1.0)(explained)
        return replace(self, mean=mass.mean().item(), std=max(mass.std().item(), 1e-6))


def wrong_reasons(split: Split, *, region: Region, seed: int) -> Split:
    """The split as an annotator sees it who wants the reason where it should not be.

    Turned round, the region is the rest of the image. A reward can learn it as well as the right one, so the arm
    differs from feedback in nothing but what is asked for. What helps here cannot help because of what the annotator
    knows: CDEP gains from wrong masks too (Friedrich et al. 2022). At random, the region keeps its size and shape and
    lies elsewhere in each image, wrapped round at the borders.
    """
    if split.relevance is None:
        raise InputError("A wrong annotator needs relevance masks to turn round, and these images have none.")
    return replace(split, relevance=~split.relevance if region == "turned_round" else _rolled(split.relevance, seed))


def _rolled(masks: Tensor, seed: int) -> Tensor:
    """Each of masks (N, H, W) rolled by a number of rows and columns of its own."""
    _, height, width = masks.shape
    places = torch.rand(len(masks), 2, generator=torch_generator(seed, "wrong masks")) * torch.tensor([height, width])
    rolled = [mask.roll(place, (0, 1)) for mask, place in zip(masks, places.long().tolist(), strict=True)]
    return torch.stack(rolled)
