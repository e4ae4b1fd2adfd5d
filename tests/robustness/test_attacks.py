"""Each attack breaks something, from a start of its own."""

from dataclasses import replace

import pytest

from explainfb.robustness.attacked_model import AttackedModel
from explainfb.robustness.settings import AttackSettings
from sound_digits import attacker, changed, correct, trained


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.2), ("l2", 1.2)])
def test_the_second_start_follows_the_margin_where_the_cross_entropy_is_flat(norm: str, epsilon: float) -> None:
    certain = attacker(changed(lambda forward, images: 200 * forward(images)), norm)
    flat, margin = (certain.pgd(correct(), epsilon, restart=restart).sum() for restart in (0, 1))
    assert flat < 0.3 * len(correct())
    assert margin > 0.9 * len(correct())


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


def test_batches_change_nothing_that_is_not_random() -> None:
    chosen = correct()
    whole, pieces = (
        attacker(trained(), settings=AttackSettings(batch_size=size)).minimum_norm(chosen, (0.05, 0.1))
        for size in (256, 17)
    )
    assert (whole == pieces).mean() > 0.99
