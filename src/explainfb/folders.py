"""A folder of anyone's own pictures, in torchvision's ImageFolder layout."""

from dataclasses import dataclass
from pathlib import Path

from explainfb.errors import InputError
from explainfb.types import LabelledImages


@dataclass(frozen=True, eq=False)
class Folder:
    """What was read from a folder."""

    class_names: tuple[str, ...]
    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages


def read_folder(path: Path, *, image_size: int) -> Folder:
    raise InputError(f"{path} cannot be read yet.")
