"""What a network wants done to its images, said by torchvision, timm, Hugging Face or its owner."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explainfb.classifiers.torchvision_networks import Preprocessing
from explainfb.core.errors import InputError
from explainfb.core.files import parse_json

IMAGENET = Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")
"""What nearly all networks of ImageNet were trained on: 224 pixels a side, less the mean and by the deviation of
ImageNet's colours.

>>> from explainfb import IMAGENET
>>> IMAGENET.side, IMAGENET.mean
(224, (0.485, 0.456, 0.406))
"""
PIXELS = 255
PIL_BICUBIC = 3


def read_preprocessing(given: object, side: int | None, name: str) -> Preprocessing:
    """The preprocessing that is meant: ours, a preset of torchvision's, a configuration of timm's or of Hugging Face's.

    `side` replaces the one that it names. Warns where nothing is taken out of the pixels; raises `InputError` for a
    mean or deviation of pixels from 0 to 255, saying the values to give, and for what is no preprocessing.
    """
    found = _read(given, name)
    found = found if side is None else Preprocessing(side, found.mean, found.std, found.interpolation)
    _check(found, name)
    if all(value == 0 for value in found.mean) and all(value == 1 for value in found.std):
        warnings.warn(
            f"{name} is fed pixels in [0, 1] with no normalisation. If it was trained on normalised ones, as "
            "nearly all published networks were, say so: preprocess=explainfb.IMAGENET.",
            stacklevel=3,
        )
    return found


def _read(given: object, name: str) -> Preprocessing:
    if isinstance(given, Preprocessing):
        return given
    if given is None:
        return Preprocessing(IMAGENET.side, (0.0,), (1.0,), "bilinear")
    if isinstance(given, str | Path):
        return _read(_json(Path(given)), name)
    if isinstance(given, Mapping) or hasattr(given, "to_dict"):
        return _from_mapping(given if isinstance(given, Mapping) else given.to_dict(), name)
    if hasattr(given, "crop_size") and hasattr(given, "interpolation"):  # torchvision's preset
        preset: Any = given
        return Preprocessing(
            preset.crop_size[0], tuple(preset.mean), tuple(preset.std), _interpolation(preset.interpolation.value)
        )
    raise InputError(
        f"{name}: expected as preprocess explainfb.IMAGENET, explainfb.Preprocessing(side, mean, std), or the "
        f"configuration of torchvision, timm or Hugging Face; found {type(given).__name__}."
    )


def _json(file: Path) -> Mapping[str, Any]:
    try:
        found = parse_json((file / "preprocessor_config.json" if file.is_dir() else file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as a configuration of preprocessing ({error}).") from error
    if not isinstance(found, Mapping):
        raise InputError(f"{file} holds no configuration of preprocessing; expected image_mean and image_std in it.")
    return found


def _from_mapping(config: Mapping[str, Any], name: str) -> Preprocessing:
    """Of timm (`mean`, `std`, `input_size`) or of Hugging Face (`image_mean`, `image_std`, `size`)."""
    if "image_mean" in config or "image_std" in config or "do_normalize" in config:
        scale = 1.0 if config.get("do_rescale", True) else 1 / PIXELS
        plain = not config.get("do_normalize", True)
        mean = (0.0,) if plain else tuple(value * scale for value in config["image_mean"])
        std = (scale,) if plain else tuple(value * scale for value in config["image_std"])
        bicubic = config.get("resample") == PIL_BICUBIC
        return Preprocessing(_side_in(config, name), mean, std, "bicubic" if bicubic else "bilinear")
    if "mean" in config and "std" in config:
        side = int(config["input_size"][-1]) if "input_size" in config else IMAGENET.side
        kind = _interpolation(str(config.get("interpolation", "bilinear")))
        return Preprocessing(side, tuple(config["mean"]), tuple(config["std"]), kind)
    raise InputError(f"{name}: its configuration has neither mean and std nor image_mean and image_std.")


def _side_in(config: Mapping[str, Any], name: str) -> int:
    # what is cut out enters the network; where nothing is cut, what the picture is brought to
    size: Any = config.get("crop_size") if config.get("do_center_crop") else None
    size = size or config.get("size", IMAGENET.side)
    if isinstance(size, Mapping):
        size = size.get("height", size.get("shortest_edge"))
    size = size[0] if isinstance(size, Sequence) else size
    if not isinstance(size, int):
        raise InputError(f"{name}: its configuration does not say its size; give size=, in pixels a side.")
    return size


def _interpolation(name: str) -> Any:
    return "bicubic" if name == "bicubic" else "bilinear"


def _check(found: Preprocessing, name: str) -> None:
    if len(found.mean) != len(found.std) and 1 not in (len(found.mean), len(found.std)):
        raise InputError(f"{name}: mean and std have one value a channel each; found {found.mean} and {found.std}.")
    if not all(value > 0 for value in found.std):
        raise InputError(f"{name}: std must be greater than 0; found {found.std}.")
    if max(*map(abs, found.mean), *found.std) > 1:
        mean, std = (tuple(round(value / PIXELS, 4) for value in values) for values in (found.mean, found.std))
        raise InputError(
            f"{name}: mean {found.mean} and std {found.std} are of pixels from 0 to 255, and pixels lie in [0, 1] "
            f"here. Divide them by 255: mean {mean}, std {std}."
        )
