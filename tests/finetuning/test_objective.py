"""A loss is the sum of its terms, and a step's gradient the sum of theirs, on the same draws."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.baselines import cross_entropy as tune_by_cross_entropy
from explainfb.finetuning.batches import AnnotatedMasks, Batch, Batches, training_batches
from explainfb.finetuning.counterexamples import Counterexamples
from explainfb.finetuning.explanation_reward import ExplanationReward
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.objective import Objective, Penalty, Term, cross_entropy
from explainfb.finetuning.penalties import irrelevant_gradient, loss_gradient
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.rewards.models import ExplainedImages
from explainfb.tasks.task import Split

LIME = LimeSettings(n_samples=16, n_segments=4, fill="data", backend="closed_form")
SETTINGS = FinetuneSettings(steps=2, batch_size=10, explain_batch_size=5, n_samples=16)
ATTACKED = replace(SETTINGS, adversarial_epsilon=0.1, adversarial_steps=2)
LABELS = torch.arange(60) % 3
SPLIT = Split(torch.rand(60, 1, 8, 8, generator=torch_generator(0, "test objective")), LABELS)
LEFT = (torch.arange(8).expand(8, 8) < 4).expand(60, -1, -1)


@pytest.fixture
def classifier() -> Classifier:
    return build_classifier(Architecture("mlp", 3, 1, 8, 8, (0.5,), (0.25,)), seed=0).train()


def left_is_more_relevant(images: Tensor, index: Tensor) -> Tensor:
    return LEFT[index].to(images)


def prefer_left(explained: ExplainedImages) -> Tensor:
    return 5 * explained.weights[:, 0]


def batches(settings: FinetuneSettings) -> Batches:
    """Half of them counterexamples, from the same draws at each call."""
    draws = torch_generator(0, "test counterexamples")
    half = Counterexamples(left_is_more_relevant, SPLIT.images, LIME, 0.5, mark_irrelevant=True, generator=draws)
    return training_batches(SPLIT, settings, 0, half)


def reward(weight: float) -> ExplanationReward:
    return ExplanationReward(prefer_left, weight, SPLIT, LIME, 5, torch_generator(0, "test explained"))


def gradient(classifier: Classifier, objective: Objective) -> Tensor:
    """All of it, in one row."""
    classifier.zero_grad(set_to_none=True)
    objective.add_gradient(classifier)
    return torch.cat([p.grad.flatten() for p in classifier.parameters() if p.grad is not None])


def nothing(batch: Batch, logits: Tensor) -> Tensor:
    return 0 * logits.sum()


@pytest.mark.parametrize("settings", [SETTINGS, ATTACKED], ids=["drawn", "attacked"])
@pytest.mark.parametrize("term", [irrelevant_gradient, loss_gradient])
def test_the_gradient_of_an_objective_is_the_sum_of_its_terms_gradients(
    term: Term, settings: FinetuneSettings, classifier: Classifier
) -> None:
    def of(fit: Term = nothing, penalty: float | None = None, weight: float | None = None) -> Tensor:
        penalties = () if penalty is None else (Penalty(term, penalty),)
        objective = Objective(batches(settings), penalties, None if weight is None else reward(weight), fit)
        return gradient(classifier, objective)

    parts = [of(cross_entropy), 0.3 * of(penalty=1.0), 0.7 * of(weight=1.0)]
    assert min(part.norm() for part in parts) > 1e-3, "a term that is left out would not be seen"
    torch.testing.assert_close(of(cross_entropy, 0.3, 0.7), sum(parts))


def test_a_reward_is_climbed_and_a_penalty_descended(classifier: Classifier) -> None:
    """Against the same scalars, differentiated here: a wrong sign would be seen."""
    ours = gradient(classifier, Objective(batches(SETTINGS), (Penalty(loss_gradient, 2.0),), fit=nothing))
    batch = batches(SETTINGS).draw(classifier)
    batch.images.requires_grad_()
    classifier.zero_grad(set_to_none=True)
    loss_gradient(batch, classifier(batch.images)).backward(inputs=list(classifier.parameters()))
    torch.testing.assert_close(ours, 2 * torch.cat([p.grad.flatten() for p in classifier.parameters()]))  # type: ignore[union-attr]

    def rises_along(direction: Tensor) -> bool:
        before = sum(reward(1.0).add_gradient(classifier))
        start = nn.utils.parameters_to_vector(classifier.parameters()).detach()
        nn.utils.vector_to_parameters(start + direction, classifier.parameters())
        after = sum(reward(1.0).add_gradient(classifier))
        nn.utils.vector_to_parameters(start, classifier.parameters())
        return bool(after > before)

    climbed = gradient(classifier, Objective(batches(SETTINGS), reward=reward(1.0), fit=nothing))
    step = 1e-2 * climbed / climbed.norm()
    assert rises_along(-step)
    assert not rises_along(step)


@pytest.mark.parametrize("settings", [SETTINGS, ATTACKED], ids=["drawn", "attacked"])
def test_cross_entropy_is_feedback_without_a_reward(settings: FinetuneSettings, classifier: Classifier) -> None:
    """To the last bit."""
    here = tune_by_cross_entropy(classifier, SPLIT, settings=settings, seed=3).classifier
    there = finetune(classifier, SPLIT, None, lime=LIME, settings=settings, seed=3).classifier
    pairs = list(zip(here.parameters(), there.parameters(), strict=True))
    assert all(torch.equal(one, other) for one, other in pairs)
    assert not all(torch.equal(one, start) for (one, _), start in zip(pairs, classifier.parameters(), strict=True))


def test_no_running_mean_learns_from_masked_or_half_attacked_images(classifier: Classifier) -> None:
    """Only the pass of the batch itself moves it, in training mode."""
    normalised = build_classifier(classifier.architecture, seed=0).train()
    normalised.network = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    norm = normalised.network[2]
    Objective(batches(ATTACKED), reward=reward(0.7)).add_gradient(normalised)
    assert int(norm.num_batches_tracked) == 1
    assert normalised.training


def test_masks_go_with_their_images(classifier: Classifier) -> None:
    masks = torch.zeros(60, 8, 8, dtype=torch.bool)
    masks[torch.arange(60), torch.arange(60) % 8] = True
    batch = training_batches(SPLIT, SETTINGS, 0, AnnotatedMasks(masks)).draw(classifier)
    assert batch.irrelevant is not None
    assert torch.equal(batch.irrelevant.any(2).long().argmax(1), batch.index % 8)
    assert torch.equal(batch.images, SPLIT.images[batch.index])


def test_a_penalty_on_pixels_that_nothing_names_is_refused(classifier: Classifier) -> None:
    objective = Objective(training_batches(SPLIT, SETTINGS, 0), (Penalty(irrelevant_gradient, 0.3),))
    with pytest.raises(InputError, match="put `AnnotatedMasks`"):
        objective.add_gradient(classifier)
