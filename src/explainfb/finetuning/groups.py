"""Rivals that nobody tells where to look: they count images that lack the shortcut for more, or count on them alone.

They need a shortcut that is not in every training image. `jtt` guesses which images lack it, `group_dro` and `dfr` are
told the group of each, its label and what its shortcut says. The same steps and optimiser as feedback, but for what is
said of each; as in their papers, a study has the first two start from fresh weights, a pretrained network's with a new
head: a classifier that knows its training images by heart has little left to learn from those it would count for more.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, clone
from explainfb.classifiers.loading.layers import head_of
from explainfb.classifiers.training import predict_logits
from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import FloatArray
from explainfb.finetuning.batches import Batch, Batches, training_batches
from explainfb.finetuning.objective import Objective
from explainfb.finetuning.optimisation import Finetuned, FinetunePoint, OnStep, optimise
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.tasks.task import Split

BALANCED_FITS = 10
"""How many last layers are averaged, each fitted to as many images of every group."""


def jtt(
    classifier: Classifier,
    split: Split,
    *,
    first: Classifier,
    factor: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """loss(θ) = mean_n w_n · cross-entropy(x'_n, y_n): just train twice (Liu et al. 2021).

    w is `factor` for the images that `first` gets wrong and 1 for the others, over its mean. `first` was trained for
    few steps: what it gets wrong are mostly images that its shortcut does not explain.
    """
    wrong = predict_logits(first, split.images).argmax(1) != split.labels
    weights = torch.where(wrong, factor, 1.0)
    weights /= weights.mean()

    def weighted(batch: Batch, logits: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, batch.labels, reduction="none")
        return (weights[batch.index].to(losses) * losses).mean()

    objective = Objective(training_batches(split, settings, seed), fit=weighted)
    return optimise(classifier, objective.add_gradient, settings=settings, seed=seed, on_step=on_step)


def group_dro(
    classifier: Classifier,
    split: Split,
    *,
    step: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """loss(θ) = Σ_g q_g · cross-entropy of group g: distributionally robust optimisation (Sagawa et al. 2020).

    Batches have as many images of every group on average. After each of them q_g grows by exp(`step` · loss_g).
    """
    groups = groups_of(split)
    plain = training_batches(split, settings, seed)
    batches = BalancedBatches(split, plain.size, plain.generator, plain.augmentations, groups=groups)
    objective = Objective(batches, fit=WorstGroups(groups, step))
    return optimise(classifier, objective.add_gradient, settings=settings, seed=seed, on_step=on_step)


def groups_of(split: Split) -> Tensor:
    """(N,) 0 … G−1, the group of each image: its label and what its shortcut says, or what else it is.

    Raises `InputError` where nobody knows, or where each label is one group.
    """
    found = split.subgroups()
    if found is None or len(found.unique()) == len(split.labels.unique()):
        raise InputError(
            "Groups are told apart by images whose shortcut is missing or says another class, or by groups.csv; these "
            "have none. Plant the shortcut with a --shortcut-rate below 1."
        )
    numbered: Tensor = found.unique(return_inverse=True)[1]
    return numbered


@dataclass(frozen=True, eq=False)
class BalancedBatches(Batches):
    """Batches in which every group is as likely as every other."""

    groups: Tensor = field(kw_only=True)
    """(N,) 0 … G−1."""

    def indices(self) -> Tensor:
        share = 1 / self.groups.bincount()[self.groups].double()
        return torch.multinomial(share, self.size, replacement=True, generator=self.generator)


class WorstGroups:
    """The groups' losses, weighted by what each has lost so far."""

    def __init__(self, groups: Tensor, step: float) -> None:
        self.groups, self.step = groups, step
        count = int(groups.max()) + 1
        self.weights = torch.full((count,), 1 / count)
        """(G,) q, which sums to 1."""

    def __call__(self, batch: Batch, logits: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, batch.labels, reduction="none")
        group = self.groups[batch.index].to(losses.device)
        weights = self.weights.to(losses)
        counts = group.bincount(minlength=len(weights))
        mean = torch.zeros_like(weights).index_add(0, group, losses) / counts.clamp_min(1)
        weights = weights * (self.step * mean.detach()).exp()
        weights = weights / weights.sum()
        self.weights = weights.detach().cpu()
        return (weights * mean).sum()


def dfr(
    classifier: Classifier,
    split: Split,
    *,
    known: Split,
    inverse_strength: float,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """Deep feature reweighting: a new last layer, fitted to as many images of every group (Kirichenko et al. 2023).

    The mean of ten L1-penalised logistic regressions on what the layer is given, standardised, for images `known` whose
    groups are known; `inverse_strength` is C, the inverse of the penalty's weight. The rest of the network stays.
    Raises `InputError` where the last layer is none.
    """
    tuned = clone(classifier).eval()
    features, head = _given_to_head(tuned, known.images)
    scaler = StandardScaler().fit(features)
    scaled, labels, groups = scaler.transform(features), known.labels.numpy(), groups_of(known).numpy()
    smallest = np.min(np.bincount(groups))
    draws = numpy_generator(seed, "balanced groups")
    weight, bias = torch.zeros_like(head.weight), torch.zeros(len(head.weight)).to(head.weight)
    for _ in range(BALANCED_FITS):
        chosen = [draws.permutation(np.flatnonzero(groups == group))[:smallest] for group in np.unique(groups)]
        index = np.concatenate(chosen)
        fitted = LogisticRegression(
            solver="saga",
            l1_ratio=1.0,
            C=inverse_strength,
            tol=1e-3,
            max_iter=2000,
            random_state=int(draws.integers(2**31)),
        ).fit(scaled[index], labels[index])
        coefficients = fitted.coef_ / scaler.scale_
        intercepts = fitted.intercept_ - coefficients @ scaler.mean_
        weight[fitted.classes_] += torch.from_numpy(coefficients).to(weight) / BALANCED_FITS
        bias[fitted.classes_] += torch.from_numpy(intercepts).to(bias) / BALANCED_FITS
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    if on_step is not None:
        for step in range(1, settings.steps + 1):
            on_step(FinetunePoint(step, 0.0, 0.0))
    return Finetuned(tuned)


def _given_to_head(classifier: Classifier, images: Tensor) -> tuple[FloatArray, nn.Linear]:
    """(N, F) what the last layer is given for images (N, C, H, W), and that layer."""
    name = head_of(classifier.network, classifier.architecture.classes)
    head = None if name is None else classifier.network.get_submodule(name)
    if not isinstance(head, nn.Linear) or head.bias is None or len(head.weight) != classifier.architecture.classes:
        raise InputError(
            f"The classifier {classifier.architecture.name} has no linear last layer with a bias and an output for "
            "every class, which could be fitted anew; leave out the arm dfr."
        )
    seen: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().cpu()))
    try:
        predict_logits(classifier, images)
    finally:
        hook.remove()
    return torch.cat(seen).double().numpy(), head
