"""Explanations laid over their images: which colour, how much of it, and where."""

import base64
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from explainfb import InputError
from explainfb.core.types import Explanation, FloatArray
from explainfb.explanations.plots import overlay, picture, row_scale, save_overlay, scale_colours, supporting
from explainfb.explanations.superpixels import grid

SIDE = 28
CELLS = grid(SIDE, SIDE, 16)
GREY = 128
"""What pixels of 0.5 are in eight bits."""


def explanation(*weights: float) -> Explanation:
    segments = CELLS if len(weights) == 16 else grid(SIDE, SIDE, 4)
    return Explanation(0, 0.5, segments, np.array(weights), 0.0, 1.0)


def noise(side: int = SIDE, channels: int = 3) -> FloatArray:
    return np.random.default_rng(0).random((channels, side, side))


def pixels(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)


def centres(uri: str) -> np.ndarray:
    """(28, 28, 3): the middle of each pixel of the image, away from the outlines of superpixels."""
    drawn = pixels(uri)
    assert drawn.shape == (224, 224, 3)
    return drawn[4::8, 4::8]


def in_eight_bits(image: FloatArray) -> np.ndarray:
    """(H, W, 3) of an image (C, H, W)."""
    return np.round(255 * np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1))


def test_weights_for_the_class_are_orange_and_against_it_purple() -> None:
    shown = explanation(1.0, -1.0, 0.0, 0.5)
    drawn = pixels(overlay(np.ones((1, SIDE, SIDE)), shown, row_scale(shown)))
    positive, negative, nothing, half = [drawn[y, x] for y in (56, 168) for x in (56, 168)]
    assert positive[0] > positive[2] + 60  # red above blue
    assert negative[2] > negative[0] + 30  # blue above red
    assert np.ptp(nothing) < 12
    assert np.abs(half - nothing).sum() < np.abs(positive - nothing).sum()


def test_one_scale_holds_for_the_row() -> None:
    weak, strong = (explanation(weight, 0.0, 0.0, 0.0) for weight in (0.1, -0.4))
    scale = row_scale(weak, strong)
    assert scale == 0.4
    image = np.ones((1, SIDE, SIDE))
    assert np.ptp(pixels(overlay(image, strong, scale))[56, 56]) > np.ptp(pixels(overlay(image, weak, scale))[56, 56])
    assert row_scale(explanation(0.0, 0.0, 0.0, 0.0)) == 1.0


@pytest.mark.parametrize("channels", [1, 3])
def test_at_strength_0_the_grey_image_is_left(channels: int) -> None:
    image = noise(channels=channels)
    drawn = centres(overlay(image, explanation(1.0, -1.0, 0.3, 0.0), 1.0, strength=0.0))
    assert np.array_equal(drawn, in_eight_bits(image.mean(0, keepdims=True)))


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_at_strength_1_all_is_colour_as_in_the_report(scale: float) -> None:
    image, shown = noise(), explanation(1.0, -1.0, 0.3, 0.0)
    colours = mpl.colormaps["PuOr_r"](0.5 + 0.4 * np.clip(shown.heatmap() / scale, -1, 1))[..., :3]
    expected = np.round(255 * colours * (0.6 + 0.4 * image.mean(0)[..., None]))
    assert np.array_equal(centres(overlay(image, shown, scale, strength=1.0)), expected)
    assert overlay(image, shown, scale) == overlay(image, shown, scale, strength=1.0)


def test_half_the_strength_lies_half_way() -> None:
    image, shown = noise(), explanation(1.0, -1.0, 0.3, 0.0)
    none, half, full = (centres(overlay(image, shown, 1.0, strength=strength)) for strength in (0.0, 0.5, 1.0))
    assert np.abs(none - full).max() > 50
    assert np.abs(half - (none + full) / 2).max() <= 1


def test_only_superpixels_at_or_above_a_tenth_of_the_largest_are_shown() -> None:
    weights = np.linspace(-1.0, 0.09, 16)
    weights[[2, 5, 9, 14]] = 2.0, 0.2, np.nextafter(0.2, 0), 1.0
    image = 0.4 * noise()
    drawn = centres(supporting(image, explanation(*weights)))
    counted = np.isin(CELLS, [2, 5, 14])
    assert np.array_equal(drawn[counted], in_eight_bits(image)[counted])
    assert (drawn[~counted] == GREY).all()


@pytest.mark.parametrize("weights", [(0.0,) * 4, (-0.2, -0.1, 0.0, -1.0), (-1.0,) * 4])
def test_where_nothing_speaks_for_the_class_nothing_is_shown(weights: tuple[float, ...]) -> None:
    assert (pixels(supporting(noise(), explanation(*weights))) == GREY).all()


@pytest.mark.parametrize(("side", "height", "kind"), [(8, 224, "png"), (63, 189, "png"), (64, 192, "jpeg")])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_are_drawn_large_and_photos_are_packed(side: int, height: int, kind: str, channels: int) -> None:
    image, segments = noise(side, channels), grid(side, side, 9)
    shown = Explanation(0, 0.5, segments, np.linspace(-1, 1, 9), 0.0, 1.0)
    for uri in (picture(image), overlay(image, shown, 1.0), supporting(image, shown)):
        assert uri.startswith(f"data:image/{kind};base64,")
        assert pixels(uri).shape == (height, height, 3)


def test_images_larger_than_the_screen_are_thinned_out() -> None:
    image, segments = noise(300), grid(300, 300, 9)
    shown = Explanation(0, 0.5, segments, np.linspace(-1, 1, 9), 0.0, 1.0)
    for uri in (picture(image), overlay(image, shown, 1.0), supporting(image, shown)):
        assert pixels(uri).shape == (150, 150, 3)


def test_a_picture_is_the_image_itself() -> None:
    for image in (noise(), noise(channels=1)):
        assert np.array_equal(centres(picture(image)), in_eight_bits(image))


def test_the_legend_goes_from_purple_to_orange() -> None:
    colours = [to_rgb(colour) for colour in scale_colours(9)]
    assert len(colours) == 9
    assert colours[0][2] > colours[0][0]
    assert colours[-1][0] > colours[-1][2]
    assert min(colours[4]) > 0.9


def test_a_saved_overlay_shows_the_image_beside_what_an_overlay_shows(tmp_path: Path) -> None:
    shown, image = explanation(1.0, -1.0, 0.0, 0.5), noise()
    save_overlay(torch.from_numpy(image).float(), shown, tmp_path / "why.png")
    saved = np.asarray(Image.open(tmp_path / "why.png").convert("RGB"), dtype=float)
    assert saved.shape == (224, 2 * 224 + 8, 3)
    assert np.abs(saved[4::8, 4:224:8] - in_eight_bits(image)).max() <= 1
    assert np.abs(saved[:, -224:] - pixels(overlay(image, shown, row_scale(shown)))).max() <= 1


def test_an_overlay_of_another_image_or_without_a_folder_is_refused(tmp_path: Path) -> None:
    shown = explanation(1.0, -1.0, 0.0, 0.5)
    with pytest.raises(InputError, match=r"found \(2, 3, 28, 28\)"):
        save_overlay(torch.zeros(2, 3, SIDE, SIDE), shown, tmp_path / "why.png")
    with pytest.raises(InputError, match="cannot be written"):
        save_overlay(noise(), shown, tmp_path / "nowhere" / "why.png")
    with pytest.raises(InputError, match="cannot be written"):
        save_overlay(noise(), shown, tmp_path / "why.nothing")
