"""Rivals that count images without the shortcut for more, on digits of which one in five lacks it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import predict_logits, train
from explainfb.core.errors import InputError
from explainfb.finetuning.baselines import cross_entropy
from explainfb.finetuning.batches import Batch
from explainfb.finetuning.groups import WorstGroups, dfr, group_dro, groups_of, jtt
from explainfb.finetuning.optimisation import FinetunePoint, batch_draws
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.study.arms.registry import ARMS
from explainfb.study.settings import StudySettings
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split

TASK = load_task("digits-decoy", shortcut_rate=0.8, seed=1)
SHORT = FinetuneSettings(steps=100)


@pytest.fixture(scope="module")
def before() -> Classifier:
    return train(TASK, settings=TrainingSettings(steps=200), seed=0)


def accuracy(classifier: Classifier, split: Split) -> float:
    return (predict_logits(classifier, split.images).argmax(1) == split.labels).double().mean().item()


def test_groups_are_pairs_of_label_and_shortcut() -> None:
    groups, said = groups_of(TASK.train), TASK.train.shortcut_class
    assert said is not None
    of_group = {int(group): set() for group in groups.unique()}
    for group, label, shortcut in zip(groups.tolist(), TASK.train.labels.tolist(), said.tolist(), strict=True):
        of_group[group].add((label, shortcut))
    assert all(len(pairs) == 1 for pairs in of_group.values())
    assert len(of_group) == 20  # ten labels, with and without the shortcut


def test_a_shortcut_in_every_image_leaves_no_groups() -> None:
    everywhere = load_task("digits-decoy")
    with pytest.raises(InputError, match="--shortcut-rate below 1"):
        groups_of(everywhere.train)
    for name in ("group_dro", "dfr"):
        with pytest.raises(InputError, match="--shortcut-rate below 1"):
            ARMS[name].check(name, StudySettings(), everywhere)
        ARMS[name].check(name, StudySettings(), TASK)


def test_the_worst_group_comes_to_count_most(before: Classifier) -> None:
    dro = group_dro(before, TASK.train, step=0.1, settings=SHORT, seed=1).classifier
    plain = cross_entropy(before, TASK.train, settings=SHORT, seed=1).classifier
    assert TASK.shifted is not None
    assert accuracy(dro, TASK.shifted) > accuracy(plain, TASK.shifted) + 0.05
    assert accuracy(dro, TASK.clean) > accuracy(before, TASK.clean)


def test_group_weights_are_those_of_the_paper() -> None:
    """q_g ← q_g · exp(η · loss_g), to sum 1, by a few lines of NumPy; a group that no batch has loses nothing."""
    groups = torch.tensor([0, 1, 2, 0, 1, 2])
    worst = WorstGroups(groups, step=0.5)
    expected = np.full(3, 1 / 3)
    draws = torch.Generator().manual_seed(0)
    for index in ([0, 1, 3, 5], [1, 4, 0, 3]):
        logits, labels = torch.randn(4, 3, generator=draws), torch.tensor([0, 1, 2, 1])
        batch = Batch(torch.zeros(4, 1, 1, 1), labels, torch.tensor(index))
        loss = worst(batch, logits)
        each = F.cross_entropy(logits, labels, reduction="none").numpy()
        means = np.array([each[groups[index] == g].mean() if (groups[index] == g).any() else 0 for g in range(3)])
        expected = expected * np.exp(0.5 * means)
        expected /= expected.sum()
        np.testing.assert_allclose(worst.weights.numpy(), expected, rtol=1e-5)
        assert loss.item() == pytest.approx(float(expected @ means), rel=1e-5)


def test_training_twice_weighs_what_the_first_got_wrong(before: Classifier) -> None:
    first = train(TASK, settings=TrainingSettings(steps=20), seed=0)
    wrong = predict_logits(first, TASK.train.images).argmax(1) != TASK.train.labels
    assert 0.02 < wrong.double().mean() < 0.5
    points: list[FinetunePoint] = []
    few = FinetuneSettings(steps=3)
    once = jtt(before, TASK.train, first=first, factor=1.0, settings=few, seed=1).classifier
    jtt(before, TASK.train, first=first, factor=20.0, settings=few, seed=1, on_step=points.append)
    plain = cross_entropy(before, TASK.train, settings=few, seed=1).classifier
    images = TASK.train.images[:50]
    assert torch.equal(predict_logits(once, images), predict_logits(plain, images))
    index = torch.randint(len(TASK.train), (few.batch_size,), generator=batch_draws(1))
    losses = F.cross_entropy(predict_logits(before, TASK.train.images), TASK.train.labels, reduction="none")
    share = wrong.double().mean()
    expected = (losses * (1 + 19 * wrong) / (1 + 19 * share))[index].mean()
    assert points[0].cross_entropy == pytest.approx(expected.item(), rel=1e-4)


def test_a_last_layer_is_fitted_to_balanced_groups_and_nothing_else_moves(before: Classifier) -> None:
    points: list[FinetunePoint] = []
    found = dfr(
        before, TASK.train, known=TASK.train, inverse_strength=1.0, settings=SHORT, seed=1, on_step=points.append
    ).classifier
    assert TASK.shifted is not None
    assert accuracy(found, TASK.shifted) > accuracy(before, TASK.shifted) + 0.03
    assert len(points) == SHORT.steps
    moved = [name for name, value in found.state_dict().items() if not torch.equal(value, before.state_dict()[name])]
    assert len(moved) == 2
    assert len({name.rpartition(".")[0] for name in moved}) == 1


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"jtt_steps": 0}, {"jtt_factor": 0.5}, {"group_dro_step": -1.0}, {"dfr_inverse_strength": 0.0}):
        with pytest.raises(InputError, match=r"baselines\."):
            BaselineSettings(**wrong)
