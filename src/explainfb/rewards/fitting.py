"""Fitting an ensemble of reward models, each to its own bootstrap draw of the answers (Christiano et al. 2017).

Annotators err. Under Bradley–Terry with a share n_k of annotator k's answers uniformly random,

    P(left is better) = (1 − n_k) · sigmoid(r_left − r_right) + n_k / 2

so that n_k = 0 is always right, 1 a coin and 2 always the opposite. Where it is learned this is Crowd-BT (Chen et al.
2013), whose η_k is 1 − n_k / 2.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator, torch_globally
from explainfb.rewards.compared import Compared
from explainfb.rewards.dataset import FEWEST_ANSWERS, AnswerBatch, PreferenceBatch
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.features import ClassifierFeatures
from explainfb.rewards.losses import Loss, UtilityLoss
from explainfb.rewards.models import AdditiveReward, ExplainedImages, FreeReward, build_reward
from explainfb.rewards.settings import RewardSettings

NOISE_SPEED_UP = 10
"""How much greater the learning rate of an annotator's noise is than the reward's."""
MOST_VALIDATING = 512
"""Answers that a member is validated by at most, so that a step does not take longer with more of them."""


def fit_ensemble(
    explained: ExplainedImages,
    answers: AnswerBatch,
    *,
    settings: RewardSettings,
    seed: int,
    utilities: Tensor | None = None,
    features: ClassifierFeatures | None = None,
    on_member: Callable[[], None] | None = None,
) -> RewardEnsemble:
    """An ensemble fitted to the answers about these explanations.

    Every member sees as many answers as there are, drawn with replacement; the 1/e that were not drawn validate it.
    `answers` may be of any kind of question. `utilities` (len(explained),), where given, are what is fitted in place of
    the answers about the same pairs. With `features` additive models read these in place of pixels. Raises `InputError`
    when there are fewer answers than `FEWEST_ANSWERS`.

    >>> import torch
    >>> from explainfb import ExplanationKey, LimeSettings, PreferenceBatch, RewardSettings, TrainingSettings
    >>> from explainfb import as_seen_by_reward, explain, fit_ensemble, load_task, train
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=10))
    >>> keys = [ExplanationKey("round-0", image) for image in range(8)]
    >>> found = explain(classifier, task.train.images[:8], settings=LimeSettings(n_samples=64, fill="zero"))
    >>> seen = as_seen_by_reward(dict(zip(keys, found)), keys, task.train)
    >>> left, right = torch.tensor([0, 2, 4, 6]), torch.tensor([1, 3, 5, 7])
    >>> answers = PreferenceBatch(left, right, share_left=torch.tensor([1.0, 0.0, 0.5, 1.0]))
    >>> reward = fit_ensemble(seen, answers, settings=RewardSettings(steps=20), seed=0)
    >>> reward(seen).shape, reward.relevance_map(seen.images).shape
    (torch.Size([8]), torch.Size([8, 28, 28]))
    """
    seen = explained if features is None else explained.with_features(features)
    ensemble = fit_members(
        seen,
        answers,
        build=lambda: _build(settings, seen.images.shape[1], seen.features),
        settings=settings,
        seed=seed,
        utilities=utilities,
        on_member=on_member,
    )
    ensemble.features = features
    return ensemble


def fit_members(
    compared: Compared,
    answers: AnswerBatch,
    *,
    build: Callable[[], nn.Module],
    settings: RewardSettings,
    seed: int,
    utilities: Tensor | None = None,
    on_member: Callable[[], None] | None = None,
) -> RewardEnsemble:
    """`fit_ensemble` of anything that is compared: `build` makes a member with fresh weights, whose rewards are (B,).

    Of `settings` all but `kind`, `scale` and `features` count. Raises `InputError` as `fit_ensemble` does.
    """
    if len(answers) < FEWEST_ANSWERS:
        raise InputError(f"A reward needs at least {FEWEST_ANSWERS} answers to learn from; found {len(answers)}.")
    members, noises = [], []
    for index in range(settings.members):
        with torch_globally(seed, "reward", index, "weights"):
            member = build().to(compared.device)
        loss = _loss(answers, settings, utilities)
        _fit_member(member, loss.to(compared.device), compared, answers, settings, _member_generator(seed, index))
        members.append(member.eval())
        noises.append(loss.noise.detach())
        if on_member is not None:
            on_member()
    learned = 1 - torch.stack(noises).mean(0) / 2 if settings.reliability == "learned" else torch.zeros(0)
    reliability = dict(zip(answers.names, learned.tolist(), strict=False))
    ensemble = RewardEnsemble(members, reliability).to(compared.device).requires_grad_(False).eval()
    if settings.normalised:
        ensemble.normalise(compared)
    return ensemble


def _build(settings: RewardSettings, channels: int, features: Tensor | None) -> AdditiveReward | FreeReward:
    if features is None:
        return build_reward(settings.kind, channels, settings.scale)
    member = build_reward(settings.kind, channels, settings.scale, features.shape[1])
    if isinstance(member, AdditiveReward):
        member.standardised.measure(features)
    return member


def _loss(answers: AnswerBatch, settings: RewardSettings, utilities: Tensor | None) -> Loss:
    if utilities is None:
        return answers.loss(settings)
    if not isinstance(answers, PreferenceBatch):
        raise InputError("A reward is learned from utilities where comparisons are asked.")
    return UtilityLoss(answers, utilities)


def out_of_bag(count: int, *, settings: RewardSettings, seed: int) -> Tensor:
    """(members, count) bool: which of `count` answers each member of the ensemble of this seed was not fitted to."""
    return torch.stack(
        [_unseen(_bootstrap(count, _member_generator(seed, index))) for index in range(settings.members)]
    )


def _member_generator(seed: int, member: int) -> torch.Generator:
    """Its first draw is a member's bootstrap, which `out_of_bag` can thus repeat; the batches follow."""
    return torch_generator(seed, "reward", member, "draws")


def _bootstrap(count: int, generator: torch.Generator) -> Tensor:
    """(count,) indices drawn with replacement."""
    return torch.randint(count, (count,), generator=generator)


def _unseen(drawn: Tensor) -> Tensor:
    """(count,) bool: which were not drawn."""
    unseen = torch.ones(len(drawn), dtype=torch.bool)
    unseen[drawn] = False
    return unseen


def _some(indices: Tensor, most: int) -> Tensor:
    """At most `most` of the indices (n,), evenly spaced over them."""
    return indices[torch.linspace(0, len(indices) - 1, min(most, len(indices))).round().long()]


def _fit_member(
    member: nn.Module,
    loss: Loss,
    compared: Compared,
    answers: AnswerBatch,
    settings: RewardSettings,
    generator: torch.Generator,
) -> None:
    drawn = _bootstrap(len(answers), generator)
    validation = answers.take(_some(_unseen(drawn).nonzero().squeeze(1), MOST_VALIDATING))
    optimiser = torch.optim.AdamW(member.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    if noise := list(loss.parameters()):
        optimiser.add_param_group({"params": noise, "lr": NOISE_SPEED_UP * settings.learning_rate, "weight_decay": 0.0})
    train_loss = 0.0
    for step in range(1, settings.steps + 1):
        batch = answers.take(drawn[torch.randint(len(drawn), (settings.batch_size,), generator=generator)])
        value = loss(member, compared, batch)
        optimiser.zero_grad(set_to_none=True)
        # the prior is of all answers, the loss a mean over some: divided, both are of one answer
        (value + loss.prior().to(value) / len(answers)).backward()
        optimiser.step()
        # smoothed: from batch to batch the loss moves more than the thresholds of the ratio lie apart
        train_loss = value.item() if step == 1 else 0.9 * train_loss + 0.1 * value.item()
        if step % 20 == 0 and len(validation):
            with torch.no_grad():
                ratio = loss(member, compared, validation).item() / max(train_loss, 1e-8)
            _adapt_weight_decay(optimiser, ratio)


def _adapt_weight_decay(optimiser: torch.optim.Optimizer, ratio: float) -> None:
    """More regularisation where the validation loss is over 1.5 times the training loss, less under 1.1 times."""
    factor = 2.0 if ratio > 1.5 else 0.5 if ratio < 1.1 else 1.0
    for group in optimiser.param_groups:
        if group["weight_decay"] > 0:
            group["weight_decay"] = min(max(group["weight_decay"] * factor, 1e-4), 10.0)
