"""Each sanity check trips on the fault it is for, and a sound classifier trips none."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.core.types import ThreatModel
from explainfb.robustness import sanity_checks
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.sanity_checks import AttackDiagnostics, Share
from explainfb.robustness.settings import AttackSettings
from sound_digits import changed, digits, trained

IMAGES, LABELS = (part[:80] for part in digits())
THREATS = [ThreatModel("linf", 0.1), ThreatModel("linf", 0.2), ThreatModel("l2", 0.6), ThreatModel("l2", 1.2)]

SOUND = AttackDiagnostics(
    outputs=torch.randn(100, 10, generator=torch.Generator().manual_seed(0)),
    outputs_again=torch.randn(100, 10, generator=torch.Generator().manual_seed(0)),
    outputs_finite=True,
    gradients=torch.full((95,), 1e-3),
    held_from_scratch=(40, 20, 21),
    held_at_large_epsilon=0,
    checked=50,
    only_one_step=Share(1, 100),
    only_black_box={"square": Share(1, 50), "hop_skip_jump": Share(1, 8)},
    only_transfer=Share(1, 30),
    attacked=100,
    broken_by_more_steps=1,
    broken_by_more_restarts=1,
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
    "one_step_beats_iterated": {"only_one_step": Share(3, 100)},
    "black_box_beats_white_box": {"only_black_box": {"square": Share(1, 100), "gen_attack": Share(2, 8)}},
    "transfer_beats_white_box": {"only_transfer": Share(2, 30)},
    "more_steps_help": {"broken_by_more_steps": 2},
    "more_restarts_help": {"broken_by_more_restarts": 2},
}


FEW = AttackSettings(
    targeted_images=20, deepfool_images=20, square_images=60, hop_skip_jump_images=2, gen_attack_images=2
)
PAGE = Path(__file__).parents[2] / "docs" / "robustness.md"


def flags_of(classifier: Classifier, threat_models: Sequence[ThreatModel] = THREATS, **options: object) -> set[str]:
    options = {"surrogate": trained()} | options
    records = robust_accuracy(classifier, IMAGES, LABELS, threat_models=threat_models, seed=0, **options)
    assert all(record.reliable == (not record.flags) for record in records)
    return {flag for record in records for flag in record.flags}


def test_every_check_has_a_fault_that_it_finds_and_an_explanation_on_the_page() -> None:
    names = {check.__name__ for check in sanity_checks.CHECKS}
    assert names == set(FAULTS) == set(re.findall(r"^### `(\w+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert all(sanity_checks.meanings()[name] for name in names)


def test_sound_evidence_trips_nothing() -> None:
    assert sanity_checks.flags(SOUND) == ()


@pytest.mark.parametrize("flag", FAULTS)
def test_each_fault_trips_its_own_check_and_no_other(flag: str) -> None:
    assert sanity_checks.flags(replace(SOUND, **FAULTS[flag])) == (flag,)


def test_nothing_classified_correctly_is_no_evidence_of_a_fault() -> None:
    empty = replace(SOUND, gradients=torch.zeros(0), held_from_scratch=(0, 0, 0), checked=0)
    none = {"only_one_step": Share(0, 0), "only_black_box": {}, "only_transfer": Share(0, 0)}
    held = {"broken_by_more_steps": 0, "broken_by_more_restarts": 0, "survivors_checked": 0, "survivors": 0}
    assert sanity_checks.flags(replace(empty, **none, **held)) == ()


def test_few_images_are_judged_by_how_few_they_are() -> None:
    """Two of a hundred are chance, two of forty are not, however many images the other attacks ran on."""
    for tried, trips in ((100, False), (40, True)):
        found = replace(SOUND, attacked=1000, only_black_box={"square": Share(2, tried)})
        assert sanity_checks.black_box_beats_white_box(found) == trips


def test_missing_gradients_count_as_zero() -> None:
    assert sanity_checks.zero_gradients(replace(SOUND, gradients=torch.full((95,), torch.nan)))


@pytest.mark.parametrize("name", ["lenet", "mlp"])
@pytest.mark.parametrize("surrogate", [trained, lambda: None])
def test_a_sound_classifier_trips_nothing(name: str, surrogate: Callable) -> None:
    assert flags_of(trained(name), surrogate=surrogate()) == set()


BLIND = {"black_box_beats_white_box", "transfer_beats_white_box"}


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


def noisy_outputs(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    logits = forward(images)
    return logits + torch.randn_like(logits)


def hidden_far_from_the_data(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """No gradient once the pixels that are black in digits are not."""
    far = images[:, :, :, 0].mean((1, 2)) > 0.065
    logits = forward(images)
    return torch.where(far[:, None], logits.detach(), logits)


def rough(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """No gradient at an image that has been moved at all: digits have 17 levels of grey."""
    moved = ((16 * images).frac() != 0).flatten(1).any(1)
    logits = forward(images)
    return torch.where(moved[:, None], logits.detach(), logits)


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        (detached, {"zero_gradients", "large_epsilon_above_chance", *BLIND}),
        (quantised, {"zero_gradients", "large_epsilon_above_chance", *BLIND}),
        (rough, {"one_step_beats_iterated"}),
        (with_nan, {"non_finite_outputs"}),
        (probabilities, {"outputs_are_not_logits"}),
        (noisy, {"non_deterministic_outputs"}),
        (noisy_outputs, {"non_deterministic_outputs"}),
        (hidden_far_from_the_data, {"epsilon_not_monotone"}),
    ],
)
def test_a_classifier_that_hides_its_weakness_is_found_out(wrap: Callable, expected: set[str]) -> None:
    assert expected <= flags_of(changed(wrap), THREATS[2:], settings=FEW)


def test_scaled_logits_change_no_decision_and_have_no_gradient_anywhere() -> None:
    classifier = changed(scaled)
    assert torch.equal(classifier(IMAGES).argmax(1), trained()(IMAGES).argmax(1))
    records = robust_accuracy(classifier, IMAGES, LABELS, threat_models=THREATS, settings=FEW, seed=0)
    assert all("zero_gradients" in record.flags for record in records)


LAZY = AttackSettings(
    pgd_steps=2,
    pgd_relative_step=0.1,
    pgd_step_search=(),
    minimum_norm_steps=2,
    targeted_images=0,
    deepfool_images=0,
    transfer_images=0,
    square_queries=2,
    hop_skip_jump_images=0,
    gen_attack_images=0,
)


def test_attacks_that_stop_too_early_are_found_out() -> None:
    assert "more_steps_help" in flags_of(trained(), settings=replace(LAZY, check_steps_factor=100))


def test_attacks_that_start_too_seldom_are_found_out() -> None:
    """The cross-entropy is flat, so that the one start is lost; the next follows the margin."""
    classifier = changed(scaled)
    settings = replace(LAZY, pgd_restarts=1, pgd_steps=20, pgd_relative_step=0.2)
    assert "more_restarts_help" in flags_of(classifier, settings=settings)


def test_epsilon_zero_is_the_clean_accuracy() -> None:
    record = robust_accuracy(trained(), IMAGES, LABELS, threat_models=[ThreatModel("linf", 0)], seed=0)[0]
    assert record.accuracy.estimate == (trained()(IMAGES).argmax(1) == LABELS).double().mean()
