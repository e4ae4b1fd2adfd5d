"""Augmentation of training images: flips and crops of each, the same again with the same seed, and only in training."""

from dataclasses import replace

import pytest
import torch

from explainfb import TrainingSettings, load_task, network, predict_logits, train
from explainfb.classifiers import training
from explainfb.classifiers.torchvision_networks import Preprocessing
from explainfb.classifiers.training import augmentation
from explainfb.core.errors import InputError

QUICK = TrainingSettings(steps=12, batch_size=16, validate_every=6, augment="standard")


def some(count: int = 64, channels: int = 3) -> torch.Tensor:
    return torch.rand(count, channels, 12, 10, generator=torch.Generator().manual_seed(0))


def test_flips_mirror_about_half_of_the_images_each_for_itself() -> None:
    images = some()
    changed = augmentation("flips", 0)(images, 1)
    same = (changed == images).flatten(1).all(1)
    assert bool(((changed == images.flip(3)).flatten(1).all(1) | same).all())
    assert 20 <= int(same.sum()) <= 44


@pytest.mark.parametrize("channels", [1, 3])
def test_standard_shows_parts_at_the_same_size_within_the_same_range(channels: int) -> None:
    images = some(channels=channels)
    changed = augmentation("standard", 0)(images, 1)
    assert changed.shape == images.shape
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    assert bool((changed != images).flatten(1).any(1).sum() > 50)
    # enlarged parts are smoother than what they are parts of
    assert float((changed.diff(dim=3)).abs().mean()) < 0.8 * float(images.diff(dim=3).abs().mean())


def test_every_step_draws_anew_and_a_step_the_same_whatever_was_drawn_before() -> None:
    images = some()
    augment = augmentation("standard", 3)
    first, second = augment(images, 1), augment(images, 2)
    assert not torch.equal(first, second)
    torch.rand(7)  # the global generator is neither read nor moved
    state = torch.get_rng_state()
    assert torch.equal(augmentation("standard", 3)(images, 2), second)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(augmentation("standard", 4)(images, 2), second)
    assert augmentation("none", 3)(images, 1) is images


def test_equal_seeds_train_equal_classifiers_and_augmentation_makes_another() -> None:
    task = load_task("digits", train_images=120)
    once, again = (train(task, settings=QUICK, seed=5) for _ in range(2))
    without = train(task, settings=replace(QUICK, augment="none"), seed=5)
    for one, other, plain in zip(once.parameters(), again.parameters(), without.parameters(), strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, plain)


def test_nothing_but_training_steps_is_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    task, changed = load_task("digits", train_images=120), []

    def counting(kind: str, seed: int) -> object:
        return lambda images, step: changed.append((kind, len(images), step)) or images

    monkeypatch.setattr(training, "augmentation", counting)
    classifier = train(task, settings=QUICK)
    assert changed == [("standard", 16, step) for step in range(1, 13)]  # and none of its two validations
    predict_logits(classifier, task.clean.images)
    assert len(changed) == 12


def test_a_transfer_is_augmented_too() -> None:
    task = load_task("digits", train_images=120)
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.ReLU(), torch.nn.Linear(8, 5))
    net = network(body, preprocess=Preprocessing(28, (0.5,), (0.3,)))
    heads = [
        net.transfer(task, train="head", settings=replace(QUICK, augment=kind)).network[3].weight
        for kind in ("standard", "standard", "none")
    ]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_another_word_is_refused() -> None:
    with pytest.raises(InputError, match="augment is one of none, flips, standard; found 'all'"):
        TrainingSettings(augment="all")  # type: ignore[arg-type]
