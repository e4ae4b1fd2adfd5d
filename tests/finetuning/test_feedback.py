"""A reward is followed by its gradient, by counterexamples and by a penalty."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import fit
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator, torch_globally
from explainfb.explanations.explainer import explain
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning import batches, counterexamples, feedback
from explainfb.finetuning.baselines import random_exchange, rrr
from explainfb.finetuning.batches import Batch
from explainfb.finetuning.explanation_reward import Reward
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import FinetunePoint, batch_draws
from explainfb.finetuning.penalties import irrelevant_gradient
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.models import AdditiveReward, ExplainedImages
from explainfb.tasks.task import Split

LIME = LimeSettings(n_samples=100, n_segments=4, fill="data")
LEFT_HALF = torch.tensor([1.0, 0.0, 1.0, 0.0])  # of the four quarters
QUICK = FinetuneSettings(steps=60, explain_batch_size=8, n_samples=16, reward_weight=1.0)
SHORT = replace(QUICK, steps=8)


def both_halves_tell(count: int = 300) -> Split:
    """Two classes that the left half tells as well as the right one: its brightness."""
    generator = torch_generator(0, "test finetune")
    labels = torch.arange(count) % 2
    images = torch.rand(count, 1, 8, 8, generator=generator) * 0.6 + 0.4 * labels.view(-1, 1, 1, 1)
    return Split(images, labels)


SPLIT = both_halves_tell()


@pytest.fixture(scope="module")
def trained() -> Classifier:
    classifier = build_classifier(Architecture("mlp", 2, 1, 8, 8, (0.5,), (0.25,)), seed=0)
    return fit(classifier, SPLIT, SPLIT, settings=TrainingSettings(steps=100), seed=0)


def left_share(weights: Tensor) -> Tensor:
    strength = weights.abs()
    return (strength * LEFT_HALF).sum(1) / strength.sum(1).clamp_min(1e-8)


def prefer_left(explained: ExplainedImages) -> Tensor:
    return 5 * left_share(explained.weights)


def measured_share(classifier: Classifier) -> float:
    explanations = explain(
        classifier, SPLIT.images[:40], targets=SPLIT.labels[:40], settings=LIME, background=SPLIT.images
    )
    return left_share(torch.from_numpy(np.stack([item.weights for item in explanations]))).mean().item()


def accuracy(classifier: Classifier) -> float:
    with torch.no_grad():
        return (classifier(SPLIT.images).argmax(1) == SPLIT.labels).float().mean().item()


def states(classifier: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in classifier.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """To the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def tuned(classifier: Classifier, reward: Reward | None, settings: FinetuneSettings = QUICK, seed: int = 0):
    return finetune(classifier, SPLIT, reward, lime=LIME, settings=settings, seed=seed)


def test_a_reward_moves_the_reasons_where_it_wants_them(trained: Classifier) -> None:
    before = measured_share(trained)
    rewarded = tuned(trained, prefer_left)
    assert rewarded.stopped_at is None
    assert measured_share(rewarded.classifier) > before + 0.15
    assert accuracy(rewarded.classifier) > accuracy(trained) - 0.05


def test_without_strength_or_with_the_opposite_wish_they_do_not_move_there(trained: Classifier) -> None:
    before = measured_share(trained)
    without = tuned(trained, None).classifier
    opposite = tuned(trained, lambda explained: -prefer_left(explained)).classifier
    assert abs(measured_share(without) - before) < 0.05
    assert measured_share(opposite) < before - 0.15


def test_the_reward_rises_while_it_is_followed(trained: Classifier) -> None:
    points: list[FinetunePoint] = []
    finetune(trained, SPLIT, prefer_left, lime=LIME, settings=QUICK, on_step=points.append)
    assert [point.step for point in points] == list(range(1, 61))
    first, last = (np.mean([point.reward for point in part]) for part in (points[:10], points[-10:]))
    assert last > first + 0.5


def test_a_reward_that_nothing_would_follow_is_refused(trained: Classifier) -> None:
    with pytest.raises(InputError, match="would not be followed"):
        tuned(trained, prefer_left, replace(SHORT, reward_weight=0.0))
    alone = tuned(trained, None, SHORT)
    assert not same(states(tuned(trained, prefer_left, SHORT).classifier), states(alone.classifier))


def test_an_ensemble_is_followed_by_its_own_maps(trained: Classifier) -> None:
    with torch_globally(0, "test finetune"):
        reward = RewardEnsemble([AdditiveReward(1, "share")]).requires_grad_(False)
    follow = replace(SHORT, reward_weight=0.0)
    by_default = tuned(trained, reward, follow)
    told = finetune(
        trained, SPLIT, reward, lime=LIME, settings=follow, relevance_map=lambda images, _: reward.relevance_map(images)
    )
    assert same(states(by_default.classifier), states(told.classifier))
    assert not same(states(by_default.classifier), states(tuned(trained, None, follow).classifier))


def rough_in(classifier: Classifier, mask: Tensor) -> float:
    """How much the log-probabilities change with the pixels of mask (H, W)."""
    images = SPLIT.images[:100].clone().requires_grad_()
    batch = Batch(images, SPLIT.labels[:100], torch.arange(100), mask.expand(100, -1, -1))
    return irrelevant_gradient(batch, classifier(images)).item()


LEFT = torch.arange(8).expand(8, 8) < 4


def left_is_more_relevant(images: Tensor, _: Tensor) -> Tensor:
    return LEFT.to(images).expand(len(images), -1, -1)


def test_a_gradient_penalty_takes_the_gradient_off_what_is_irrelevant(trained: Classifier) -> None:
    alone = replace(QUICK, reward_weight=0.0, counterexample_share=0.0)
    plain = finetune(trained, SPLIT, None, lime=LIME, settings=alone, relevance_map=left_is_more_relevant).classifier
    penalised = replace(alone, gradient_penalty=0.3)
    flat = finetune(trained, SPLIT, None, lime=LIME, settings=penalised, relevance_map=left_is_more_relevant).classifier
    assert rough_in(flat, ~LEFT) < rough_in(plain, ~LEFT) / 100
    assert rough_in(flat, LEFT) > 5 * rough_in(flat, ~LEFT)
    assert rough_in(plain, LEFT) == pytest.approx(rough_in(plain, ~LEFT), rel=0.2)
    assert accuracy(flat) > accuracy(plain) - 0.05
    assert same(states(plain), states(tuned(trained, None, alone).classifier))  # asked of nobody without a penalty


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_alone_with_masks_for_a_relevance_map_it_is_rrr(trained: Classifier, epsilon: float) -> None:
    """To the last bit, on adversarial images too."""
    settings = replace(
        SHORT, reward_weight=0.0, counterexample_share=0.0, gradient_penalty=0.3, adversarial_epsilon=epsilon
    )
    here = finetune(trained, SPLIT, None, lime=LIME, settings=settings, relevance_map=left_is_more_relevant).classifier
    masks = (~LEFT).expand(len(SPLIT), -1, -1)
    there = rrr(trained, SPLIT, irrelevant=masks, strength=0.3, settings=settings, seed=0).classifier
    assert same(states(here), states(there))


def test_the_penalty_is_on_the_counterexamples(trained: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor | None]] = []

    def watched(batch: Batch, logits: Tensor) -> Tensor:
        seen.append((batch.images.detach().clone(), batch.irrelevant))
        return irrelevant_gradient(batch, logits)

    monkeypatch.setattr(feedback, "irrelevant_gradient", watched)
    settings = replace(SHORT, steps=1, reward_weight=0.0, counterexample_share=0.5, gradient_penalty=0.3)
    finetune(trained, SPLIT, None, lime=LIME, settings=settings, relevance_map=left_is_more_relevant)
    ((images, irrelevant),) = seen
    chosen = torch.randint(len(SPLIT), (settings.batch_size,), generator=batch_draws(0))
    differs = (images != SPLIT.images[chosen])[:, 0]
    assert irrelevant is not None
    assert torch.equal(irrelevant, (~LEFT).expand(settings.batch_size, -1, -1))
    assert bool(differs[: settings.batch_size // 2][:, ~LEFT].any(1).all())
    assert not differs[: settings.batch_size // 2][:, LEFT].any()
    assert not differs[settings.batch_size // 2 :].any()


def test_a_penalty_that_nothing_says_where_to_put_is_refused(trained: Classifier) -> None:
    with pytest.raises(InputError, match="gradient_penalty needs maps"):
        tuned(trained, prefer_left, replace(SHORT, counterexample_share=0.0, gradient_penalty=0.3))


def test_an_ensemble_is_followed_in_every_way_at_once(trained: Classifier) -> None:
    """By its gradient, by counterexamples and by the penalty, each of which alone leads elsewhere."""
    with torch_globally(0, "test finetune"):
        reward = RewardEnsemble([AdditiveReward(1, "share")]).requires_grad_(False)
    all_ways = replace(SHORT, reward_weight=0.7, counterexample_share=1.0, gradient_penalty=0.3)
    settings = [
        all_ways,
        replace(all_ways, reward_weight=0.0),
        replace(all_ways, counterexample_share=0.0),
        replace(all_ways, gradient_penalty=0.0),
        replace(all_ways, reward_weight=0.0, counterexample_share=0.0),
        replace(all_ways, reward_weight=0.0, gradient_penalty=0.0),
    ]
    ends = [states(tuned(trained, reward, each).classifier) for each in settings]
    assert not any(same(one, other) for one, other in combinations(ends, 2))
    nothing = states(tuned(trained, None, all_ways).classifier)
    assert not any(same(end, nothing) for end in ends)


def test_where_feedback_has_the_penalty_alone_random_exchange_has_it_alone(
    trained: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counterexamples, "make_counterexamples", lambda *_, **__: pytest.fail("there is one"))
    settings = replace(SHORT, reward_weight=0.0, counterexample_share=0.0, gradient_penalty=0.3)
    flat = random_exchange(trained, SPLIT, lime=LIME, settings=settings, seed=0).classifier
    assert not same(states(flat), states(tuned(trained, None, settings).classifier))


def test_relevance_is_asked_of_the_images_that_it_changes(trained: Classifier) -> None:
    asked: list[int] = []

    def relevance_map(images: Tensor, index: Tensor) -> Tensor:
        asked.append(len(index))
        return left_is_more_relevant(images, index)

    for penalty in (0.0, 0.3):
        settings = replace(SHORT, steps=1, reward_weight=0.0, counterexample_share=0.25, gradient_penalty=penalty)
        finetune(trained, SPLIT, None, lime=LIME, settings=settings, relevance_map=relevance_map)
    assert asked == [SHORT.batch_size // 4, SHORT.batch_size]


def test_what_is_attacked_are_the_counterexamples(trained: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels from elsewhere are changed by as much as the others, and the classifier learns from nothing else."""
    made, given, seen = [], [], []
    make, attack_batch = counterexamples.make_counterexamples, batches.attack_batch

    def watched(classifier: Classifier, images: Tensor, labels: Tensor, **options: Any) -> Tensor:
        given.append((images.clone(), classifier.training))
        seen.append(attack_batch(classifier, images, labels, **options))
        return seen[-1]

    monkeypatch.setattr(
        counterexamples, "make_counterexamples", lambda *a, **named: made.append(make(*a, **named)) or made[-1]
    )
    monkeypatch.setattr(batches, "attack_batch", watched)
    settings = replace(SHORT, steps=2, counterexample_share=0.5, adversarial_epsilon=0.1, reward_weight=0.0)
    after = finetune(
        trained, SPLIT, None, lime=LIME, settings=settings, relevance_map=lambda images, _: images[:, 0]
    ).classifier
    assert [training for _, training in given] == [False, False]
    for changed, (images, _), worst in zip(made, given, seen, strict=True):
        assert torch.equal(images[: len(changed)], changed)
        assert (worst - images).abs().amax((1, 2, 3)).min() > 0.09
        assert (worst - images).abs().max() <= 0.1 + 1e-6
    without = replace(settings, adversarial_epsilon=0.0)
    plain = finetune(
        trained, SPLIT, None, lime=LIME, settings=without, relevance_map=lambda images, _: images[:, 0]
    ).classifier
    assert not same(states(after), states(plain))
    assert len(seen) == 2
