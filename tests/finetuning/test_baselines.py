"""Each baseline does what its paper says, beside as many steps of cross-entropy on the same images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import draw_batch, train
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.core.types import Answer, Comparison, Explanation, ExplanationKey, ThreatModel
from explainfb.explanations.lime import explain
from explainfb.explanations.metrics import relevance_mass
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import batch_superpixels
from explainfb.finetuning.baselines import (
    OracleReward,
    RandomRelevance,
    adversarial_training,
    input_gradient,
    random_exchange,
    rrr,
    wrong_reasons,
)
from explainfb.finetuning.counterexamples import irrelevant_superpixels
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import FinetunePoint, batch_draws, optimise
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.rewards.dataset import as_seen_by_reward
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.attacks import AttackSettings
from explainfb.robustness.pgd import attack_batch, pgd_attack, random_change
from explainfb.robustness.square import margin
from explainfb.study import arms
from explainfb.study.arms import ARMS
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split

TASK = load_task("digits-decoy")
QUICK = FinetuneSettings(steps=40, explain_batch_size=6, n_samples=24)
SHORT = replace(QUICK, steps=3)
LIME = LimeSettings(n_samples=100)
DEFAULT = BaselineSettings()
assert TASK.train.relevance is not None
assert TASK.train_without_shortcut is not None
assert TASK.validation_without_shortcut is not None
IRRELEVANT = ~TASK.train.relevance
SOUND = replace(TASK, train=TASK.train_without_shortcut, validation=TASK.validation_without_shortcut)
"""The same images without the shortcut."""
SEEN = TASK.validation.take(slice(0, 100))
"""Images that no step is made on; they carry the shortcut as the training images do."""

PLAIN = SOUND.validation.take(slice(0, 60))


@pytest.fixture(scope="module")
def trained() -> Classifier:
    return train(TASK, settings=TrainingSettings(steps=150))


@pytest.fixture(scope="module")
def sound() -> Classifier:
    return train(SOUND, settings=TrainingSettings(steps=150))


def cross_entropy(classifier: Classifier, settings: FinetuneSettings = QUICK, **named: Any) -> Classifier:
    return finetune(classifier, TASK.train, None, lime=LIME, settings=settings, **named).classifier


@pytest.fixture(scope="module")
def control(trained: Classifier) -> Classifier:
    return cross_entropy(trained)


def told(classifier: Classifier, settings: FinetuneSettings = QUICK, **named: Any) -> Classifier:
    """By `rrr`, with the strength of the settings unless another is named."""
    options = {"irrelevant": IRRELEVANT, "strength": DEFAULT.rrr_strength, "seed": 0} | named
    return rrr(classifier, TASK.train, settings=settings, **options).classifier


def smoothed(classifier: Classifier, settings: FinetuneSettings = QUICK, **named: Any) -> Classifier:
    options = {"strength": DEFAULT.input_gradient_strength, "seed": 0} | named
    return input_gradient(classifier, TASK.train, settings=settings, **options).classifier


def hardened(classifier: Classifier, settings: FinetuneSettings = QUICK, **named: Any) -> Classifier:
    options = {"epsilon": 0.1, "seed": 0} | named
    return adversarial_training(classifier, TASK.train, settings=attacked(settings), **options).classifier


def attacked(settings: FinetuneSettings, epsilon: float = 0.0) -> FinetuneSettings:
    return replace(settings, adversarial_epsilon=epsilon, adversarial_steps=5, adversarial_relative_step=0.3)


def log_probability_gradients(classifier: Classifier, images: Tensor) -> Tensor:
    """(B, C, H, W): the gradient of every class's log-probability, one class after the other, added up."""
    total = torch.zeros_like(images)
    for label in range(10):
        own = images.clone().requires_grad_()
        classifier(own).log_softmax(1)[:, label].sum().backward(inputs=[own])
        assert own.grad is not None
        total += own.grad
    return total


def cross_entropy_gradients(classifier: Classifier, images: Tensor, labels: Tensor) -> Tensor:
    """(B, C, H, W), one image after the other."""
    rows = []
    for image, label in zip(images, labels, strict=True):
        own = image[None].clone().requires_grad_()
        F.cross_entropy(classifier(own), label[None]).backward(inputs=[own])
        rows.append(own.grad)
    return torch.cat(rows)


def irrelevant_gradient(classifier: Classifier) -> float:
    assert SEEN.relevance is not None
    gradients = log_probability_gradients(classifier, SEEN.images) * ~SEEN.relevance[:, None]
    return gradients.square().flatten(1).sum(1).mean().item()


def accuracy(classifier: Classifier, split: Split = SEEN) -> float:
    with torch.no_grad():
        return (classifier(split.images).argmax(1) == split.labels).float().mean().item()


def same(one: Classifier, other: Classifier) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(mine, yours) for mine, yours in pairs)


def test_rrr_takes_the_gradient_off_what_it_is_told_is_irrelevant(trained: Classifier, control: Classifier) -> None:
    after = told(trained)
    assert irrelevant_gradient(after) < 0.05 * irrelevant_gradient(control)
    assert accuracy(after) > 0.8


def test_rrr_takes_the_gradient_off_on_adversarial_images_too(trained: Classifier) -> None:
    after, without = (told(trained, attacked(QUICK, 0.05), strength=strength) for strength in (DEFAULT.rrr_strength, 0))
    assert irrelevant_gradient(after) < 0.2 * irrelevant_gradient(without)


def test_rrr_told_the_opposite_leaves_the_gradient_there(trained: Classifier, control: Classifier) -> None:
    opposite = told(trained, irrelevant=~IRRELEVANT)
    assert irrelevant_gradient(opposite) > 0.2 * irrelevant_gradient(control)


def test_input_gradients_become_small(trained: Classifier, control: Classifier) -> None:
    def size(classifier: Classifier) -> float:
        gradients = cross_entropy_gradients(classifier, SEEN.images, SEEN.labels)
        return gradients.square().flatten(1).sum(1).mean().item()

    after = smoothed(trained, replace(QUICK, steps=10), strength=100.0)
    assert size(trained) > 0
    assert size(after) < 0.5 * size(cross_entropy(trained, replace(QUICK, steps=10)))


def test_adversarial_training_survives_attacks_that_are_not_its_own(sound: Classifier) -> None:
    """On images without the shortcut: a white patch on black is a reason that small changes do not reach."""
    settings = AttackSettings(square_queries=20, check_images=4, check_steps_factor=1)

    def robust(classifier: Classifier) -> float:
        (found,) = robust_accuracy(
            classifier,
            PLAIN.images,
            PLAIN.labels,
            threat_models=[ThreatModel("linf", 0.1)],
            settings=settings,
            seed=0,
        )
        return found.accuracy.estimate

    hardened = adversarial_training(sound, SOUND.train, epsilon=0.1, settings=attacked(QUICK), seed=0).classifier
    control = finetune(sound, SOUND.train, None, lime=LIME, settings=QUICK).classifier
    assert robust(hardened) > robust(control) + 0.2
    assert accuracy(hardened, PLAIN) > 0.8


def test_the_oracle_moves_the_reasons_where_they_should_be(trained: Classifier) -> None:
    def share(classifier: Classifier) -> float:
        assert SEEN.relevance is not None
        found = explain(classifier, SEEN.images[:30], settings=LimeSettings(n_samples=200, fill="zero"))
        pairs = zip(found, SEEN.relevance[:30].numpy(), strict=True)
        return float(np.mean([relevance_mass(explanation, mask) for explanation, mask in pairs]))

    assert TASK.train.relevance is not None
    settings = FinetuneSettings(steps=80, explain_batch_size=8, n_samples=32, reward_weight=3.0)
    reward = OracleReward(TASK.train.relevance).normalised(explained_by(trained))
    after = finetune(trained, TASK.train, reward, lime=LIME, settings=settings).classifier
    assert share(after) > share(cross_entropy(trained, settings)) + 0.08


def explained_by(classifier: Classifier, count: int = 20) -> Any:
    images = TASK.train.images[:count]
    found = explain(classifier, images, settings=LIME, background=TASK.train.images)
    keys = [ExplanationKey("round-0", index) for index in range(count)]
    return as_seen_by_reward(dict(zip(keys, found, strict=True)), keys, TASK.train)


def test_the_oracle_is_the_annotators_own_utility(trained: Classifier) -> None:
    explained = explained_by(trained)
    annotator = SimulatedAnnotator(split=TASK.train, seed=0)
    reward = OracleReward(annotator.split.relevance)
    wanted = []
    for index in range(len(explained)):
        segments, weights = explained.segments[index].numpy(), explained.weights[index].double().numpy()
        wanted.append(annotator.utility(Explanation(0, 0.5, segments, weights, 0.0, 1.0), index))
    assert reward(explained).tolist() == pytest.approx(wanted, abs=1e-5)
    normalised = reward.normalised(explained)
    assert normalised(explained).mean().item() == pytest.approx(0, abs=1e-5)
    assert normalised(explained).std().item() == pytest.approx(1, abs=1e-5)
    assert normalised.normalised(explained)(explained).std().item() == pytest.approx(1, abs=1e-5)
    explained.weights.requires_grad_()
    normalised(explained).sum().backward()
    assert explained.weights.grad.abs().sum() > 0


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
@pytest.mark.parametrize("method", [told, smoothed])
def test_without_strength_it_is_cross_entropy_on_the_same_images(
    method: Callable[..., Classifier], epsilon: float, trained: Classifier
) -> None:
    settings = attacked(SHORT, epsilon)
    alone = cross_entropy(trained, settings, seed=5)
    assert same(method(trained, settings, strength=0.0, seed=5), alone)
    assert not same(method(trained, settings, seed=5), alone)
    assert not same(method(trained, settings, strength=0.0, seed=6), alone)
    assert same(alone, cross_entropy(trained, SHORT, seed=5)) == (epsilon == 0)


def test_adversarial_training_draws_the_same_images(trained: Classifier) -> None:
    """An attack of next to no size leaves cross-entropy on the same images."""
    alone, near = cross_entropy(trained, SHORT), hardened(trained, SHORT, epsilon=1e-9)
    for mine, yours in zip(near.state_dict().values(), alone.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, yours, atol=1e-3, rtol=0)
    assert not same(hardened(trained, SHORT), alone)


def test_adversarial_training_is_the_loop_of_madry_to_the_last_bit(trained: Classifier) -> None:
    """Written out: attack in evaluation mode, train on nothing but the attacked images."""
    draws, starts = batch_draws(2), torch_generator(2, "adversarial training", "starts")

    def add_gradient(tuned: Classifier) -> tuple[Tensor, Tensor]:
        images, labels = draw_batch(TASK.train, SHORT.batch_size, draws, tuned.device)
        tuned.eval()
        options: Any = {"epsilon": 0.1, "steps": 5, "relative_step": 0.3, "generator": starts}
        worst = attack_batch(tuned, images, labels, **options)
        tuned.train()
        cross_entropy = F.cross_entropy(tuned(worst), labels)
        cross_entropy.backward()
        return cross_entropy.detach(), cross_entropy.new_zeros(())

    by_hand = optimise(trained, add_gradient, settings=SHORT, seed=2).classifier
    assert same(by_hand, hardened(trained, SHORT, seed=2))
    assert same(by_hand, cross_entropy(trained, attacked(SHORT, 0.1), seed=2))
    assert not same(by_hand, cross_entropy(trained, attacked(SHORT), seed=2))
    assert same(cross_entropy(trained, SHORT, seed=2), cross_entropy(trained, attacked(SHORT), seed=2))


def test_feedback_on_top_of_adversarial_training_holds_against_pgd(trained: Classifier) -> None:
    """What counterexamples alone leave to PGD on images whose shortcut is wrong, both together keep."""
    assert TASK.shifted is not None
    some, longer = TASK.shifted.take(slice(0, 200)), replace(QUICK, steps=100)

    def relevance_map(images: Tensor, _: Tensor) -> Tensor:
        return (~IRRELEVANT[:1]).float().expand(len(images), -1, -1)

    def followed(epsilon: float) -> Classifier:
        settings = replace(attacked(longer, epsilon), counterexample_share=1.0, reward_weight=0.0)
        return finetune(trained, TASK.train, None, lime=LIME, settings=settings, relevance_map=relevance_map).classifier

    def robust(classifier: Classifier) -> float:
        start = random_change(some.images, "linf", 0.1, torch_generator(7))
        options: Any = {"norm": "linf", "epsilon": 0.1, "steps": 20, "step": 0.02, "loss": margin_loss, "start": start}
        worst = pgd_attack(classifier, some.images, some.labels, **options)
        return accuracy(classifier, replace(some, images=worst))

    alone, both = followed(0.0), followed(0.1)
    assert robust(both) > robust(alone) + 0.15
    assert accuracy(both, some) > accuracy(trained, some) + 0.2
    assert robust(hardened(trained, longer)) < robust(both) - 0.15, "without feedback the shortcut stays"


def margin_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return -margin(logits, labels)


@pytest.mark.parametrize("method", [told, smoothed, hardened])
def test_the_same_seed_gives_the_same_classifier(method: Callable[..., Classifier], trained: Classifier) -> None:
    before = torch.get_rng_state()
    one = method(trained, SHORT)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert same(one, method(trained, SHORT))
    assert not same(one, method(trained, SHORT, seed=1))


def test_the_penalties_are_those_of_the_papers(trained: Classifier) -> None:
    """The first step's, against gradients taken one class, or one image, at a time."""
    generator = torch_generator(0, "finetune", "batches")
    chosen = torch.randint(len(TASK.train), (QUICK.batch_size,), generator=generator)
    images, labels = TASK.train.images[chosen], TASK.train.labels[chosen]
    blurred = cross_entropy(trained, SHORT)  # any classifier that is not certain of everything
    wanted = (log_probability_gradients(blurred, images) * IRRELEVANT[chosen, None]).square().flatten(1).sum(1).mean()
    assert first_penalty(told, blurred) == pytest.approx(wanted.item(), rel=1e-3)
    wanted = cross_entropy_gradients(blurred, images, labels).square().flatten(1).sum(1).mean()
    assert first_penalty(smoothed, blurred) == pytest.approx(wanted.item(), rel=1e-2)


def first_penalty(method: Callable[..., Classifier], classifier: Classifier) -> float:
    points: list[FinetunePoint] = []
    method(classifier, replace(QUICK, steps=1), on_step=points.append)
    return -points[0].reward


def test_pgd_stays_within_its_box_and_finds_worse_images(sound: Classifier) -> None:
    def attack(steps: int) -> Tensor:
        start = torch_generator(1)
        return attack_batch(
            sound, PLAIN.images, PLAIN.labels, epsilon=0.1, steps=steps, relative_step=0.25, generator=start
        )

    def loss(attacked: Tensor) -> float:
        with torch.no_grad():
            return F.cross_entropy(sound(attacked), PLAIN.labels).item()

    found = attack(7)
    assert (found - PLAIN.images).abs().max().item() == pytest.approx(0.1, abs=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1
    assert not found.requires_grad
    assert torch.equal(found, attack(7))
    assert loss(found) > loss(attack(1)) > loss(attack(0))
    assert loss(found) > 3 * max(loss(PLAIN.images), loss(attack(0)))


def on(mask: np.ndarray) -> Explanation:
    """An explanation all of whose weight lies on `mask`."""
    return Explanation(0, 0.5, mask.astype(np.int64), np.array([0.0, 1.0]), 0.0, 1.0)


def answers(annotator: SimulatedAnnotator, count: int = 40) -> list[Answer]:
    """For each image, where the reason should be on the left and where it should not be on the right."""
    assert TASK.train.relevance is not None
    found = []
    for image in range(count):
        mask = TASK.train.relevance[image].numpy()
        comparison = Comparison(ExplanationKey("round-0", image), ExplanationKey("round-1", image), round=1)
        found.append(annotator.answer(comparison, on(mask), on(~mask)))
    return found


def test_who_wants_wrong_reasons_prefers_what_others_reject() -> None:
    right = SimulatedAnnotator(split=TASK.train, seed=0, error_rate=0)
    told = wrong_reasons(TASK.train, region="turned_round", seed=0)
    assert set(answers(right)) == {Answer.LEFT}
    assert set(answers(SimulatedAnnotator(split=told, seed=0, error_rate=0))) == {Answer.RIGHT}


def test_a_random_region_has_the_same_size_and_a_place_of_its_own() -> None:
    moved, again, other = (wrong_reasons(TASK.train, region="random", seed=seed).relevance for seed in (0, 0, 1))
    relevance = TASK.train.relevance
    assert moved is not None
    assert again is not None
    assert other is not None
    assert relevance is not None
    assert torch.equal(moved.sum((1, 2)), relevance.sum((1, 2)))
    assert len(torch.unique(moved.flatten(1), dim=0)) > 100
    assert torch.equal(moved, again)
    assert not torch.equal(moved, other)
    overlap = (moved & relevance).float().mean() / (moved.float().mean() * relevance.float().mean())
    assert overlap.item() == pytest.approx(1, abs=0.05), "what a random place would give"


def test_without_masks_there_is_nothing_to_get_wrong() -> None:
    bare = Split(TASK.train.images, TASK.train.labels)
    with pytest.raises(InputError, match="none"):
        wrong_reasons(bare, region="random", seed=0)


@pytest.mark.parametrize(
    "given",
    [
        {"rrr_strength": -1.0},
        {"input_gradient_strength": float("nan")},
        {"adversarial_epsilon": 0.0},
        {"adversarial_epsilon": 8.0},
    ],
)
def test_impossible_settings_are_refused_and_named(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"baselines.{next(iter(given))}"):
        BaselineSettings(**given)


def test_random_relevance_has_every_other_superpixel_irrelevant_anew_each_time() -> None:
    """At every place about as often as at any other."""
    relevance_map = RandomRelevance(LIME, torch_generator(0, "random exchange"))
    images = TASK.train.images[:400]
    segments = batch_superpixels(images, LIME.superpixels, LIME.n_segments)
    first, second = (
        irrelevant_superpixels(relevance_map(images, torch.arange(400)), segments).float() for _ in range(2)
    )
    assert 0.48 < first.mean() < 0.52
    assert first.mean(0).min() > 0.4
    assert first.mean(0).max() < 0.6
    assert 0.45 < (first != second).float().mean() < 0.55


def test_random_exchange_is_feedback_with_a_random_relevance_map(trained: Classifier) -> None:
    """With counterexamples of every image also where feedback has neither them nor the penalty."""
    weighted = replace(SHORT, counterexample_share=0.0, reward_weight=0.7)
    relevance_map = RandomRelevance(LIME, torch_generator(4, "random exchange"))
    by_hand = cross_entropy(trained, replace(SHORT, counterexample_share=1.0), relevance_map=relevance_map, seed=4)
    assert same(random_exchange(trained, TASK.train, lime=LIME, settings=weighted, seed=4).classifier, by_hand)
    assert not same(cross_entropy(trained, SHORT, seed=4), by_hand)


def test_the_classifier_without_the_shortcut_is_given_the_same_images_and_takes_no_notice_of_the_patch(
    trained: Classifier, sound: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(arms, "train_first", lambda context, files, task, title: given.append(task))
    context = SimpleNamespace(task=TASK, control_folder=Path)
    ARMS["no_shortcut"].run("no_shortcut", context)  # type: ignore[arg-type]
    for with_patch, without in ((TASK.train, given[0].train), (TASK.validation, given[0].validation)):
        assert with_patch.shortcut is not None
        differs = (with_patch.images != without.images).any(1)
        assert differs.flatten(1).any(1).all()
        assert not (differs & ~with_patch.shortcut).any()
        assert torch.equal(with_patch.labels, without.labels)
    assert TASK.shifted is not None

    def changed(classifier: Classifier) -> float:
        with torch.no_grad():
            both = [classifier(split.images).argmax(1) for split in (TASK.clean, TASK.shifted)]
        return (both[0] != both[1]).float().mean().item()

    assert changed(sound) < 0.1
    assert changed(trained) > 0.4
