"""What feedback is compared with: other ways to spend as many gradient steps on the same images.

Each method starts from the classifier that it is given, draws the same batches from the same seed and takes every step
with the same optimiser; none reads a test image. What a step costs differs: `budget` counts it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import batch_superpixels, pool
from explainfb.finetuning.feedback import adversary, finetune
from explainfb.finetuning.optimisation import Finetuned, OnStep, batch_draws, optimise
from explainfb.finetuning.penalties import irrelevant_gradient, loss_gradient
from explainfb.finetuning.settings import FinetuneSettings, Region
from explainfb.rewards.models import ExplainedImages, to_scale
from explainfb.tasks.task import Split

Penalty = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(images, logits, labels, which images of the split they are) → what is held against the classifier, to be lowered."""


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

        loss(θ) = cross-entropy + λ · mean_n Σ_d (A_nd · ∂/∂x_nd Σ_k log p_nk)²

    `irrelevant` (N, H, W) bool is A for every image of `split`; `strength` is λ; x are the images that `settings` makes
    worse, where it does.
    """

    def penalty(images: Tensor, logits: Tensor, _: Tensor, chosen: Tensor) -> Tensor:
        return irrelevant_gradient(images, logits, irrelevant[chosen])

    return _penalised(classifier, split, penalty, strength, settings, seed, on_step)


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

    loss(θ) = cross-entropy + λ · mean_n Σ_d (∂/∂x_nd cross-entropy(x_n, y_n))²; x are the images of `rrr`.
    """

    def penalty(images: Tensor, logits: Tensor, labels: Tensor, _: Tensor) -> Tensor:
        return loss_gradient(images, logits, labels)

    return _penalised(classifier, split, penalty, strength, settings, seed, on_step)


def _penalised(
    classifier: Classifier,
    split: Split,
    penalty: Penalty,
    strength: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None,
) -> Finetuned:
    """Cross-entropy and `strength` times the penalty on the same images, both on those that `settings` makes worse."""
    draws, worsened = batch_draws(seed), adversary(settings, seed)

    def add_gradient(tuned: Classifier) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(split), (settings.batch_size,), generator=draws)
        labels = split.labels[chosen].to(tuned.device)
        images = worsened(tuned, split.images[chosen].to(tuned.device), labels).requires_grad_()
        logits = tuned(images)
        cross_entropy = F.cross_entropy(logits, labels)
        against = penalty(images, logits, labels, chosen)
        (cross_entropy + strength * against).backward(inputs=[p for p in tuned.parameters() if p.requires_grad])
        return cross_entropy.detach(), -against.detach()

    return optimise(classifier, add_gradient, settings=settings, seed=seed, on_step=on_step)


def random_exchange(
    classifier: Classifier,
    split: Split,
    *,
    lime: LimeSettings,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """The exchange of superpixels with nobody asked: half of them, drawn anew for every image of every batch.

    Where feedback has a gradient penalty, so has this, on the superpixels that were drawn; where feedback exchanges
    nothing and has the penalty alone, this has it alone.
    What feedback gains beyond this it owes to the answers, and not to training on pieces of other images.
    """
    generator = torch_generator(seed, "random exchange")

    def relevance_map(images: Tensor, _: Tensor) -> Tensor:
        segments = batch_superpixels(images, lime.superpixels, lime.n_segments)
        values = torch.rand(len(images), int(segments.max()) + 1, generator=generator)
        return values.gather(1, segments.flatten(1).cpu()).view(segments.shape).to(images)

    settings = replace(
        settings,
        counterexample_share=settings.counterexample_share if settings.needs_relevance_map else 1.0,
        reward_weight=0.0,
    )
    return finetune(
        classifier, split, None, lime=lime, settings=settings, relevance_map=relevance_map, seed=seed, on_step=on_step
    )


def adversarial_training(
    classifier: Classifier,
    split: Split,
    *,
    epsilon: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """Cross-entropy on the worst images that PGD finds within `epsilon` in L∞, and on no others (Madry et al. 2018).

    PGD's steps are those of `settings`. It is fine-tuning without a reward.
    """
    attacked = replace(settings, adversarial_epsilon=epsilon)
    return finetune(classifier, split, None, lime=LimeSettings(), settings=attacked, seed=seed, on_step=on_step)


@dataclass(frozen=True, eq=False)
class OracleReward:
    """The simulated annotator's own utility, in place of a reward learned from answers.

    The share of the absolute weight that lies on the relevant pixels, differentiable in the weights.
    """

    relevance: Tensor
    """(N, H, W) bool, one for every image of the split that is explained."""
    mean: float = 0.0
    std: float = 1.0

    def __call__(self, explained: ExplainedImages) -> Tensor:
        """(B,) rewards."""
        relevance = self.relevance[explained.image_index.to(self.relevance.device)].unsqueeze(1)
        inside = pool(relevance.to(explained.weights), explained.segments, explained.weights.shape[1]).squeeze(1)
        shares = (to_scale(explained.weights, "share").abs() * inside).sum(1)
        return (shares - self.mean) / self.std

    def relevance_map(self, images: Tensor, index: Tensor) -> Tensor:
        """(B, H, W): 1 where the weight of these images of the split should lie, else 0."""
        return self.relevance[index.to(self.relevance.device)].to(images)

    @torch.no_grad()
    def normalised(self, explained: ExplainedImages) -> "OracleReward":
        """With mean 0 and standard deviation 1 over these explanations, as the members of an ensemble have."""
        shares = replace(self, mean=0.0, std=1.0)(explained)
        return replace(self, mean=shares.mean().item(), std=max(shares.std().item(), 1e-6))


def wrong_reasons(split: Split, *, region: Region, seed: int) -> Split:
    """The split as an annotator sees it who wants the reason where it should not be.

    Turned round, the region is the rest of the image: a reward can learn it as well as the right one, so that the arm
    differs from feedback in nothing but what is asked for. Whatever helps here does not help because of what the
    annotator knows; methods that gain from wrong masks, as CDEP does (Friedrich et al. 2022), gain from something else.
    At random, the region keeps size and shape and lies elsewhere in each image, wrapped round at the borders.
    """
    if split.relevance is None:
        raise InputError("A wrong annotator needs relevance masks to turn round, and these images have none.")
    return replace(split, relevance=~split.relevance if region == "turned_round" else _moved(split.relevance, seed))


def _moved(masks: Tensor, seed: int) -> Tensor:
    """Each of masks (N, H, W) rolled by a number of rows and columns of its own."""
    _, height, width = masks.shape
    places = torch.rand(len(masks), 2, generator=torch_generator(seed, "wrong masks")) * torch.tensor([height, width])
    rolled = [mask.roll(place, (0, 1)) for mask, place in zip(masks, places.long().tolist(), strict=True)]
    return torch.stack(rolled)
