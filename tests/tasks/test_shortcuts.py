import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainfb.core.errors import InputError
from explainfb.tasks.datasets import load_task
from explainfb.tasks.shortcuts import Kind, Shortcut
from explainfb.tasks.task import Split, Task

KINDS: list[Kind] = ["position", "grey"]
SHAPES = [(1, 28, 28), (3, 32, 32), (1, 20, 35), (3, 48, 14)]


def noise(count: int, shape: tuple[int, int, int], seed: int = 0) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


def places(mask: torch.Tensor) -> np.ndarray:
    """(N,): the first pixel of each mask, as one number."""
    return mask.flatten(1).int().argmax(1).numpy()


def independence(values: np.ndarray, labels: np.ndarray) -> float:
    """The p-value of the chi-square test that they are independent."""
    table = np.array([[np.sum((values == v) & (labels == y)) for v in np.unique(values)] for y in np.unique(labels)])
    return float(scipy.stats.chi2_contingency(table).pvalue)


@pytest.fixture(scope="module", params=KINDS)
def large(request: pytest.FixtureRequest) -> tuple[Kind, Task]:
    """digits-decoy with 4,540 test images, so that tests of independence have power."""
    kind: Kind = request.param
    small = load_task("digits")
    many = Split(small.clean.images.repeat(10, 1, 1, 1), small.clean.labels.repeat(10))
    sound = Task(small.name, small.class_names, small.train, small.validation, many)
    planted: Task = load_task.__globals__["_with_shortcut"](sound, kind, 1.0, seed=0)
    return kind, planted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_patch_is_where_the_mask_says_and_nowhere_else(kind: Kind, shape: tuple[int, int, int]) -> None:
    images, hints = noise(200, shape) * 0.99, torch.arange(200) % 10
    before = images.clone()
    shortcut = Shortcut(kind, 10, *shape[1:])
    planted, mask = shortcut.plant(images, hints, seed=3)
    assert torch.equal(images, before)
    changed = planted != images
    assert torch.equal(changed, mask[:, None].expand_as(changed) & changed)
    assert (mask.flatten(1).sum(1) == shortcut.side**2).all()
    assert not (mask & ~shortcut.possible_area()).any()
    for image, where in zip(planted, mask, strict=True):
        assert len(image[:, where].unique()) == 1
        rows, columns = where.nonzero().T
        assert int(rows.max() - rows.min()) == int(columns.max() - columns.min()) == shortcut.side - 1


@pytest.mark.parametrize("shape", SHAPES)
def test_position_is_a_white_patch_of_its_own_for_each_class(shape: tuple[int, int, int]) -> None:
    planted, mask = Shortcut("position", 10, *shape[1:]).plant(torch.zeros(10, *shape), torch.arange(10), seed=0)
    assert (planted.amax(1)[mask] == 1).all()
    assert (mask.sum(0) <= 1).all()
    assert len(set(places(mask).tolist())) == 10


def test_position_does_not_depend_on_the_seed() -> None:
    images, hints = noise(30, (1, 28, 28)), torch.arange(30) % 10
    shortcut = Shortcut("position", 10, 28, 28)
    assert torch.equal(shortcut.plant(images, hints, seed=0)[0], shortcut.plant(images, hints, seed=1)[0])


def test_the_grey_of_ten_classes_is_that_of_ross() -> None:
    planted, mask = Shortcut("grey", 10, 28, 28).plant(torch.zeros(10, 1, 28, 28), torch.arange(10), seed=0)
    values = [float(image[0, where].unique()) * 255 for image, where in zip(planted, mask, strict=True)]
    assert values == pytest.approx([255 - 25 * label for label in range(10)], abs=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 100, 250])
def test_any_number_of_classes_has_greys_a_level_apart(classes: int) -> None:
    planted, _ = Shortcut("grey", classes, 28, 28).plant(torch.zeros(classes, 1, 28, 28), torch.arange(classes), seed=0)
    values = planted.flatten(1).amax(1) * 255
    assert float(values.diff().max()) <= -1 + 1e-3
    assert float(values.min()) > 5


def test_the_corners_are_drawn_evenly_and_by_the_seed() -> None:
    shortcut, images, hints = Shortcut("grey", 10, 28, 28), torch.zeros(4000, 1, 28, 28), torch.arange(4000) % 10
    first, again, other = (places(shortcut.plant(images, hints, seed=seed)[1]) for seed in (0, 0, 1))
    corners, counts = np.unique(first, return_counts=True)
    assert corners.tolist() == [0, 24, 24 * 28, 24 * 28 + 24]
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    assert np.array_equal(first, again)
    assert np.mean(first == other) == pytest.approx(0.25, abs=0.03)
    assert independence(first, hints.numpy()) > 0.001


def clue(split: Split, kind: Kind) -> np.ndarray:
    """(N,): what the patch of each image tells, its place or its grey level."""
    assert split.shortcut is not None
    if kind == "position":
        return places(split.shortcut)
    return (split.images[:, 0] * split.shortcut).flatten(1).amax(1).mul(255).round().numpy()


def test_the_clue_is_the_label_in_training_and_validation(large: tuple[Kind, Task]) -> None:
    kind, task = large
    meaning: dict[float, int] = {}
    for split in (task.train, task.validation):
        for told, label in zip(clue(split, kind).tolist(), split.labels.tolist(), strict=True):
            assert meaning.setdefault(told, label) == label
    assert sorted(meaning.values()) == list(range(10))
    assert independence(clue(task.train, kind), task.train.labels.numpy()) < 1e-100


def test_the_clue_says_nothing_in_the_shifted_test(large: tuple[Kind, Task]) -> None:
    kind, task = large
    assert task.shifted is not None
    told = clue(task.shifted, kind)
    assert len(np.unique(told)) == 10
    assert set(np.unique(told)) == set(np.unique(clue(task.train, kind)))
    assert independence(told, task.shifted.labels.numpy()) > 0.001
    assert scipy.stats.chisquare(np.unique(told, return_counts=True)[1]).pvalue > 0.001


@given(height=st.integers(6, 80), width=st.integers(6, 80), classes=st.integers(2, 24), kind=st.sampled_from(KINDS))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_size_keeps_places_apart_and_leaves_an_inside(height: int, width: int, classes: int, kind: Kind) -> None:
    if kind == "position" and classes > len(Shortcut("grey", 2, height, width).frame_corners()):
        with pytest.raises(InputError, match="do not fit on the frame"):
            Shortcut(kind, classes, height, width)
        return
    shortcut = Shortcut(kind, classes, height, width)
    _, mask = shortcut.plant(torch.zeros(classes, 1, height, width), torch.arange(classes), seed=0)
    assert (mask.flatten(1).sum(1) == shortcut.side**2).all()
    assert kind == "grey" or int(mask.sum(0).max()) == 1
    assert not (mask & ~shortcut.possible_area()).any()
    assert not shortcut.possible_area().all()


def test_the_possible_area_is_the_frame_or_its_corners() -> None:
    frame, corners = (Shortcut(kind, 10, 28, 28).possible_area() for kind in KINDS)
    assert not frame[4:-4, 4:-4].any()
    assert int(frame.sum()) == 28 * 28 - 20 * 20
    assert int(corners.sum()) == 4 * 4 * 4
    assert corners[:4, :4].all()
    assert corners[-4:, -4:].all()


def test_the_frame_holds_24_places_at_28_pixels() -> None:
    Shortcut("position", 24, 28, 28)
    with pytest.raises(InputError, match="25 classes do not fit on the frame of a 28×28 image, which holds 24 patches"):
        Shortcut("position", 25, 28, 28)


def test_more_classes_than_greys_are_refused() -> None:
    with pytest.raises(InputError, match="at most 250 classes apart; found 251"):
        Shortcut("grey", 251, 28, 28)


@pytest.mark.parametrize("size", [(5, 28), (28, 1)])
def test_images_without_room_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 6×6 pixels"):
        Shortcut("position", 2, *size)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"28×28 images; found \(32, 32\)"):
        Shortcut("grey", 10, 28, 28).plant(torch.zeros(2, 1, 32, 32), torch.zeros(2, dtype=torch.int64), seed=0)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="Unknown shortcut 'colour'"):
        Shortcut("colour", 10, 28, 28)  # type: ignore[arg-type]
