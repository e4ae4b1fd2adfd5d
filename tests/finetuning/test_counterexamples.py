from dataclasses import replace

import pytest
import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import fit, predict_logits
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator, torch_globally
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.counterexamples import irrelevant_pixels, irrelevant_superpixels, make_counterexamples
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.models import AdditiveReward, FreeReward
from explainfb.tasks.task import Split

LIME = LimeSettings(n_samples=16, n_segments=4)
QUARTERS = torch.tensor([[0, 1], [2, 3]]).repeat_interleave(4, 0).repeat_interleave(4, 1)[None]


def right_half_is_irrelevant(images: Tensor, _: Tensor | None = None) -> Tensor:
    relevance_map = torch.ones(len(images), *images.shape[2:])
    relevance_map[:, :, 4:] = 0
    return relevance_map


def shortcut_on_the_right(count: int = 400) -> tuple[Split, Split]:
    """Brightness tells two classes apart, faintly on the left; on the right it is misleading in the second split."""
    generator = torch_generator(0, "test counterexamples")
    labels = torch.arange(count) % 2
    images = torch.rand(count, 1, 8, 8, generator=generator) * 0.5
    images[:, :, :, :4] += 0.2 * labels.view(-1, 1, 1, 1)
    shifted = images.clone()
    images[:, :, :, 4:] += 0.5 * labels.view(-1, 1, 1, 1)
    shifted[:, :, :, 4:] += 0.5 * (1 - labels).view(-1, 1, 1, 1)
    return Split(images, labels), Split(shifted, labels)


TRAIN, SHIFTED = shortcut_on_the_right()


def accuracy(classifier: Classifier, split: Split) -> float:
    return (predict_logits(classifier, split.images).argmax(1) == split.labels).float().mean().item()


def test_superpixels_less_relevant_than_the_mean_are_irrelevant() -> None:
    relevance_map = torch.tensor([1.0, 5.0, 6.0, 7.0])[QUARTERS]
    assert irrelevant_superpixels(relevance_map, QUARTERS).tolist() == [[True, False, False, False]]
    assert torch.equal(irrelevant_pixels(relevance_map, QUARTERS), QUARTERS == 0)
    assert torch.equal(
        irrelevant_superpixels(3 * relevance_map - 100, QUARTERS), irrelevant_superpixels(relevance_map, QUARTERS)
    )


def test_labels_that_an_image_lacks_are_never_irrelevant_and_do_not_move_the_mean() -> None:
    halves = (QUARTERS >= 2).long()
    segments = torch.cat([QUARTERS, halves])
    relevance_map = torch.cat([torch.tensor([1.0, 5.0, 6.0, 7.0])[QUARTERS], torch.tensor([9.0, 8.0])[halves]])
    assert irrelevant_superpixels(relevance_map, segments).tolist() == [
        [True, False, False, False],
        [False, True, False, False],
    ]


def test_what_is_irrelevant_comes_from_one_background_image_and_the_rest_stays() -> None:
    images, background = TRAIN.images[:5], torch.arange(1, 4).view(3, 1, 1, 1).expand(3, 1, 8, 8) / 10
    generator = torch_generator(0, "draws")
    segments, relevance_map = QUARTERS.expand(5, -1, -1), right_half_is_irrelevant(images)
    changed = make_counterexamples(images, segments, relevance_map, background=background, generator=generator)
    assert torch.equal(changed[..., :4], images[..., :4])
    right = changed[..., 4:].flatten(1)
    assert bool((right == right[:, :1]).all())
    assert set(right[:, 0].tolist()) <= set(background[:, 0, 0, 0].tolist())
    assert len(set(right[:, 0].tolist())) > 1


def test_counterexamples_repair_a_classifier() -> None:
    architecture = Architecture("mlp", 2, 1, 8, 8, (0.4,), (0.25,))
    trained = fit(build_classifier(architecture, seed=0), TRAIN, TRAIN, settings=TrainingSettings(steps=60), seed=0)
    assert accuracy(trained, SHIFTED) < 0.4
    settings = FinetuneSettings(steps=100, explain_batch_size=1, n_samples=4, reward_weight=0.0)

    def tuned(share: float) -> Classifier:
        chosen = replace(settings, counterexample_share=share)
        return finetune(
            trained, TRAIN, None, lime=LIME, settings=chosen, relevance_map=right_half_is_irrelevant
        ).classifier

    assert accuracy(tuned(1.0), SHIFTED) > 0.8
    assert accuracy(tuned(0.0), SHIFTED) < 0.4


def test_the_training_images_stay_as_they_are() -> None:
    trained = build_classifier(Architecture("mlp", 2, 1, 8, 8, (0.4,), (0.25,)), seed=0)
    before = TRAIN.images.clone()
    settings = FinetuneSettings(steps=3, explain_batch_size=1, n_samples=4, counterexample_share=1.0)
    finetune(trained, TRAIN, None, lime=LIME, settings=settings, relevance_map=right_half_is_irrelevant)
    assert torch.equal(TRAIN.images, before)


def ensemble_of(*members: AdditiveReward | FreeReward) -> RewardEnsemble:
    return RewardEnsemble(list(members)).requires_grad_(False)


def test_relevance_is_the_gain_of_weight_that_speaks_for_the_class() -> None:
    with torch_globally(0, "test counterexamples"):
        member = AdditiveReward(1, "share")
    for parameter in member.features[-1].parameters():
        parameter.data *= -1
    for_it, against_it = member.maps(TRAIN.images[:3]).unbind(1)
    assert (for_it < 0).any()  # where weight against the class is the better one
    torch.testing.assert_close(ensemble_of(member).relevance_map(TRAIN.images[:3]), (for_it - against_it).detach())
    with pytest.raises(InputError, match="additive"):
        ensemble_of(member, FreeReward(1, "share")).relevance_map(TRAIN.images[:3])
