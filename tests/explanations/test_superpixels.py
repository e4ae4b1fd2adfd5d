import warnings

import numpy as np
import pytest
import skimage.data
import skimage.transform
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations import superpixels
from explainfb.explanations.settings import Method
from explainfb.explanations.superpixels import batch_superpixels, check_segments, coverage, grid, pool, segment


def picture(seed: int, channels: int, height: int, width: int, smooth: bool) -> torch.Tensor:
    generator = torch_generator(seed, "picture")
    if not smooth:
        return torch.rand(channels, height, width, generator=generator)
    small = torch.rand(1, channels, 3, 3, generator=generator)
    return torch.nn.functional.interpolate(small, size=(height, width), mode="bilinear")[0]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    method=st.sampled_from(["grid", "slic", "quickshift"]),
    channels=st.sampled_from([1, 3]),
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    count=st.integers(2, 60),
    smooth=st.booleans(),
)
def test_labels_run_from_zero_without_gaps(
    seed: int, method: Method, channels: int, height: int, width: int, count: int, smooth: bool
) -> None:
    image = picture(seed, channels, height, width, smooth)
    with warnings.catch_warnings(action="ignore"):
        segments = segment(image, method, count)
    assert segments.shape == (height, width)
    assert segments.dtype == np.int64
    assert np.unique(segments).tolist() == list(range(segments.max() + 1))
    assert segments.max() >= 1


@pytest.mark.parametrize("method", ["grid", "slic", "quickshift"])
def test_a_real_picture_gets_about_as_many_as_asked_for(method: Method) -> None:
    pixels = skimage.transform.resize(skimage.data.astronaut(), (64, 64), anti_aliasing=True)
    image = torch.tensor(pixels, dtype=torch.float32).movedim(-1, 0)
    assert segment(image, method, 49).max() + 1 == pytest.approx(49, rel=0.1)


def test_the_grid_of_a_square_image_is_exact() -> None:
    expected = np.kron(np.arange(49).reshape(7, 7), np.ones((4, 4), int))
    assert np.array_equal(grid(28, 28, 49), expected)


@given(st.integers(2, 64), st.integers(2, 64), st.integers(2, 100))
def test_the_cells_of_a_grid_differ_by_one_row_and_one_column_at_most(height: int, width: int, count: int) -> None:
    segments = grid(height, width, count)
    sizes = []
    for label in range(segments.max() + 1):
        rows, columns = np.nonzero(segments == label)
        sizes.append((np.ptp(rows) + 1, np.ptp(columns) + 1))
        assert len(rows) == sizes[-1][0] * sizes[-1][1]
    assert np.ptp(np.array(sizes), axis=0).max() <= 1


def test_superpixels_do_not_depend_on_memory_layout_or_the_call_before() -> None:
    image = picture(4, 3, 30, 30, smooth=True)
    first = segment(image, "slic", 20)
    segment(picture(5, 3, 30, 30, smooth=True), "slic", 20)
    assert np.array_equal(first, segment(image.transpose(1, 2).contiguous().transpose(1, 2), "slic", 20))


@pytest.mark.parametrize("method", ["grid", "slic"])
def test_a_batch_equals_its_images_one_by_one(method: Method) -> None:
    images = torch.stack([picture(seed, 1, 20, 24, smooth=True) for seed in range(3)])
    together = batch_superpixels(images, method, 16)
    assert together.shape == (3, 20, 24)
    for image, segments in zip(images, together, strict=True):
        assert np.array_equal(segment(image, method, 16), segments.numpy())


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ([[0, 2], [0, 2]], "without [1]"),
        ([[1, 2], [1, 2]], "found 1 … 2 without [0]"),
        ([[0, 1], [5, 5]], "without [2, 3, 4]"),
        ([[-1, 0], [1, 1]], "found -1 … 1"),
        ([[-1, 1], [1, 1]], "found -1 … 1 without [0]"),
        ([[0, 0], [0, 0]], "Only one superpixel"),
    ],
)
def test_labels_that_would_hide_nothing_are_refused(labels: list[list[int]], named: str) -> None:
    with pytest.raises(InputError) as refused:
        check_segments(np.array(labels))
    assert named in str(refused.value)


@pytest.mark.parametrize("method", ["slic", "quickshift"])
def test_a_picture_that_cannot_be_cut_along_its_edges_is_cut_by_a_grid(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grainy or even pictures: one of a thousand ended a study after its training. The others are cut as ever."""
    monkeypatch.setattr(superpixels, "_KEPT", superpixels._Kept(2**20))
    cut = superpixels._cut
    plain = torch.full((1, 28, 28), 0.5)

    def uncut(colours: np.ndarray, method: Method, asked: float) -> np.ndarray:
        return np.zeros(colours.shape[:2], dtype=np.int64) if np.ptp(colours) == 0 else cut(colours, method, asked)

    monkeypatch.setattr(superpixels, "_cut", uncut)
    other = picture(0, 1, 28, 28, smooth=True)
    before = segment(other, method, 49)
    with pytest.warns(UserWarning, match=f"{method} finds a single superpixel in some pictures"):
        found = batch_superpixels(torch.stack([plain, other]), method, 49)
    assert np.array_equal(found[0].numpy(), grid(28, 28, 49))
    assert np.array_equal(found[1].numpy(), before)
    assert np.array_equal(segment(plain, method, 49), grid(28, 28, 49))  # kept, and told once


def test_maps_are_averaged_over_each_superpixel_whatever_its_size() -> None:
    segments = torch.tensor([[[0, 0, 0], [1, 1, 2]], [[0, 1, 1], [1, 1, 1]]])
    maps = torch.tensor([[[1.0, 2, 6], [4, 5, 9]], [[7, 0, 0], [0, 0, 10]]])
    both = torch.stack([maps, -maps], dim=1)
    expected = torch.tensor([[3, 4.5, 9, 0], [7, 2, 0, 0]])  # 0 for labels that an image lacks
    assert torch.equal(pool(both, segments, 4), torch.stack([expected, -expected], dim=1))


def test_what_a_mask_covers_is_what_pooling_says_of_it() -> None:
    generator = torch_generator(0, "coverage")
    mask = torch.rand(20, 30, generator=generator) < 0.3
    segments = grid(20, 30, 12)[:, ::-1].copy()
    found = coverage(mask.numpy(), segments)
    pooled = pool(mask.double()[None, None], torch.from_numpy(segments)[None], len(found))
    assert found.tolist() == pooled[0, 0].tolist()
    assert 0 < found.min() < found.max() < 1


def test_the_same_picture_is_not_cut_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.from_numpy(skimage.data.astronaut()[:96, :96].copy()).movedim(-1, 0) / 255
    first = segment(picture, "slic", 20)
    first[:] = 7  # what a caller does with it stays with the caller

    def refuse(*_: object) -> None:
        raise AssertionError("it was cut again")

    monkeypatch.setattr("explainfb.explanations.superpixels._cut", refuse)
    again = segment(picture.clone(), "slic", 20)
    assert len(np.unique(again)) == pytest.approx(20, rel=0.2)
    with pytest.raises(AssertionError, match="cut again"):
        segment(picture, "slic", 21)
    with pytest.raises(AssertionError, match="cut again"):
        segment(picture.flip(2), "slic", 20)


def test_kept_divisions_stay_below_a_limit() -> None:
    kept = superpixels._Kept(most=1000)
    for number in range(10):
        kept.put(bytes([number]), np.zeros((10, 10), dtype=np.int32))  # 400 bytes each
    assert kept.bytes == 800
    assert kept.get(bytes([7])) is None
    assert kept.get(bytes([9])) is not None
