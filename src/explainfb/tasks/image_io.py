"""One picture file → pixels, whatever its size, colours and orientation are."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.tasks.problems import FileError
from explainfb.tasks.settings import Fit

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
GREY_MODES = frozenset({"1", "L", "LA", "La", "F", "I", "I;16", "I;16L", "I;16B", "I;16N"})
PNG, PNG_COLOUR_TYPE, PNG_GREY_TYPES = b"\x89PNG", 25, (0, 4)
"""How a PNG file begins, where it says what its colours are, and what stands there where they are grey."""


def file_bytes(file: Path) -> bytes:
    """What `file` holds; `InputError` naming it where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error


def is_grey(file: Path, content: bytes) -> bool:
    """Whether the picture is stored in grey, from its header alone; `InputError` where it is no picture."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if content.startswith(PNG) and image.mode == "RGBA":  # so Pillow opens 16-bit grey with transparency
                return content[PNG_COLOUR_TYPE] in PNG_GREY_TYPES
            return image.mode in GREY_MODES
    except Exception as error:  # Pillow's readers raise errors of many kinds on a damaged file
        raise _unreadable(file, error, content) from error


def has_several(content: bytes) -> bool:
    """Whether the file of a picture holds several, as frames of a film or pages: `decode` reads the first."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            # behind a phone's photograph lie smaller ones of the same, which nobody would miss
            return image.format != "MPO" and getattr(image, "is_animated", False)
    except Exception:  # what is damaged is told by whoever reads the picture
        return False


def decode(file: Path, colours: str, *, background: str = "white") -> Image.Image:
    """The upright picture in mode `colours`, L or RGB, with `background` behind what is transparent.

    16-bit greys, and floats in [0, 1], are brought to 8 bits. Raises `InputError` naming a file that is damaged.
    """
    content = file_bytes(file)
    try:
        with Image.open(io.BytesIO(content)) as raw:
            return upright(raw, colours, background=background, name=str(file))
    except InputError:
        raise
    except Exception as error:  # of any kind, as above
        raise _unreadable(file, error, content) from error


def upright(raw: Image.Image, colours: str, *, background: str = "white", name: str = "The picture") -> Image.Image:
    """As `decode`, for an image that is open; `name` is what an error calls it."""
    image = ImageOps.exif_transpose(raw)  # phones store how they were held instead of turning the pixels
    if image.mode == "F" or image.mode.startswith("I"):
        image = _eight_bits(image, name)
    elif image.mode == "RGB" and max(image.info.get("transparency", (0,))) > 255:
        # of a 16-bit file: Pillow keeps the high byte of each colour, but not of the one that is transparent
        image.info["transparency"] = tuple(level >> 8 for level in image.info["transparency"])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return image.convert(colours)


def _unreadable(file: Path, error: Exception, content: bytes = b"?") -> FileError:
    why = _why(error, content)
    return FileError(file, f"cannot be read as a picture ({why})", "replace what is damaged, or move it away")


def _why(error: Exception, content: bytes) -> str:
    if not content:
        return "it is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its bytes are those of no picture"
    if "truncated" in str(error):
        return "it is cut short"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    # Pillow's own conversion does not scale: 16-bit levels above 255 all become white, floats below 1 black
    levels = np.asarray(image).astype(np.float64)
    white = 1.0 if image.mode == "F" else 65535.0
    if not (np.min(levels) >= 0 and np.max(levels) <= white):
        found = f"holds grey levels in [{np.min(levels):g}, {np.max(levels):g}], expected [0, {white:g}]"
        raise FileError(Path(name), found, "save it with 8 or 16 bits a pixel")
    grey = Image.fromarray(np.round(levels * (255 / white)).astype(np.uint8))
    transparent = image.info.get("transparency")  # one level, in as many bits as the picture's
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(levels == transparent, 0, 255).astype(np.uint8)))
    return grey


def square(
    image: Image.Image, side: int, fit: Fit = "crop", *, resampling: Image.Resampling = Image.Resampling.BICUBIC
) -> npt.NDArray[np.uint8]:
    """(side, side) or (side, side, 3): the shorter side resized to `side` and the middle of the longer one, or for
    `pad` the longer side resized and black on both sides of the shorter one."""
    if fit == "pad":
        return np.asarray(ImageOps.pad(image, (side, side), method=resampling, color="black"), dtype=np.uint8)
    return np.asarray(ImageOps.fit(image, (side, side), method=resampling), dtype=np.uint8)


def read_mask(file: Path, size: tuple[int, int], side: int, fit: Fit = "crop") -> Tensor:
    """(side, side) bool: where the mask of a picture of `size` (width, height) is white, squared as the picture is.

    What is transparent counts as black. Raises `InputError` for a mask of another shape, or one drawn in dark greys.
    """
    mask = decode(file, "L", background="black")
    if mask.width * size[1] != mask.height * size[0]:
        found = f"is a mask of {mask.width}×{mask.height} pixels, of a picture of {size[0]}×{size[1]}"
        raise FileError(file, found, "give it the picture's size")
    if 0 < np.asarray(mask).max() < 128:
        found = "is a mask that has no white pixel but dark grey ones"
        raise FileError(file, found, "draw it anew: white (255) means yes, black (0) no")
    # nearest, because a blend of black and white at an edge would be neither
    return torch.from_numpy(square(mask, side, fit, resampling=Image.Resampling.NEAREST) >= 128)
