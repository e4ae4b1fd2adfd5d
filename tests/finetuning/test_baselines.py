"""Each baseline does what its paper says, beside as many steps of cross-entropy on the same images."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import draw_batch
from explainfb.core.seeding import torch_generator
from explainfb.core.types import ExplanationKey, ThreatModel
from explainfb.explanations.explainer import explain
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import batch_superpixels
from explainfb.finetuning.baselines import (
    OracleReward,
    RandomRelevance,
    adversarial_training,
    random_exchange,
)
from explainfb.finetuning.counterexamples import irrelevant_superpixels
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import batch_draws, optimise
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.rewards.dataset import as_seen_by_reward
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.attacks import AttackSettings
from explainfb.robustness.pgd import attack_batch, pgd_attack, random_change
from explainfb.robustness.square import margin
from finetuned_digits import (
    DEFAULT,
    IRRELEVANT,
    LIME,
    PLAIN,
    QUICK,
    SEEN,
    SHORT,
    SOUND,
    TASK,
    accuracy,
    attacked,
    by_adversarial_training,
    by_input_gradient,
    by_rrr,
    cross_entropy,
    cross_entropy_gradients,
    log_probability_gradients,
    same,
)


def irrelevant_gradient(classifier: Classifier) -> float:
    assert SEEN.relevance is not None
    gradients = log_probability_gradients(classifier, SEEN.images) * ~SEEN.relevance[:, None]
    return gradients.square().flatten(1).sum(1).mean().item()


def test_rrr_takes_the_gradient_off_what_is_irrelevant(trained: Classifier, control: Classifier) -> None:
    after = by_rrr(trained)
    assert irrelevant_gradient(after) < 0.05 * irrelevant_gradient(control)
    assert accuracy(after) > 0.8


def test_rrr_takes_the_gradient_off_on_adversarial_images_too(trained: Classifier) -> None:
    settings = attacked(replace(QUICK, steps=20), 0.05)
    after, without = (by_rrr(trained, settings, strength=strength) for strength in (DEFAULT.rrr_strength, 0))
    assert irrelevant_gradient(after) < 0.2 * irrelevant_gradient(without)


def test_rrr_with_the_opposite_masks_leaves_the_gradient_there(trained: Classifier, control: Classifier) -> None:
    opposite = by_rrr(trained, irrelevant=~IRRELEVANT)
    assert irrelevant_gradient(opposite) > 0.2 * irrelevant_gradient(control)


def test_input_gradients_become_small(trained: Classifier, control: Classifier) -> None:
    def size(classifier: Classifier) -> float:
        gradients = cross_entropy_gradients(classifier, SEEN.images, SEEN.labels)
        return gradients.square().flatten(1).sum(1).mean().item()

    after = by_input_gradient(trained, replace(QUICK, steps=10), strength=100.0)
    assert size(trained) > 0
    assert size(after) < 0.5 * size(cross_entropy(trained, replace(QUICK, steps=10)))


def test_adversarial_training_survives_attacks_that_are_not_its_own(sound: Classifier) -> None:
    """On images without the shortcut: a white patch on black is a reason that small changes do not reach."""
    settings = AttackSettings(
        minimum_norm_steps=10,
        targeted_images=0,
        deepfool_images=0,
        square_queries=20,
        hop_skip_jump_images=0,
        gen_attack_images=0,
        check_images=4,
        check_steps_factor=1,
    )

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
@pytest.mark.parametrize("method", [by_rrr, by_input_gradient])
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
    alone, near = cross_entropy(trained, SHORT), by_adversarial_training(trained, SHORT, epsilon=1e-9)
    for mine, yours in zip(near.state_dict().values(), alone.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, yours, atol=1e-3, rtol=0)
    assert not same(by_adversarial_training(trained, SHORT), alone)


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
    assert same(by_hand, by_adversarial_training(trained, SHORT, seed=2))
    assert same(by_hand, cross_entropy(trained, attacked(SHORT, 0.1), seed=2))
    assert not same(by_hand, cross_entropy(trained, attacked(SHORT), seed=2))
    assert same(cross_entropy(trained, SHORT, seed=2), cross_entropy(trained, attacked(SHORT), seed=2))


def test_feedback_on_top_of_adversarial_training_holds_against_pgd(trained: Classifier) -> None:
    """What counterexamples alone leave to PGD on images whose shortcut is wrong, both together keep."""
    assert TASK.shifted is not None
    some, longer = TASK.shifted.take(slice(0, 200)), replace(QUICK, steps=80)

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
    assert robust(by_adversarial_training(trained)) < robust(both) - 0.15, "without feedback the shortcut stays"


def margin_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return -margin(logits, labels)


@pytest.mark.parametrize("method", [by_rrr, by_input_gradient, by_adversarial_training])
def test_the_same_seed_gives_the_same_classifier(method: Callable[..., Classifier], trained: Classifier) -> None:
    before = torch.get_rng_state()
    one = method(trained, SHORT)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert same(one, method(trained, SHORT))
    assert not same(one, method(trained, SHORT, seed=1))


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


def test_random_exchange_is_counterexamples_by_a_random_relevance_map(trained: Classifier) -> None:
    """With counterexamples of every image also where feedback has neither them nor the penalty."""
    weighted = replace(SHORT, counterexample_share=0.0, reward_weight=0.7)
    relevance_map = RandomRelevance(LIME, torch_generator(4, "random exchange"))
    by_hand = cross_entropy(trained, replace(SHORT, counterexample_share=1.0), relevance_map=relevance_map, seed=4)
    assert same(random_exchange(trained, TASK.train, lime=LIME, settings=weighted, seed=4).classifier, by_hand)
    assert not same(cross_entropy(trained, SHORT, seed=4), by_hand)
