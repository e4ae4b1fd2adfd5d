"""The square attack, which needs no gradient."""

import pytest
import torch
from torch import Tensor

from explainfb.robustness.attacked_model import AttackedModel, verified
from explainfb.robustness.settings import AttackSettings
from explainfb.robustness.square import square_attack
from sound_digits import IMAGES, LABELS, attacker, correct, trained


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
