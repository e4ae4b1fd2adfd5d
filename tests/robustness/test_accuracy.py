"""The attacks work, what they return is checked, and nothing is left changed."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, clone
from explainfb.core.errors import InputError
from explainfb.core.types import RobustAccuracy, ThreatModel
from explainfb.robustness.accuracy import break_by_minimum_norm, break_in_turn, robust_accuracy, search_step
from explainfb.robustness.attacked_model import AttackedModel, attacked, verified
from explainfb.robustness.attacks import Attacker, cross_entropy, foolbox
from explainfb.robustness.diagnostics import Broken, only_by
from explainfb.robustness.pgd import pgd_attack, random_change
from explainfb.robustness.settings import ATTACKS, THOROUGH, AttackSettings
from explainfb.robustness.square import square_attack
from sound_digits import changed, digits, trained

IMAGES, LABELS = (part[:100] for part in digits())
LINF = [ThreatModel("linf", epsilon) for epsilon in (0.05, 0.1, 0.2)]
L2 = [ThreatModel("l2", epsilon) for epsilon in (0.3, 0.6, 1.2)]
FEW = AttackSettings(pgd_steps=5, minimum_norm_steps=5, square_queries=10, noise_repeats=3, check_images=5)


@pytest.fixture(scope="module")
def records() -> list[RobustAccuracy]:
    return robust_accuracy(trained(), IMAGES, LABELS, threat_models=[*LINF, *L2], seed=0)


def attacker(classifier: nn.Module, norm: str = "linf", settings: AttackSettings | None = None) -> Attacker:
    return Attacker(AttackedModel(classifier).eval(), IMAGES, LABELS, norm, settings or AttackSettings(), 0)


def correct() -> np.ndarray:
    return np.flatnonzero((trained()(IMAGES).argmax(1) == LABELS).numpy())


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
    strong = AttackSettings(pgd_steps=60, pgd_relative_step=0.07, pgd_restarts=4, minimum_norm_steps=100)
    reference = robust_accuracy(trained(), IMAGES, LABELS, threat_models=[LINF[1], L2[1]], settings=strong, seed=1)
    for ours, longer in zip((records[1], records[4]), reference, strict=True):
        assert abs(ours.accuracy.estimate - longer.accuracy.estimate) < 0.05


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.2), ("l2", 1.2)])
def test_the_second_start_follows_the_margin_where_the_cross_entropy_is_flat(norm: str, epsilon: float) -> None:
    certain = attacker(changed(lambda forward, images: 200 * forward(images)), norm)
    flat, margin = (certain.pgd(correct(), epsilon, restart=restart).sum() for restart in (0, 1))
    assert flat < 0.3 * len(correct())
    assert margin > 0.9 * len(correct())


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("l2", 0.6)])
def test_pgd_breaks_all_that_foolbox_breaks_from_the_same_start(norm: str, epsilon: float) -> None:
    chosen = correct()
    images, labels = IMAGES[chosen], LABELS[chosen]
    options = {"norm": norm, "epsilon": epsilon, "loss": cross_entropy, "start": torch.zeros_like(images)}
    ours = pgd_attack(trained(), images, labels, steps=20, step=0.2 * epsilon, **options)
    attack = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
    model = foolbox.PyTorchModel(trained(), bounds=(0, 1), device="cpu")
    plain = attack(steps=20, rel_stepsize=0.2, random_start=False)(model, images, labels, epsilons=epsilon)
    broken = verified(AttackedModel(trained()), images, ours, labels, norm, epsilon)
    success = plain[2].numpy()
    assert (broken >= success).all()
    assert 0 < success.sum() <= broken.sum() < len(broken)
    stood = ~torch.from_numpy(broken)
    assert torch.allclose(ours[stood], plain[1][stood], atol=1e-5)


def test_pgd_asks_nothing_more_of_an_image_that_is_broken() -> None:
    asked = []

    def classifier(images: Tensor) -> Tensor:
        asked.append(len(images))
        return trained()(images)

    options = {"norm": "linf", "epsilon": 0.2, "loss": cross_entropy, "start": torch.zeros_like(IMAGES)}
    moved = pgd_attack(classifier, IMAGES, LABELS, steps=20, step=0.04, **options)
    assert asked == sorted(asked, reverse=True)
    assert asked[-1] < len(IMAGES) / 2
    wrong = (trained()(IMAGES).argmax(1) != LABELS).nonzero()[:, 0]
    assert torch.equal(moved[wrong], IMAGES[wrong])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_start_is_uniform_in_the_ball(norm: str) -> None:
    images = torch.zeros(4000, 1, 2, 1)
    change = random_change(images, norm, 0.5, torch.Generator().manual_seed(0)).flatten(1)
    length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert length.max() <= 0.5
    assert ((length / 0.5) ** 2).mean() == pytest.approx(0.5, abs=0.02)
    assert change.mean().abs() < 0.02


def test_targeted_pgd_ends_more_often_in_the_class_it_was_sent_to() -> None:
    images, labels = (part[correct()] for part in (IMAGES, LABELS))
    for distance in (1, 4):
        sent = (labels + distance) % 10
        options = {"norm": "linf", "epsilon": 0.3, "loss": cross_entropy, "start": torch.zeros_like(images)}
        moved = [
            pgd_attack(trained(), images, labels, steps=30, step=0.02, targets=targets, **options)
            for targets in (sent, None)
        ]
        aimed, unaimed = ((trained()(found).argmax(1) == sent).double().mean() for found in moved)
        assert aimed > 0.3
        assert aimed > 2 * unaimed


def test_the_step_that_breaks_most_is_used() -> None:
    """With two steps of PGD a tiny one gets nowhere."""
    settings = AttackSettings(pgd_steps=2, pgd_relative_step=0.01, pgd_step_search=(0.5,), step_search_images=40)
    order, wrong = np.arange(100), np.isin(np.arange(100), correct(), invert=True)
    lazy = attacker(trained(), settings=settings)
    assert search_step(lazy, wrong, order, (0.1,)).settings.pgd_relative_step == 0.5
    alone = attacker(trained(), settings=replace(settings, pgd_step_search=()))
    assert search_step(alone, wrong, order, (0.1,)) is alone


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_every_attack_breaks_something_that_the_clean_image_does_not(norm: str) -> None:
    epsilon = 0.3 if norm == "linf" else 2.0
    strong = AttackSettings(hop_skip_jump_steps=8, gen_attack_steps=60)
    attack = replace(attacker(trained(), norm, strong), surrogate=AttackedModel(trained()).eval())
    chosen = correct()[:12]
    found = {
        "one_step": attack.one_step(chosen, epsilon),
        "targeted": attack.targeted(chosen, epsilon),
        "transfer": attack.transfer(chosen, epsilon),
        "deepfool": attack.deepfool(chosen, (epsilon,))[0],
        "hop_skip_jump": attack.hop_skip_jump(chosen, (epsilon,))[0],
    }
    if norm == "linf":
        found["gen_attack"] = attack.gen_attack(chosen, epsilon)
    assert {name: bool(broken.sum() >= 3) for name, broken in found.items()} == dict.fromkeys(found, True)


def test_images_made_against_a_surrogate_are_made_without_asking_the_target() -> None:
    asked = []
    counted = changed(lambda forward, images: asked.append(len(images)) or forward(images))
    attack = replace(attacker(counted), surrogate=AttackedModel(trained()).eval())
    assert attack.transfer(correct(), 0.2).sum() > 10
    assert sum(asked) == len(correct())


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


def test_a_dear_attack_is_judged_by_the_images_it_ran_on() -> None:
    """Of ten images two are wrong to begin with; the attack ran on four of the others and broke one."""
    rows = np.array([[True, True, True, *[False] * 7]])
    tried = np.array([False, False, True, True, True, True, *[False] * 4])
    assert Broken(rows, tried).accuracy_alone(0, 0.8) == pytest.approx(0.8 * 3 / 4)


def test_what_one_attack_alone_broke_is_counted_on_the_images_it_ran_on() -> None:
    strong = Broken(np.array([[True, False, False, False]]), np.ones(4, dtype=bool))
    weak = Broken(np.array([[True, True, True, False]]), np.array([True, True, False, False]))
    broken = {"pgd": strong, "square": weak}
    assert only_by("square", ["pgd"], broken, 0) == (1, 2)
    assert only_by("pgd", ["square"], broken, 0) == (0, 4)


def test_thorough_attacks_go_beyond_the_default_in_everything() -> None:
    for setting in fields(AttackSettings):
        usual, thorough = getattr(ATTACKS, setting.name), getattr(THOROUGH, setting.name)
        if setting.name in ("pgd_step_search", "pgd_relative_step", "batch_size"):
            continue
        assert thorough > usual
    assert THOROUGH.noise_repeats == 10_000


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


def test_the_classifier_is_given_back_when_an_attack_fails() -> None:
    classifier = clone(trained()).train()
    manager = attacked(classifier)
    assert not manager.__enter__().training
    assert not classifier.training
    assert manager.__exit__(RuntimeError, RuntimeError("planted"), None) is not True
    assert classifier.training
    assert all(parameter.requires_grad for parameter in classifier.parameters())


def test_attacks_see_evaluation_mode() -> None:
    seen = []
    classifier = changed(lambda forward, images: seen.append(classifier.network.training) or forward(images)).train()
    robust_accuracy(classifier, IMAGES[:10], LABELS[:10], threat_models=LINF[:1], settings=FEW, seed=0)
    assert seen
    assert not any(seen)


def always_wrong(images: Tensor) -> Tensor:
    return nn.functional.one_hot((LABELS[: len(images)] + 1) % 10, 10).float()


@pytest.mark.parametrize(
    ("candidate", "believed"),
    [
        (lambda images: (images + 0.1).clamp(0, 1), True),
        (lambda images: torch.full_like(images, torch.nan), False),
        (lambda images: (images + 0.11).clamp(0, 1), False),
        (lambda images: images + 0.05 * (2 * (images > 0.5) - 1), False),
    ],
)
def test_only_real_adversarials_are_believed(candidate: Callable[[Tensor], Tensor], believed: bool) -> None:
    class Fooled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return always_wrong(images)

    images, labels = IMAGES[:20], LABELS[:20]
    found = verified(AttackedModel(Fooled()), images, candidate(images), labels, "linf", 0.1)
    assert found.tolist() == [believed] * 20
    assert not verified(AttackedModel(trained()), images, images, labels, "linf", 0.1)[correct()[correct() < 20]].any()


def test_l2_length_is_measured_over_the_whole_image() -> None:
    class Fooled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return always_wrong(images)

    image = torch.full((1, 1, 8, 8), 0.5)
    for length, believed in ((0.99, True), (1.01, False)):
        moved = image + length / 8
        assert verified(AttackedModel(Fooled()), image, moved, LABELS[:1], "l2", 1.0).tolist() == [believed]


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


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.2), ("l2", 1.2)])
def test_square_attack_beats_noise_without_a_gradient(norm: str, epsilon: float) -> None:
    calls = []

    def forward(images: Tensor) -> Tensor:
        calls.append(len(images))
        assert not torch.is_grad_enabled()
        return trained()(images)

    chosen = correct()
    generator = torch.Generator().manual_seed(0)
    options = {"norm": norm, "epsilon": epsilon, "queries": 100, "generator": generator}
    moved = square_attack(forward, IMAGES[chosen], LABELS[chosen], **options)
    found = verified(AttackedModel(trained()), IMAGES[chosen], moved, LABELS[chosen], norm, epsilon)
    wrong = (trained()(moved).argmax(1) != LABELS[chosen]).numpy()
    assert (found == wrong).all()
    assert len(calls) <= 100
    assert sum(calls) < 100 * len(chosen)
    noise = attacker(trained(), norm, AttackSettings(noise_repeats=100)).noise(chosen, epsilon)
    assert found.sum() > noise.sum() + 10


def test_square_runs_on_as_many_images_as_asked() -> None:
    few = AttackSettings(pgd_steps=2, square_images=7, square_queries=30)
    record = robust_accuracy(trained(), IMAGES, LABELS, threat_models=[LINF[2]], settings=few, seed=0)[0]
    clean = len(correct()) / len(IMAGES)
    held = record.attacks["square"] / clean * 7
    assert held == pytest.approx(round(held))
    assert 0 < held < 7
    assert record.attack_images == {**record.attack_images, "square": 7, "pgd": len(correct())}


def test_batches_change_nothing_that_is_not_random() -> None:
    chosen = correct()
    whole, pieces = (
        attacker(trained(), settings=AttackSettings(batch_size=size)).minimum_norm(chosen, (0.05, 0.1))
        for size in (256, 17)
    )
    assert (whole == pieces).mean() > 0.99


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


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match=r"pgd_steps must be greater than 0; found 0"):
        AttackSettings(pgd_steps=0)


def test_the_honesty_checks_cannot_be_switched_off() -> None:
    with pytest.raises(InputError, match="check_images of at least 1; found 0"):
        AttackSettings(check_images=0)
