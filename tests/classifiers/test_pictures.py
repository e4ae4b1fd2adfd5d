"""Whatever a picture comes in, the classifier gets the same pixels; what is no picture is told in words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainfb import InputError
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.pictures import as_image, as_images

COLOUR = Architecture("any", 2, 3, 12, 10, (0.0,), (1.0,))
GREY = Architecture("any", 2, 1, 12, 10, (0.0,), (1.0,))
BYTES = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
EXPECTED = torch.from_numpy(np.moveaxis(BYTES, -1, 0) / np.float32(255))


def test_every_kind_of_picture_gives_the_same_pixels(tmp_path: Path) -> None:
    Image.fromarray(BYTES).save(tmp_path / "it.png")
    kinds = [
        tmp_path / "it.png",
        str(tmp_path / "it.png"),
        Image.fromarray(BYTES),
        BYTES,
        np.moveaxis(BYTES, -1, 0),
        BYTES / 255,
        np.moveaxis(BYTES / 255, -1, 0).astype(np.float32),
        EXPECTED,
        torch.from_numpy(np.moveaxis(BYTES, -1, 0).copy()),
    ]
    for kind in kinds:
        found, single = as_images(kind, COLOUR)
        assert single
        assert found.dtype == torch.float32
        assert torch.allclose(found, EXPECTED[None], atol=1e-6)
    several, single = as_images(kinds, COLOUR)
    assert not single
    assert several.shape == (len(kinds), 3, 12, 10)


def test_a_batch_stays_as_it_is() -> None:
    batch = EXPECTED[None]
    found, single = as_images(batch, GREY)
    assert found is batch
    assert not single
    assert as_images([], COLOUR)[0].shape == (0, 3, 12, 10)


@pytest.mark.parametrize("kind", [BYTES, BYTES / 255, Image.fromarray(BYTES)])
def test_colours_become_grey_for_a_classifier_of_greys(kind: object) -> None:
    found = as_image(kind, GREY)
    luma = EXPECTED.permute(1, 2, 0) @ torch.tensor([0.299, 0.587, 0.114])
    assert torch.allclose(found[0], luma, atol=0.004)


def test_grey_becomes_colour_and_the_middle_is_resized() -> None:
    wide = np.zeros((24, 60), dtype=np.uint8)
    wide[:, 20:40] = 200  # the middle third, as wide as the classifier's shape leaves
    found = as_image(wide, COLOUR)
    assert found.shape == (3, 12, 10)
    assert torch.allclose(found[..., 3:7], torch.full((), 200 / 255))
    assert found.min() > 0.5  # nothing of the black sides but what bicubic resizing takes of their edge
    assert torch.allclose(as_image(wide / 255, COLOUR), found)


def test_what_is_transparent_is_white() -> None:
    clear = np.zeros((12, 10, 4), dtype=np.uint8)
    assert torch.equal(as_image(clear, COLOUR), torch.ones(3, 12, 10))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (7, "Found int as a picture; give a tensor"),
        (np.zeros((2, 12, 10, 3)), r"an array of shape \(2, 12, 10, 3\) as a picture; give a tensor"),
        (np.zeros((12, 10, 3), dtype=np.int64), "pixels of int64; expected uint8"),
        (np.full((12, 10, 3), 255.0), r"found \[255, 255\]. Divide"),
        (np.zeros((12, 10, 5)), "no end could be the channels"),
        (np.zeros((3, 10, 3)), "both ends could be the channels"),
        (np.zeros((0, 10, 3)), "shape"),
        (torch.zeros(5), r"a tensor of shape \(5,\)"),
        ("nowhere.png", r"nowhere\.png does not exist; give the path"),
    ],
)
def test_what_is_no_picture_is_told(given: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        as_images(given, COLOUR)  # type: ignore[arg-type]


def test_another_number_of_channels_needs_tensors() -> None:
    two = Architecture("any", 2, 2, 12, 10, (0.0,), (1.0,))
    assert as_image(torch.zeros(2, 12, 10), two).shape == (2, 12, 10)
    with pytest.raises(InputError, match="takes 2 channels"):
        as_image(BYTES, two)
