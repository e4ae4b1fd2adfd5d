"""What a reward may read of a classifier in place of pixels."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.superpixels import pool
from explainfb.finetuning.counterexamples import irrelevant_superpixels
from explainfb.rewards.dataset import PreferenceBatch
from explainfb.rewards.ensemble import RewardEnsemble, load_ensemble, save_ensemble
from explainfb.rewards.features import ClassifierFeatures
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.models import ExplainedImages, build_reward
from explainfb.rewards.settings import RewardSettings
from reward_example import EXPLAINED, pairs

IMAGES = EXPLAINED.images[:6]


def network(name: str, seed: int = 0) -> Classifier:
    return build_classifier(Architecture(name, 3, 1, 12, 12, (0.5,), (0.25,)), seed=seed)


def test_they_are_what_speaks_for_and_against_every_channel_of_the_convolutions() -> None:
    classifier = network("lenet")
    first, second = (each for each in classifier.modules() if isinstance(each, nn.Conv2d))
    low = first((IMAGES - 0.5) / 0.25)
    high = second(low.relu())
    expected = [F.adaptive_avg_pool2d(half, (3, 3)) for each in (low, high) for half in (each.relu(), (-each).relu())]
    torch.testing.assert_close(ClassifierFeatures(classifier)(IMAGES), torch.cat(expected, 1))


def test_the_narrowest_convolution_of_a_size_is_read_and_coarse_ones_are_not() -> None:
    layers = [nn.Conv2d(1, 20, 1), nn.Conv2d(20, 2, 1), nn.Conv2d(2, 30, 1), nn.Conv2d(30, 5, 1, stride=12)]
    classifier = network("lenet")
    classifier.network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(5, 3))
    assert ClassifierFeatures(classifier)(IMAGES).shape == (6, 2 * 2, 3, 3)


def test_looking_leaves_the_classifier_as_it_was() -> None:
    classifier = network("lenet").train()
    features = ClassifierFeatures(classifier)
    before = features.fingerprint
    assert not features(IMAGES).requires_grad
    assert classifier.training
    assert features.fingerprint == before != ClassifierFeatures(network("lenet", seed=1)).fingerprint
    assert not any(module._forward_hooks for module in classifier.modules())


def test_a_network_without_convolutions_is_told() -> None:
    with pytest.raises(InputError, match=r"mlp has no convolutions.*reward.features to pixels"):
        ClassifierFeatures(network("mlp"))(IMAGES)


def one_superpixel_each() -> tuple[ExplainedImages, Tensor]:
    """Dark images, each with one bright superpixel anywhere, and of each an explanation by one superpixel: every other
    time by the bright one. The utility is 1 where it is not."""
    generator = torch_generator(0, "test features")
    bright = torch.randint(16, (len(EXPLAINED),), generator=generator)
    shown = torch.where(torch.arange(len(EXPLAINED)) % 2 == 0, bright, (bright + 1) % 16)
    there = EXPLAINED.segments == bright[:, None, None]
    images = 0.3 * EXPLAINED.images + 0.7 * there[:, None]
    return replace(EXPLAINED, images=images, weights=torch.eye(16)[shown]), (shown != bright).float()


SHOWN, UTILITY = one_superpixel_each()


def answers(first: int, last: int, count: int) -> PreferenceBatch:
    left, right = pairs(first, last, count)
    return PreferenceBatch(left, right, (1 + UTILITY[left] - UTILITY[right]) / 2)


@pytest.fixture(scope="module")
def ensemble() -> RewardEnsemble:
    features = ClassifierFeatures(network("lenet"))
    settings = RewardSettings(members=2)
    return fit_ensemble(SHOWN, answers(0, 300, 300), settings=settings, seed=0, features=features)


def test_a_reward_that_reads_them_finds_what_lies_elsewhere_in_every_image(ensemble: RewardEnsemble) -> None:
    new, reward = answers(300, 400, 200), ensemble(SHOWN)
    decided = new.take(new.decided.nonzero()[:, 0])
    right = (reward[decided.left] > reward[decided.right]) == (decided.share_left > 0.5)
    assert right.float().mean() > 0.95
    images, segments = SHOWN.images[300:], SHOWN.segments[300:]
    exchanged = irrelevant_superpixels(ensemble.relevance_map(images), segments)
    bright = pool(images, segments, 16)[:, 0].argmax(1, keepdim=True)
    assert exchanged.gather(1, bright).float().mean() > 0.9


def test_its_file_is_read_with_the_classifier_that_it_was_fitted_with(ensemble: RewardEnsemble, tmp_path: Path) -> None:
    path = tmp_path / "reward.safetensors"
    save_ensemble(ensemble, path)
    again = load_ensemble(path, lambda: network("lenet"))
    assert torch.equal(again(SHOWN), ensemble(SHOWN))
    assert torch.equal(again.relevance_map(IMAGES), ensemble.relevance_map(IMAGES))
    with pytest.raises(InputError, match="another classifier than round 0's"):
        load_ensemble(path, lambda: network("lenet", seed=1))
    with pytest.raises(InputError, match="give the one of round 0"):
        load_ensemble(path)


def test_without_features_it_says_what_it_needs(ensemble: RewardEnsemble) -> None:
    with pytest.raises(InputError, match="give those of the images"):
        build_reward("additive", 1, "share", feature_channels=4).maps(IMAGES)  # type: ignore[union-attr]
