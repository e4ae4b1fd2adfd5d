"""What people have at hand, a file, a PIL image, an array, as the images that a classifier takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.core.types import check_images
from explainfb.tasks.image_io import decode, upright

Picture = str | Path | Image.Image | npt.NDArray[Any] | Tensor
"""A picture file, a PIL image, an array (H, W, C), (C, H, W) or (H, W), or a tensor (C, H, W)."""
EXPECTED = (
    "give a tensor (B, C, H, W) in [0, 1], a picture file, a PIL image, an array (H, W, C) or (C, H, W), a tensor "
    "(C, H, W), or a list of these"
)
CHANNELS = (1, 3, 4)
"""Grey, colour, and colour with transparency."""
MODES = {1: "L", 3: "RGB"}
"""What Pillow calls grey and colour, by the number of channels."""


def as_images(given: Tensor | Picture | Sequence[Picture], wanted: Architecture) -> tuple[Tensor, bool]:
    """(B, C, H, W) in [0, 1] from all that is given, and whether that was one picture rather than several.

    A tensor (B, C, H, W) stays as it is. A picture is brought to the size and the channels of `wanted`: its middle is
    resized, in grey or in colour. Raises `InputError` for anything else, in words.
    """
    if isinstance(given, Tensor) and given.ndim == 4:
        check_images(given)
        return given, False
    if isinstance(given, list | tuple):
        if not given:
            return torch.zeros(0, wanted.channels, wanted.height, wanted.width), False
        return torch.stack([as_image(each, wanted) for each in given]), False
    return as_image(given, wanted)[None], True


def as_image(given: object, wanted: Architecture) -> Tensor:
    """(C, H, W) in [0, 1], as `as_images` says of one picture."""
    shape = (wanted.channels, wanted.height, wanted.width)
    if isinstance(given, Tensor | np.ndarray):
        array = _channels_first(given)
        if array.dtype != np.uint8:
            pixels = torch.from_numpy(np.ascontiguousarray(array)).to(torch.get_default_dtype())
            check_images(pixels[None])
            if pixels.shape == shape:
                return pixels
            array = np.round(255 * array).astype(np.uint8)
        if len(array) not in CHANNELS:
            raise InputError(
                f"Found a tensor of shape {tuple(array.shape)} as a picture; expected (C, H, W) with C 1, 3 or 4. "
                "`tensor.permute(2, 0, 1)` brings the channels of (H, W, C) to the front."
            )
        picture: Image.Image = Image.fromarray(array[0] if len(array) == 1 else np.moveaxis(array, 0, -1))
    elif isinstance(given, Image.Image):
        picture = given
    elif not isinstance(given, str | Path):
        raise InputError(f"Found {type(given).__name__} as a picture; {EXPECTED}.")
    elif not Path(given).is_file():
        kind = "is a folder" if Path(given).is_dir() else "does not exist"
        raise InputError(f"{given} {kind}; give the path of a picture file, such as dog.jpg.")
    if wanted.channels not in MODES:
        raise InputError(f"The classifier takes {wanted.channels} channels; give it tensors (B, {shape}) of its own.")
    mode = MODES[wanted.channels]
    upright_one = decode(Path(given), mode) if isinstance(given, str | Path) else upright(picture, mode)
    fitted = ImageOps.fit(upright_one, (wanted.width, wanted.height), method=Image.Resampling.BICUBIC)
    channels_first = np.asarray(fitted, dtype=np.float32).reshape(wanted.height, wanted.width, -1).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(channels_first) / 255)


def _channels_first(given: Tensor | npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(C, H, W) uint8 or of floats, C 1, 3 or, with transparency, 4."""
    array = given.detach().cpu().numpy() if isinstance(given, Tensor) else given
    kind = "a tensor" if isinstance(given, Tensor) else "an array"
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(f"Found {kind} of shape {array.shape} as a picture; {EXPECTED}.")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"Found pixels of {array.dtype}; expected uint8 from 0 to 255, or floats from 0 to 1.")
    if array.ndim == 2:
        return array[None]
    first, last = array.shape[0] in CHANNELS, array.shape[2] in CHANNELS
    if isinstance(given, Tensor) or (first and not last):
        return array
    if first == last:
        raise InputError(
            f"Found an array of shape {array.shape}, of which {'both ends' if first else 'no end'} could be the "
            "channels; expected (H, W, C) or (C, H, W) with C 1, 3 or 4. A tensor is always read as (C, H, W)."
        )
    return np.moveaxis(array, -1, 0)
