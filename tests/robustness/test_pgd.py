"""PGD finds what Foolbox's finds and more, and wastes nothing on images that are broken."""

import pytest
import torch
from torch import Tensor

from explainfb.core.seeding import torch_generator
from explainfb.robustness.attacked_model import AttackedModel, verified
from explainfb.robustness.attacks import cross_entropy, foolbox
from explainfb.robustness.pgd import attack_batch, pgd_attack, random_change
from sound_digits import IMAGES, LABELS, correct, trained


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


def test_an_attacked_batch_stays_within_its_box_and_is_worse() -> None:
    def attack(steps: int) -> Tensor:
        start = torch_generator(1)
        return attack_batch(trained(), IMAGES, LABELS, epsilon=0.1, steps=steps, relative_step=0.25, generator=start)

    def loss(attacked: Tensor) -> float:
        with torch.no_grad():
            return cross_entropy(trained()(attacked), LABELS).mean().item()

    found = attack(7)
    assert (found - IMAGES).abs().max().item() == pytest.approx(0.1, abs=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1
    assert not found.requires_grad
    assert torch.equal(found, attack(7))
    assert loss(found) > loss(attack(1)) > loss(attack(0))
    assert loss(found) > 3 * max(loss(IMAGES), loss(attack(0)))
