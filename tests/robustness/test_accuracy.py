"""Robust accuracy is the worst case over all attacks, image by image, and nothing is left changed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, clone
from explainfb.core.errors import InputError
from explainfb.core.types import RobustAccuracy, ThreatModel
from explainfb.robustness.accuracy import break_by_minimum_norm, break_in_turn, robust_accuracy, search_step
from explainfb.robustness.attacks import Attacker, foolbox
from explainfb.robustness.settings import AttackSettings
from sound_digits import IMAGES, LABELS, attacker, changed, correct, trained

LINF = [ThreatModel("linf", epsilon) for epsilon in (0.05, 0.1, 0.2)]
L2 = [ThreatModel("l2", epsilon) for epsilon in (0.3, 0.6, 1.2)]
FEW = AttackSettings(pgd_steps=5, minimum_norm_steps=5, square_queries=10, noise_repeats=3, check_images=5)


@pytest.fixture(scope="module")
def records() -> list[RobustAccuracy]:
    return robust_accuracy(trained(), IMAGES, LABELS, threat_models=[*LINF, *L2], seed=0)


def test_pgd_breaks_what_noise_of_the_same_size_does_not(records: list[RobustAccuracy]) -> None:
    for record in (records[2], records[5]):
        assert record.attacks["noise"] > 0.85
        assert record.attacks["pgd"] < record.attacks["noise"] - 0.4


def test_the_worst_case_is_below_every_attack_and_falls_with_epsilon(records: list[RobustAccuracy]) -> None:
    clean = len(correct()) / len(IMAGES)
    for record in records:
        on_all = [name for name, images in record.attack_images.items() if images == len(correct())]
        assert record.accuracy.estimate <= min(record.attacks[name] for name in on_all)
        assert set(record.attack_images) == set(record.attacks)
        assert set(on_all) >= {"pgd", "fgsm", "square", "noise"}
        assert record.attack_images["deepfool"] == AttackSettings().deepfool_images
        assert record.accuracy.low <= record.accuracy.estimate <= record.accuracy.high
        assert record.n == len(IMAGES)
        assert np.mean(record.survived) == record.accuracy.estimate
        assert record.accuracy.estimate <= clean
    for curve in (records[:3], records[3:]):
        estimates = [record.accuracy.estimate for record in curve]
        assert estimates == sorted(estimates, reverse=True)
        assert estimates[0] > estimates[-1]
    for record in records:
        minimum_norm = record.attacks.get("fmn", record.attacks.get("ddn", 1.0))
        assert abs(minimum_norm - record.attacks["pgd"]) <= 0.08
    both = {"pgd", "fgsm", "targeted", "deepfool", "square", "noise", "hop_skip_jump"}
    assert set(records[0].attacks) == both | {"fmn", "gen_attack"}
    assert set(records[3].attacks) == both | {"ddn"}


def test_a_long_pgd_finds_little_more(records: list[RobustAccuracy]) -> None:
    strong = AttackSettings(
        pgd_steps=60,
        pgd_relative_step=0.07,
        pgd_restarts=4,
        minimum_norm_steps=100,
        targeted_images=0,
        deepfool_images=0,
        square_images=1,
        hop_skip_jump_images=0,
        gen_attack_images=0,
        check_images=1,
        check_steps_factor=1,
        check_restarts=1,
    )
    reference = robust_accuracy(trained(), IMAGES, LABELS, threat_models=[LINF[1], L2[1]], settings=strong, seed=1)
    for ours, longer in zip((records[1], records[4]), reference, strict=True):
        assert abs(ours.accuracy.estimate - longer.accuracy.estimate) < 0.05


def test_the_step_that_breaks_most_is_used() -> None:
    """With two steps of PGD a tiny one gets nowhere."""
    settings = AttackSettings(pgd_steps=2, pgd_relative_step=0.01, pgd_step_search=(0.5,), step_search_images=40)
    order, wrong = np.arange(100), np.isin(np.arange(100), correct(), invert=True)
    lazy = attacker(trained(), settings=settings)
    assert search_step(lazy, wrong, order, (0.1,)).settings.pgd_relative_step == 0.5
    alone = attacker(trained(), settings=replace(settings, pgd_step_search=()))
    assert search_step(alone, wrong, order, (0.1,)) is alone


def test_a_classifier_that_names_one_class_alone_is_attacked_without_an_error() -> None:
    constant = changed(lambda forward, images: 0 * forward(images) + nn.functional.one_hot(LABELS[:1], 10))
    few = robust_accuracy(constant, IMAGES[:20], LABELS[:20], threat_models=[LINF[0], L2[0]], settings=FEW, seed=0)
    expected = (LABELS[:20] == LABELS[0]).double().mean()
    assert [record.accuracy.estimate for record in few] == [expected] * 2


def test_a_classifier_that_is_always_wrong_leaves_nothing_to_attack() -> None:
    wrong = (trained()(IMAGES[:20]).argmax(1) + 1) % 10
    records = robust_accuracy(
        trained(), IMAGES[:20], wrong, threat_models=[LINF[0], L2[0]], settings=FEW, seed=0, surrogate=trained()
    )
    for record in records:
        assert record.accuracy.estimate == 0
        assert set(record.attacks.values()) == {0.0}
        assert set(record.attack_images.values()) == {0}
        assert record.reliable


def test_same_seed_same_result_whatever_was_drawn_before() -> None:
    def run(seed: int) -> list[RobustAccuracy]:
        return robust_accuracy(trained(), IMAGES, LABELS, threat_models=[LINF[1], L2[1]], settings=FEW, seed=seed)

    torch.manual_seed(5)
    state, first = torch.get_rng_state(), run(0)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(7)
    assert run(0) == first
    assert any(run(seed) != first for seed in (1, 2, 3))


def test_the_classifier_is_given_back_as_it_came() -> None:
    classifier = clone(trained()).train()
    classifier.network[1].eval()
    classifier.network[0].weight.requires_grad_(False)
    modes = [module.training for module in classifier.modules()]
    required = [parameter.requires_grad for parameter in classifier.parameters()]
    robust_accuracy(classifier, IMAGES[:10], LABELS[:10], threat_models=LINF[:1], settings=FEW, seed=0)
    assert [module.training for module in classifier.modules()] == modes
    assert [parameter.requires_grad for parameter in classifier.parameters()] == required
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_attacks_see_evaluation_mode() -> None:
    seen = []
    classifier = changed(lambda forward, images: seen.append(classifier.network.training) or forward(images)).train()
    robust_accuracy(classifier, IMAGES[:10], LABELS[:10], threat_models=LINF[:1], settings=FEW, seed=0)
    assert seen
    assert not any(seen)


def test_an_attack_that_claims_success_with_nan_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(self: object, model: object, inputs: Tensor, criterion: object, **options: object) -> Tensor:
        return torch.full_like(inputs, torch.nan) if isinstance(inputs, Tensor) else inputs * float("nan")

    monkeypatch.setattr(foolbox.attacks.LInfFMNAttack, "run", lie)
    record = robust_accuracy(trained(), IMAGES, LABELS, threat_models=LINF[:1], settings=FEW, seed=0)[0]
    assert record.attacks["fmn"] == len(correct()) / len(IMAGES)


def test_only_what_still_holds_is_attacked_again() -> None:
    asked = []

    def attempt(left: np.ndarray, epsilon: float) -> np.ndarray:
        asked.append((epsilon, left.tolist()))
        return left < 10 * epsilon

    rows = break_in_turn([attempt], np.array([False] * 4 + [True]), [0.1, 0.3])
    assert asked == [(0.1, [0, 1, 2, 3]), (0.3, [1, 2, 3])]
    assert rows.tolist() == [[True, False, False, False, True], [True, True, True, False, True]]


def test_what_a_minimum_norm_attack_broke_stays_broken_at_a_larger_epsilon(monkeypatch: pytest.MonkeyPatch) -> None:
    found = np.array([[True, False], [False, False], [False, True]])
    monkeypatch.setattr(Attacker, "minimum_norm", lambda *_: found)
    rows = break_by_minimum_norm(attacker(trained()).minimum_norm, np.array([False, True, False]), (0.1, 0.2, 0.3))
    assert rows.tolist() == [[True, True, False], [True, True, False], [True, True, True]]


def test_square_runs_on_as_many_images_as_asked() -> None:
    few = AttackSettings(pgd_steps=2, square_images=7, square_queries=30)
    record = robust_accuracy(trained(), IMAGES, LABELS, threat_models=[LINF[2]], settings=few, seed=0)[0]
    clean = len(correct()) / len(IMAGES)
    held = record.attacks["square"] / clean * 7
    assert held == pytest.approx(round(held))
    assert 0 < held < 7
    assert record.attack_images == {**record.attack_images, "square": 7, "pgd": len(correct())}


def test_outputs_not_finite_count_as_wrong() -> None:
    classifier = changed(lambda forward, images: forward(images) * torch.nan)
    record = robust_accuracy(classifier, IMAGES, LABELS, threat_models=LINF[:1], settings=FEW, seed=0)[0]
    assert record.accuracy.estimate == 0
    assert "non_finite_outputs" in record.flags


def test_records_come_in_the_order_asked_and_progress_adds_up() -> None:
    done: list[float] = []
    asked = [L2[1], LINF[2], LINF[0]]
    found = robust_accuracy(
        trained(), IMAGES[:20], LABELS[:20], threat_models=asked, settings=FEW, seed=0, progress=done.append
    )
    assert [record.threat_model for record in found] == asked
    assert found[1].accuracy.estimate < found[2].accuracy.estimate
    assert sum(done) == pytest.approx(1)
    assert len(done) >= 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": IMAGES * 2}, r"must lie in \[0, 1\]"),
        ({"labels": LABELS[:3]}, "one label each"),
        ({"labels": LABELS + 9}, "0 … 9"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "found 0"),
        ({"threat_models": []}, "at least one threat model"),
    ],
)
def test_bad_input_is_named_before_any_attack(change: dict, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = trained()
    monkeypatch.setattr(Classifier, "forward", lambda *_: pytest.fail("the classifier was asked"))
    options = {"images": IMAGES, "labels": LABELS, "threat_models": LINF[:1]} | change
    with pytest.raises(InputError, match=message):
        robust_accuracy(classifier, seed=0, **options)
