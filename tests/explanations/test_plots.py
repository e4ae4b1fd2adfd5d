"""Explanations laid over their images: which colour, how much of it, and where."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import skimage.color
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from explainfb import InputError
from explainfb.core.types import FloatArray
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.plots import overlay, picture, row_scale, save_overlay, scale_colours, supporting
from explainfb.explanations.superpixels import grid

SIDE = 28
CELLS = grid(SIDE, SIDE, 16)
GREY = 128
"""What pixels of 0.5 are in eight bits."""


def explanation(*weights: float, errors: float | None = None) -> Explanation:
    segments = CELLS if len(weights) == 16 else grid(SIDE, SIDE, 4)
    known = None if errors is None else np.full(len(weights), errors)
    return Explanation(0, 0.5, segments, np.array(weights), 0.0, 1.0, standard_errors=known)


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


def lab(uri: str) -> np.ndarray:
    return skimage.color.rgb2lab(pixels(uri) / 255)


MIDDLES = [(y, x) for y in (60, 172) for x in (60, 172)]
"""Of four superpixels, away from the outlines."""


def test_weights_for_the_class_are_orange_and_against_it_purple() -> None:
    shown = explanation(1.0, -1.0, 0.0, 0.5)
    drawn = lab(overlay(np.ones((1, SIDE, SIDE)), shown, row_scale(shown)))
    positive, negative, nothing, half = [drawn[place] for place in MIDDLES]
    assert positive[2] > 40  # b*: yellow rather than blue, which nearly all colour-blind tell apart
    assert negative[2] < -30
    assert np.abs(nothing[1:]).max() < 1
    assert half[1:] == pytest.approx(positive[1:] / 2, abs=2)


def test_a_weight_has_one_colour_on_black_white_and_colours() -> None:
    shown = explanation(1.0, -1.0, 0.3, -0.6)
    beneath = [np.zeros((1, SIDE, SIDE)), np.ones((1, SIDE, SIDE)), noise()]
    black, white, bright = (lab(overlay(image, shown, 1.0)) for image in beneath)
    for place in MIDDLES:
        assert black[place][1:] == pytest.approx(white[place][1:], abs=1.5)
        assert black[place][1:] == pytest.approx(bright[place][1:], abs=1.5)
        assert white[place][0] - black[place][0] > 25  # what lies beneath is still seen


def test_lightness_is_the_images_own_in_order() -> None:
    ramp = np.linspace(0, 1, SIDE)[None, None].repeat(SIDE, axis=1)
    drawn = lab(overlay(ramp, explanation(*[1.0] * 4), 1.0))
    middle = drawn[60, 4::8, 0]
    assert (np.diff(middle)[np.arange(27) % 14 != 13] > 0).all()


def test_what_is_within_its_noise_has_no_colour() -> None:
    """0.3 and −0.3 with an error of 0.14 stand out, 0.2 and −0.2 do not, although they are coloured without errors."""
    weights = (0.3, 0.2, -0.3, -0.2)
    image = np.ones((1, SIDE, SIDE))
    found = lab(overlay(image, explanation(*weights, errors=0.14), 0.3))
    chroma = [np.hypot(*found[place][1:]) for place in MIDDLES]
    assert chroma[0] > 40 < chroma[2]
    assert max(chroma[1], chroma[3]) < 1
    unknown = lab(overlay(image, explanation(*weights), 0.3))
    assert min(np.hypot(*unknown[place][1:]) for place in MIDDLES) > 25


def test_a_weak_piece_that_stands_out_has_an_outline_of_its_colour() -> None:
    found = lab(overlay(np.ones((1, SIDE, SIDE)), explanation(1.0, 0.02, 0.001, 0.0, errors=0.005), 1.0))
    weak, noise_alone = found[60, 112], found[172, 111]  # the pixels along the border between left and right
    assert np.hypot(*weak[1:]) > 40
    assert np.hypot(*noise_alone[1:]) < 1
    assert noise_alone[0] < found[MIDDLES[2]][0] - 4


def test_of_the_top_ones_alone_the_others_lose_their_colour() -> None:
    shown = explanation(0.3, -0.4, 0.2, 0.1)
    found = lab(overlay(np.ones((1, SIDE, SIDE)), shown, 0.4, top=2))
    coloured = [bool(np.hypot(*found[place][1:]) > 5) for place in MIDDLES]
    assert coloured == [True, True, False, False]


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
    assert np.ptp(drawn, axis=-1).max() <= 1
    lightness = [skimage.color.rgb2lab(each / 255)[..., 0] for each in (drawn, in_eight_bits(image))]
    assert np.abs(lightness[0] - lightness[1]).max() < 0.5


def test_half_the_strength_lies_half_way() -> None:
    image, shown = np.full((1, SIDE, SIDE), 0.5), explanation(1.0, -1.0, 0.3, 0.0)
    none, half, full = (lab(overlay(image, shown, 1.0, strength=strength)) for strength in (0.0, 0.5, 1.0))
    assert np.abs(none - full).max() > 40
    assert np.abs(half - (none + full) / 2)[60::112, 60::112].max() <= 1


def test_alone_is_shown_what_stands_out_for_the_class_and_against_it() -> None:
    weights, errors = np.linspace(-0.09, 0.09, 16), 0.05
    weights[[2, 5, 9, 14]] = 2.0, 0.1, np.nextafter(0.1, 0), -0.5  # 9 is just below twice its error, 5 a 20th of 2
    image = 0.4 * noise()
    drawn = centres(supporting(image, explanation(*weights, errors=errors)))
    counted = np.isin(CELLS, [2, 5, 14])
    assert np.array_equal(drawn[counted], in_eight_bits(image)[counted])
    assert (drawn[~counted] == GREY).all()


def test_alone_the_side_is_in_the_outline() -> None:
    found = lab(supporting(np.ones((1, SIDE, SIDE)), explanation(1.0, -1.0, 0.0, 0.0)))
    assert found[60, 111][2] > 30
    assert found[60, 112][2] < -30


def test_alone_where_errors_are_unknown_a_tenth_of_the_largest_counts() -> None:
    weights = np.linspace(-0.15, 0.09, 16)
    weights[[2, 5, 9, 14]] = 2.0, 0.2, np.nextafter(0.2, 0), -1.0
    image = 0.4 * noise()
    drawn = centres(supporting(image, explanation(*weights)))
    counted = np.isin(CELLS, [2, 5, 14])
    assert np.array_equal(drawn[counted], in_eight_bits(image)[counted])
    assert (drawn[~counted] == GREY).all()


def test_alone_the_top_ones_are_the_strongest() -> None:
    image, shown = 0.4 * noise(), explanation(0.1, -0.4, 0.3, 0.2)
    drawn = centres(supporting(image, shown, top=2))
    counted = np.isin(shown.segments, [1, 2])
    assert np.array_equal(drawn[counted], in_eight_bits(image)[counted])
    assert (drawn[~counted] == GREY).all()


def test_where_nothing_stands_out_nothing_is_shown() -> None:
    for shown in (explanation(0.0, 0.0, 0.0, 0.0), explanation(0.1, -0.1, 0.05, 0.0, errors=0.2)):
        assert (pixels(supporting(noise(), shown)) == GREY).all()


@pytest.mark.parametrize(("side", "height", "kind"), [(8, 224, "png"), (63, 189, "png"), (64, 192, "jpeg")])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_are_drawn_large_and_photos_are_packed(side: int, height: int, kind: str, channels: int) -> None:
    image, segments = noise(side, channels), grid(side, side, 9)
    shown = Explanation(0, 0.5, segments, np.linspace(-1, 1, 9), 0.0, 1.0)
    for uri in (picture(image), overlay(image, shown, 1.0), supporting(image, shown)):
        assert uri.startswith(f"data:image/{kind};base64,")
        assert pixels(uri).shape == (height, height, 3)


@pytest.mark.parametrize("shape", [(256, 256), (300, 225), (225, 640)])
def test_photographs_are_drawn_at_their_own_size(shape: tuple[int, int]) -> None:
    """Stripes of one pixel stay stripes of one pixel."""
    image = np.zeros((3, *shape))
    image[:, :, ::2] = 1
    segments = grid(*shape, 9)
    shown = Explanation(0, 0.5, segments, np.linspace(-1, 1, segments.max() + 1), 0.0, 1.0)
    for uri in (picture(image), overlay(image, shown, 1.0)):
        found = pixels(uri)
        assert found.shape == (*shape, 3)
        assert np.abs(np.diff(found[10].mean(-1))).mean() > 40


def test_larger_ones_are_resampled_and_not_thinned_out() -> None:
    """Stripes of one pixel become their mean; every second pixel would be all black, or all white."""
    image = np.zeros((3, 1280, 640))
    image[:, ::2] = 1
    segments = np.arange(1280)[:, None].repeat(640, axis=1) // 640
    shown = Explanation(0, 0.5, segments, np.array([1.0, -1.0]), 0.0, 1.0)
    plain, tinted = pixels(picture(image)), lab(overlay(image, shown, 1.0))
    assert plain.shape == tinted.shape == (640, 320, 3)
    assert np.abs(plain - 127.5).max() < 25
    assert tinted[310, 100, 2] > 30  # the border is where it was
    assert tinted[330, 100, 2] < -30


def test_a_picture_is_the_image_itself() -> None:
    for image in (noise(), noise(channels=1)):
        assert np.array_equal(centres(picture(image)), in_eight_bits(image))


def test_the_legend_goes_from_purple_to_orange() -> None:
    colours = [to_rgb(colour) for colour in scale_colours(9)]
    assert len(colours) == 9
    assert colours[0][2] > colours[0][0]
    assert colours[-1][0] > colours[-1][2]
    assert np.ptp(colours[4]) < 0.01
    assert len(set(colours)) == 9


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
