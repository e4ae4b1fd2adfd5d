"""Fine-tuning a classifier until its explanations are ones that people accept.

    loss(θ) = cross-entropy(x', y) − λ · mean_k r_k(x, β_θ(x))

There are three ways to follow the reward r of explanations, and they can be mixed. x' are training images in which what
the reward does not want to count shows another image (`exchange`); so by default, with λ = 0. `gradient_penalty` adds
that the output should not change with what is not to count there (`penalties`). β_θ(x) are LIME's weights in closed
form, differentiable in the classifier's weights θ, so that with λ > 0 they climb the ensemble's mean.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers import Classifier, clone
from explainfb.ensemble import RewardEnsemble
from explainfb.errors import InputError
from explainfb.exchange import Worth, exchange, unwanted_pixels
from explainfb.lime import CHUNK_IMAGES, LimeSettings, differentiable_weights
from explainfb.penalties import irrelevant_gradient
from explainfb.pgd import attack_batch
from explainfb.reward import ExplainedImages
from explainfb.seeds import torch_generator, torch_globally
from explainfb.superpixels import batch_superpixels
from explainfb.tasks import Split

Reward = Callable[[ExplainedImages], Tensor]


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How a classifier follows a reward."""

    steps: int = 160
    """Gradient steps a round."""
    strength: float = 0.0
    """λ: how much a standard deviation of reward counts beside the cross-entropy; 0 leaves the gradient of explanations
    out. Alone, without `exchanged`, 0.7 did best."""
    learning_rate: float = 2e-3
    """Of Adam at the round's first step."""
    schedule: Literal["linear", "constant"] = "linear"
    """Whether the learning rate falls linearly to nothing at the round's last step, or stays."""
    batch: int = 64
    """Images a step for the cross-entropy."""
    explained: int = 12
    """Images a step whose explanation is rewarded."""
    masks: int = 48
    """Masks an explanation in a step, drawn anew each time."""
    exchanged: float = 1.0
    """The share of the cross-entropy's images whose unwanted superpixels show another training image."""
    gradient_penalty: float = 0.0
    """λ of a penalty on the gradient of the log-probabilities where superpixels are unwanted, on the images of the
    cross-entropy: that of `rrr`, with what the answers taught in place of pixel masks. 0 leaves it out."""
    adversarial_epsilon: float = 0.0
    """The largest change of a pixel by which the cross-entropy's images, exchanged or not, are made worse for the
    classifier before it learns from them (Madry et al. 2018), and with them those of the penalties of `rrr` and
    `input_gradient`; 0 leaves them as they are."""
    adversarial_steps: int = 7
    """Steps of PGD for each batch."""
    adversarial_relative_step: float = 0.25
    """A step of PGD as a share of epsilon."""
    evidence: float = 0.01
    """A round's reward is followed only where p ≤ this, in a test of whether it foretells answers that it was not
    fitted to better than a coin's could be; else the round leaves the classifier as it is. 1 follows every reward."""

    def __post_init__(self) -> None:
        positive = ("steps", "learning_rate", "batch", "explained", "adversarial_steps", "adversarial_relative_step")
        for name in positive:
            if not getattr(self, name) > 0:
                raise InputError(f"finetune.{name} must be greater than 0; found {getattr(self, name)}.")
        if self.schedule not in ("linear", "constant"):
            raise InputError(f"finetune.schedule is 'linear' or 'constant'; found {self.schedule!r}.")
        if not 0 <= self.exchanged <= 1:
            raise InputError(f"finetune.exchanged is a share in [0, 1]; found {self.exchanged}.")
        if not 0 <= self.gradient_penalty < float("inf"):
            raise InputError(f"finetune.gradient_penalty must be at least 0; found {self.gradient_penalty}.")
        if not 0 <= self.adversarial_epsilon <= 1:
            raise InputError(
                f"finetune.adversarial_epsilon is a change of pixels in [0, 1]; found {self.adversarial_epsilon}."
            )
        if not 0 < self.evidence <= 1:
            raise InputError(f"finetune.evidence is a probability in (0, 1]; found {self.evidence}.")
        if self.masks < 4 or self.masks % 2:
            raise InputError(f"finetune.masks must be an even number of at least 4; found {self.masks}.")

    @property
    def needs_worth(self) -> bool:
        """Whether anything asks what each place of an image is worth."""
        return self.exchanged > 0 or self.gradient_penalty > 0


@dataclass(frozen=True)
class FinetunePoint:
    """One step, for a curve."""

    step: int
    cross_entropy: float
    reward: float
    """The mean reward; of a method that adds a penalty, minus the penalty."""


@dataclass(frozen=True)
class Finetuned:
    """The classifier after fine-tuning, and whether it had to stop early."""

    classifier: Classifier
    stopped: str | None
    """Why it stopped before its last step, in a sentence; None when it did not."""


OnStep = Callable[[FinetunePoint], None]
AddGradient = Callable[[Classifier], tuple[Tensor, Tensor]]
"""Adds the gradient of one step's loss to a classifier in training mode; returns the cross-entropy and the reward."""
Adversary = Callable[[Classifier, Tensor, Tensor], Tensor]
"""(classifier in training mode, images, labels) → the images that it learns from."""


class Method(Protocol):
    """One round of gradient steps on a copy of a classifier."""

    def __call__(
        self,
        classifier: Classifier,
        split: Split,
        *,
        settings: FinetuneSettings,
        seed: int,
        on_step: OnStep | None = None,
    ) -> Finetuned: ...


def finetune(
    classifier: Classifier,
    split: Split,
    reward: Reward | None,
    *,
    lime: LimeSettings,
    settings: FinetuneSettings = FinetuneSettings(),
    worth: Worth | None = None,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Finetuned:
    """A copy of `classifier` tuned on `split`; without a reward, by cross-entropy alone on the same images.

    `worth` says which superpixels `settings.exchanged` and `settings.gradient_penalty` are about; by default an
    ensemble's own maps do, and with neither they are not asked. With `settings.adversarial_epsilon` the cross-entropy
    is that of the images that PGD makes of those, and of no others.
    Raises `InputError` where a reward is given that these settings would not follow.
    Stops before a step whose loss or gradient is not finite, and says so; the classifier is then the last good one.
    """
    if worth is None and isinstance(reward, RewardEnsemble) and settings.needs_worth:
        worth = _own_worth(reward)
    if reward is not None and settings.strength == 0 and (worth is None or not settings.needs_worth):
        raise InputError(
            "This reward would not be followed: it has no maps that say what to exchange, and finetune.strength is 0; "
            "give it a strength, such as 0.7, or give `worth`."
        )
    draws, explained_draws = batch_draws(seed), torch_generator(seed, "finetune", "explained")
    exchanges = torch_generator(seed, "finetune", "exchanged")
    worsened = adversary(settings, seed)
    lime = replace(lime, masks=settings.masks, backend="closed_form")

    def exchanged(images: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor | None]:
        """The images that are learned from, and (B, H, W) where the penalty wants no gradient."""
        if worth is None or not settings.needs_worth:
            return images, None
        segments = batch_superpixels(images, lime.superpixels, lime.segments).to(images.device)
        wanted = worth(images, chosen)
        some = round(settings.exchanged * len(images))
        if some:
            changed = exchange(
                images[:some], segments[:some], wanted[:some], background=split.images, generator=exchanges
            )
            images = torch.cat([changed, images[some:]])
        return images, unwanted_pixels(wanted, segments) if settings.gradient_penalty else None

    def add_gradient(tuned: Classifier) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(split), (settings.batch,), generator=draws)
        labels = split.labels[chosen].to(tuned.device)
        images, irrelevant = exchanged(split.images[chosen].to(tuned.device), chosen)
        images = worsened(tuned, images, labels).requires_grad_(irrelevant is not None)
        logits = tuned(images)
        cross_entropy = F.cross_entropy(logits, labels)
        loss, gain = cross_entropy, cross_entropy.new_zeros(())
        if irrelevant is not None:
            against = irrelevant_gradient(images, logits, irrelevant)
            loss, gain = loss + settings.gradient_penalty * against, -against.detach()
        loss.backward(inputs=[parameter for parameter in tuned.parameters() if parameter.requires_grad])
        if reward is not None and settings.strength != 0:
            tuned.eval()  # as it will be explained: without dropout, and no running mean learns from masked images
            for group in _groups(len(split), settings, tuned.comfortable_batch, explained_draws):
                part = reward(explain_batch(tuned, split, group, lime, explained_draws)).sum() / settings.explained
                (-settings.strength * part).backward()
                gain = gain + part.detach()
            tuned.train()
        return cross_entropy.detach(), gain

    return descend(classifier, add_gradient, settings=settings, seed=seed, on_step=on_step)


def _own_worth(reward: RewardEnsemble) -> Worth:
    return lambda images, _: reward.worth(images)


def descend(
    classifier: Classifier,
    add_gradient: AddGradient,
    *,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """A copy of `classifier` after `settings.steps` steps of Adam along the gradients that `add_gradient` adds.

    Stops before a step whose loss or gradient is not finite; the classifier is then the last good one.
    """
    tuned = clone(classifier)
    tuned.train()
    parameters = [parameter for parameter in tuned.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
    end = 1 / settings.steps if settings.schedule == "linear" else 1.0
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, end, total_iters=settings.steps)
    stopped = None
    with torch_globally(seed, "finetune", "dropout", device=tuned.device):
        for step in range(1, settings.steps + 1):
            optimiser.zero_grad(set_to_none=True)
            running = [buffer.clone() for buffer in tuned.buffers()]
            cross_entropy, gain = add_gradient(tuned)
            norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            if not (torch.isfinite(cross_entropy - gain) and torch.isfinite(norm)):
                for buffer, before in zip(tuned.buffers(), running, strict=True):
                    buffer.copy_(before)
                stopped = f"Fine-tuning stopped at step {step}: the loss or its gradient was not finite."
                break
            optimiser.step()
            schedule.step()
            if on_step is not None:
                on_step(FinetunePoint(step, cross_entropy.item(), gain.item()))
    return Finetuned(tuned.eval(), stopped)


def leave(
    classifier: Classifier,
    split: Split,
    *,
    why: str,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """A round that leaves the classifier as it is."""
    return Finetuned(clone(classifier).eval(), why)


def batch_draws(seed: int) -> torch.Generator:
    """Where a round's batches are drawn from: every method that draws them from here sees the same images."""
    return torch_generator(seed, "finetune", "batches")


def adversary(settings: FinetuneSettings, seed: int) -> Adversary:
    """The images as PGD changes them against the classifier as it will be used, with its running statistics kept.

    Where `settings.adversarial_epsilon` is 0, the images as they are.
    """
    starts = torch_generator(seed, "adversarial training", "starts")

    def worsened(tuned: Classifier, images: Tensor, labels: Tensor) -> Tensor:
        if settings.adversarial_epsilon == 0:
            return images
        tuned.eval()
        attacked = attack_batch(
            tuned,
            images,
            labels,
            epsilon=settings.adversarial_epsilon,
            steps=settings.adversarial_steps,
            relative_step=settings.adversarial_relative_step,
            generator=starts,
        )
        tuned.train()
        return attacked

    return worsened


def _groups(images: int, settings: FinetuneSettings, comfortable: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of the images to explain, in groups whose perturbed images stay in the processor's cache."""
    index = torch.randint(images, (settings.explained,), generator=generator)
    yield from index.split(max(1, min(CHUNK_IMAGES, comfortable) // settings.masks))


def explain_batch(
    classifier: Classifier, split: Split, index: Tensor, lime: LimeSettings, generator: torch.Generator
) -> ExplainedImages:
    """Images `index` of `split` with the explanations of their labels, differentiable in the classifier."""
    images, labels = split.images[index].to(classifier.device), split.labels[index].to(classifier.device)
    segments = batch_superpixels(split.images[index], lime.superpixels, lime.segments).to(classifier.device)
    weights = differentiable_weights(
        classifier, images, segments, labels, settings=lime, background=split.images, generator=generator
    )
    return ExplainedImages(images, segments, weights, index)
