"""Each honesty check trips on the fault it is for, and a sound classifier trips none."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from explainfb import honesty
from explainfb.attacks import AttackSettings
from explainfb.classifiers import Classifier
from explainfb.honesty import Evidence
from explainfb.robustness import robust_accuracy
from explainfb.types import ThreatModel
from sound_digits import changed, digits, trained

IMAGES, LABELS = (part[:80] for part in digits())
THREATS = [ThreatModel("linf", 0.1), ThreatModel("linf", 0.2), ThreatModel("l2", 0.6), ThreatModel("l2", 1.2)]

SOUND = Evidence(
    outputs=torch.randn(100, 10, generator=torch.Generator().manual_seed(0)),
    outputs_again=torch.randn(100, 10, generator=torch.Generator().manual_seed(0)),
    outputs_finite=True,
    gradients=torch.full((95,), 1e-3),
    held_from_scratch=(40, 20, 21),
    held_at_large_epsilon=0,
    checked=50,
    only_black_box=1,
    attacked=100,
    broken_by_more_steps=1,
    survivors_checked=30,
    survivors=60,
)

FAULTS = {
    "non_finite_outputs": {"outputs_finite": False},
    "non_deterministic_outputs": {"outputs_again": SOUND.outputs + 0.01},
    "outputs_are_not_logits": {"outputs": SOUND.outputs.softmax(1), "outputs_again": SOUND.outputs.softmax(1)},
    "zero_gradients": {"gradients": torch.cat([torch.zeros(3), torch.ones(92)])},
    "epsilon_not_monotone": {"held_from_scratch": (40, 20, 30)},
    "large_epsilon_above_chance": {"held_at_large_epsilon": 6},
    "black_box_beats_white_box": {"only_black_box": 3},
    "more_steps_help": {"broken_by_more_steps": 2},
}


def flags_of(classifier: Classifier, **options: object) -> set[str]:
    records = robust_accuracy(classifier, IMAGES, LABELS, threat_models=THREATS, seed=0, **options)
    assert all(record.reliable == (not record.flags) for record in records)
    return {flag for record in records for flag in record.flags}


def test_every_check_has_a_fault_and_a_meaning() -> None:
    assert {check.__name__ for check in honesty.CHECKS} == set(FAULTS) == set(honesty.meanings())
    assert all(len(meaning) > 40 for meaning in honesty.meanings().values())


def test_sound_evidence_trips_nothing() -> None:
    assert honesty.flags(SOUND) == ()


@pytest.mark.parametrize("flag", FAULTS)
def test_each_fault_trips_its_own_check_and_no_other(flag: str) -> None:
    assert honesty.flags(replace(SOUND, **FAULTS[flag])) == (flag,)


def test_nothing_classified_correctly_is_no_evidence_of_a_fault() -> None:
    empty = replace(SOUND, gradients=torch.zeros(0), held_from_scratch=(0, 0, 0), checked=0, only_black_box=0)
    assert honesty.flags(replace(empty, broken_by_more_steps=0, survivors_checked=0, survivors=0)) == ()


def test_missing_gradients_count_as_zero() -> None:
    assert honesty.zero_gradients(replace(SOUND, gradients=torch.full((95,), torch.nan)))


def test_a_sound_classifier_trips_nothing() -> None:
    assert flags_of(trained()) == set()


def scaled(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return 200 * forward(images)


def detached(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return forward(images.detach())


def quantised(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    levels = torch.linspace(0, 1, 16)
    return forward(levels[(images.unsqueeze(-1) - levels).abs().argmin(-1)])


def with_nan(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    logits = forward(images)
    return torch.where(logits > logits.mean(), logits, torch.nan)


def probabilities(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return forward(images).softmax(1)


def noisy(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return forward(images + 0.2 * torch.randn_like(images))


def hidden_far_from_the_data(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """No gradient once the pixels that are black in digits are not."""
    far = images[:, :, :, 0].mean((1, 2)) > 0.065
    logits = forward(images)
    return torch.where(far[:, None], logits.detach(), logits)


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        (scaled, {"zero_gradients"}),
        (detached, {"zero_gradients", "large_epsilon_above_chance", "black_box_beats_white_box"}),
        (quantised, {"zero_gradients", "large_epsilon_above_chance", "black_box_beats_white_box"}),
        (with_nan, {"non_finite_outputs"}),
        (probabilities, {"outputs_are_not_logits"}),
        (noisy, {"non_deterministic_outputs"}),
        (hidden_far_from_the_data, {"epsilon_not_monotone"}),
    ],
)
def test_a_classifier_that_hides_its_weakness_is_found_out(wrap: Callable, expected: set[str]) -> None:
    assert expected <= flags_of(changed(wrap))


def test_scaled_logits_change_no_decision_and_are_unreliable_everywhere() -> None:
    classifier = changed(scaled)
    assert torch.equal(classifier(IMAGES).argmax(1), trained()(IMAGES).argmax(1))
    records = robust_accuracy(classifier, IMAGES, LABELS, threat_models=THREATS, seed=0)
    assert [record.reliable for record in records] == [False] * len(THREATS)


def test_attacks_that_stop_too_early_are_found_out() -> None:
    lazy = AttackSettings(pgd_steps=4, pgd_relative_step=0.04, minimum_norm_steps=2, square_queries=2)
    assert "more_steps_help" in flags_of(trained(), settings=replace(lazy, check_steps_factor=40))


def test_epsilon_zero_is_the_clean_accuracy() -> None:
    record = robust_accuracy(trained(), IMAGES, LABELS, threat_models=[ThreatModel("linf", 0)], seed=0)[0]
    assert record.accuracy.estimate == (trained()(IMAGES).argmax(1) == LABELS).double().mean()
