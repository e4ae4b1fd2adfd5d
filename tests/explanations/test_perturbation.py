import pytest
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.settings import Fill
from explainfb.explanations.superpixels import grid

FILLS: list[Fill] = ["zero", "mean", "blur", "noise", "data"]
SEGMENTS = torch.from_numpy(grid(12, 10, 20)).expand(2, -1, -1)
COUNT = int(SEGMENTS.max()) + 1


def random(*shape: int, name: str = "images") -> Tensor:
    return torch.rand(*shape, generator=torch_generator(0, "test perturbation", name))


IMAGES = random(2, 3, 12, 10)
BACKGROUND = random(7, 3, 12, 10, name="background")


def hidden(fill: Fill, masks: Tensor | None = None, images: Tensor = IMAGES) -> Tensor:
    """The images with everything hidden, or under these masks."""
    masks = torch.zeros(2, 30, COUNT) if masks is None else masks
    return Perturber(images, SEGMENTS, fill, BACKGROUND)(masks, torch_generator(1, "test perturbation"))


@pytest.mark.parametrize("fill", FILLS)
def test_what_is_shown_is_the_image_to_the_last_bit_and_what_is_hidden_the_fill(fill: Fill) -> None:
    masks = random(2, 30, COUNT, name="masks").round()
    perturbed, all_hidden = hidden(fill, masks), hidden(fill)
    for image in range(2):
        for row in range(30):
            shown = masks[image, row][SEGMENTS[image]].bool()
            expected = torch.where(shown, IMAGES[image], all_hidden[image, row])
            assert torch.equal(perturbed[image, row], expected)
    assert not torch.equal(all_hidden, IMAGES.unsqueeze(1).expand_as(all_hidden))


@pytest.mark.parametrize("fill", FILLS)
def test_pixels_stay_in_range_and_the_images_are_left_alone(fill: Fill) -> None:
    before, background = IMAGES.clone(), BACKGROUND.clone()
    perturbed = hidden(fill, random(2, 30, COUNT, name="masks").round())
    assert perturbed.min() >= 0
    assert perturbed.max() <= 1
    assert torch.equal(IMAGES, before)
    assert torch.equal(BACKGROUND, background)


def test_zero_is_black() -> None:
    assert hidden("zero").eq(0).all()


def test_mean_is_one_colour_a_superpixel_its_mean() -> None:
    perturbed = hidden("mean")
    for image in range(2):
        for label in range(COUNT):
            where = SEGMENTS[image] == label
            inside = perturbed[image, 0][:, where]  # (C, pixels)
            assert inside.unique(dim=1).shape[1] == 1
            torch.testing.assert_close(inside[:, 0], IMAGES[image][:, where].mean(1))


def test_blur_keeps_a_flat_image_and_smooths_a_rough_one() -> None:
    flat = torch.full_like(IMAGES, 0.3)
    torch.testing.assert_close(hidden("blur", images=flat)[:, 0], flat)
    assert hidden("blur").std() < 0.5 * IMAGES.std()
    torch.testing.assert_close(hidden("blur").mean(), IMAGES.mean(), rtol=0.05, atol=0)


def test_blur_takes_any_size() -> None:
    for height, width in ((3, 200), (200, 3), (2, 2)):
        images = random(1, 1, height, width)
        segments = torch.arange(height * width).view(1, height, width)
        perturber = Perturber(images, segments, "blur")
        assert perturber(torch.zeros(1, 2, height * width), torch_generator(0)).shape == (1, 2, 1, height, width)


def test_noise_is_drawn_for_each_mask_anew() -> None:
    perturbed = hidden("noise")
    assert len(perturbed.flatten(0, 1).flatten(1).unique(dim=0)) == 60
    assert abs(float(perturbed.mean()) - 0.5) < 0.01


def test_data_comes_from_the_same_place_of_background_images() -> None:
    perturbed = hidden("data").flatten(0, 1)  # (60, C, H, W)
    sources = [next(i for i, image in enumerate(BACKGROUND) if torch.equal(image, copy)) for copy in perturbed]
    assert set(sources) == set(range(len(BACKGROUND)))


@pytest.mark.parametrize("background", [None, BACKGROUND[:0]])
def test_data_without_a_background_is_refused(background: Tensor | None) -> None:
    with pytest.raises(InputError, match="needs background images"):
        Perturber(IMAGES, SEGMENTS, "data", background)


def test_a_background_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(3, 12, 10\).*found \(1, 12, 10\)"):
        Perturber(IMAGES, SEGMENTS, "data", BACKGROUND[:, :1])
