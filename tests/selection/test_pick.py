"""The images to look at first: those that show different places, not the same one over and over."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from explainfb import Explanation, InputError, LimeSettings, Split, Task, pick, submodular_pick
from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.networks import Architecture
from explainfb.explanations.superpixels import grid
from explainfb.selection.images import grid_weights

LIME = LimeSettings(n_samples=64, fill="zero", n_segments=16)
ARCHITECTURE = Architecture("mlp", 2, 1, 8, 8, (0.0,), (1.0,))


class SumOfInk(torch.nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        ink = images.flatten(1).sum(1)
        return torch.stack([-ink, ink], dim=1)


def ink_at(*cells: int) -> Tensor:
    """(1, 8, 8) with ink on these cells of the 4×4 grid."""
    return torch.from_numpy(np.isin(grid(8, 8, 16), cells)[None].astype(np.float32) / 4)


IMAGES = torch.stack([ink_at(0), ink_at(0), ink_at(0, 1), ink_at(7), ink_at(0, 1, 2)])


def a_task() -> Task:
    split = Split(IMAGES, torch.ones(len(IMAGES), dtype=torch.int64))
    return Task("ink", ("none", "ink"), split, split, split)


def test_the_first_image_shows_the_most_and_the_second_another_place(tmp_path: Path) -> None:
    picked = pick(Classifier(ARCHITECTURE, SumOfInk()), a_task(), budget=2, settings=LIME)
    assert picked.indices == (4, 3)
    assert set(np.argsort(-picked.importances)[:4]) == {0, 1, 2, 7}
    picked.save(tmp_path / "first.png")
    with Image.open(tmp_path / "first.png") as written:
        assert written.width > 500


def test_images_may_be_ones_own_and_indices_are_those_of_the_split() -> None:
    classifier = Classifier(ARCHITECTURE, SumOfInk())
    assert pick(classifier, a_task(), budget=1, images=IMAGES[:4], settings=LIME).indices == (2,)
    drawn = pick(classifier, a_task(), budget=5, among=2, settings=LIME)
    assert len(drawn.indices) == 2
    assert drawn.explanations[0].image is not None
    assert drawn.explanations[0].image == pytest.approx(IMAGES[drawn.indices[0]].numpy())


def test_superpixels_give_the_cells_that_they_lie_on_their_share() -> None:
    segments = np.zeros((8, 8), dtype=np.int64)
    segments[:, 4:] = 1
    explanation = Explanation(1, probability=1.0, segments=segments, weights=np.array([-0.8, 0.1]), intercept=0, fit=1)
    cells = grid_weights(explanation, 1, 16).reshape(4, 4)
    assert cells == pytest.approx(np.array([[0.1, 0.1, 0, 0]] * 4))
    noisy = replace(explanation, standard_errors=np.array([0.7, 0.01]))
    assert grid_weights(noisy, 2, 16).reshape(4, 4) == pytest.approx(np.array([[0, 0, 0.0125, 0.0125]] * 4))


def test_what_cannot_be_picked_is_told() -> None:
    with pytest.raises(InputError, match="budget of at least 1; found 0"):
        pick(Classifier(ARCHITECTURE, SumOfInk()), a_task(), budget=0)
    with pytest.raises(InputError, match=r"explainfb\.pick makes one"):
        submodular_pick(np.eye(2), 1).plot()
