"""Fine-tuning a classifier until its explanations are ones that people accept.

    loss(θ) = cross-entropy(x', y) + γ · ‖A(x) · ∂/∂x' Σ_k log p_k‖² − λ · mean_k r_k(x, β_θ(x))

There are three ways to follow the reward r of explanations, and they can be mixed. x' are training images in which what
the reward does not want to count shows another image (`exchange`); so by default, with γ = λ = 0. A(x) are the pixels
of those superpixels, with which the output should not change where γ > 0 (`penalties`). β_θ(x) are LIME's weights in
closed form, differentiable in the classifier's weights θ, so that with λ > 0 they climb the ensemble's mean. Each term
is a mean over images.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.lime import CHUNK_IMAGES, differentiable_weights
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import batch_superpixels
from explainfb.finetuning.counterexamples import RelevanceMap, irrelevant_pixels, make_counterexamples
from explainfb.finetuning.optimisation import Finetuned, OnStep, batch_draws, optimise
from explainfb.finetuning.penalties import irrelevant_gradient
from explainfb.finetuning.settings import DEFAULT, FinetuneSettings
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.models import ExplainedImages
from explainfb.robustness.pgd import attack_batch
from explainfb.tasks.task import Split

Reward = Callable[[ExplainedImages], Tensor]
Adversary = Callable[[Classifier, Tensor, Tensor], Tensor]
"""(classifier in training mode, images, labels) → the images that it learns from."""


def finetune(
    classifier: Classifier,
    split: Split,
    reward: Reward | None,
    *,
    lime: LimeSettings,
    settings: FinetuneSettings = DEFAULT,
    relevance_map: RelevanceMap | None = None,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Finetuned:
    """A copy of `classifier` tuned on `split`; without a reward, by cross-entropy alone on the same images.

    `relevance_map` says which superpixels `settings.exchanged` and `settings.gradient_penalty` are about; by default an
    ensemble's own maps do, and with neither they are not asked. With `settings.adversarial_epsilon` the cross-entropy
    is that of the images that PGD makes of those, and of no others.
    Raises `InputError` where a reward is given that these settings would not follow.
    Stops before a step whose loss or gradient is not finite, and says so; the classifier is then the last good one.
    """
    if relevance_map is None and isinstance(reward, RewardEnsemble) and settings.needs_relevance_map:
        relevance_map = _own_relevance_map(reward)
    if (
        reward is not None
        and settings.reward_weight == 0
        and (relevance_map is None or not settings.needs_relevance_map)
    ):
        raise InputError(
            "This reward would not be followed: finetune.reward_weight is 0, and it has no maps that say what is "
            "irrelevant, or finetune.counterexample_share and finetune.gradient_penalty are 0; give it a weight, such "
            "as 0.7, or `relevance_map`."
        )
    if reward is not None and relevance_map is None and settings.gradient_penalty > 0:
        raise InputError(
            "finetune.gradient_penalty needs maps that say what is irrelevant, and this reward has none; give "
            "`relevance_map`, or leave the penalty at 0."
        )
    draws, explained_draws = batch_draws(seed), torch_generator(seed, "finetune", "explained")
    exchanges = torch_generator(seed, "finetune", "exchanged")
    worsened = adversary(settings, seed)
    lime = replace(lime, n_samples=settings.n_samples, backend="closed_form")

    def prepared(images: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor | None]:
        """The images that are learned from, and (B, H, W) where the penalty wants no gradient."""
        some = round(settings.counterexample_share * len(images))
        asked = len(images) if settings.gradient_penalty > 0 else some
        if relevance_map is None or asked == 0:
            return images, None
        segments = batch_superpixels(images[:asked], lime.superpixels, lime.n_segments).to(images.device)
        wanted = relevance_map(images[:asked], chosen[:asked])
        if some:
            changed = make_counterexamples(
                images[:some], segments[:some], wanted[:some], background=split.images, generator=exchanges
            )
            images = torch.cat([changed, images[some:]])
        return images, irrelevant_pixels(wanted, segments) if settings.gradient_penalty > 0 else None

    def add_gradient(tuned: Classifier) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(split), (settings.batch_size,), generator=draws)
        labels = split.labels[chosen].to(tuned.device)
        images, irrelevant = prepared(split.images[chosen].to(tuned.device), chosen)
        images = worsened(tuned, images, labels).requires_grad_(irrelevant is not None)
        logits = tuned(images)
        cross_entropy = F.cross_entropy(logits, labels)
        loss, gain = cross_entropy, cross_entropy.new_zeros(())
        if irrelevant is not None:
            against = irrelevant_gradient(images, logits, irrelevant)
            loss, gain = loss + settings.gradient_penalty * against, -against.detach()
        loss.backward(inputs=[parameter for parameter in tuned.parameters() if parameter.requires_grad])
        if reward is not None and settings.reward_weight != 0:
            tuned.eval()  # as it will be explained: without dropout, and no running mean learns from masked images
            for group in _groups(len(split), settings, tuned.comfortable_batch, explained_draws):
                part = (
                    reward(explain_batch(tuned, split, group, lime, explained_draws)).sum()
                    / settings.explain_batch_size
                )
                (-settings.reward_weight * part).backward()
                gain = gain + part.detach()
            tuned.train()
        return cross_entropy.detach(), gain

    return optimise(classifier, add_gradient, settings=settings, seed=seed, on_step=on_step)


def _own_relevance_map(reward: RewardEnsemble) -> RelevanceMap:
    return lambda images, _: reward.relevance_map(images)


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
    index = torch.randint(images, (settings.explain_batch_size,), generator=generator)
    yield from index.split(max(1, min(CHUNK_IMAGES, comfortable) // settings.n_samples))


def explain_batch(
    classifier: Classifier, split: Split, index: Tensor, lime: LimeSettings, generator: torch.Generator
) -> ExplainedImages:
    """Images `index` of `split` with the explanations of their labels, differentiable in the classifier."""
    images, labels = split.images[index].to(classifier.device), split.labels[index].to(classifier.device)
    segments = batch_superpixels(split.images[index], lime.superpixels, lime.n_segments).to(classifier.device)
    weights = differentiable_weights(
        classifier, images, segments, labels, settings=lime, background=split.images, generator=generator
    )
    return ExplainedImages(images, segments, weights, index)
