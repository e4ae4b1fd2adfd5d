"""What a study's settings can say of a task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["position", "grey"]
"""Of the shortcut that a -decoy task plants: where a white patch stands, or the grey level of a patch in a corner."""
Fit = Literal["crop", "pad"]
"""How a picture becomes a square: its middle is cut out, or black is laid around it."""


@dataclass(frozen=True, kw_only=True)
class TaskRecipe:
    """What `load_task` was told, so that a study makes the same task again."""

    task: str
    """A task by name, or folder:PATH."""
    train_images: int
    shortcut: Kind = "position"
    image_size: int = 64
    fit: Fit = "crop"
    plant: str | None = None
    """What was planted, as Python shows it."""
    rate: float = 1.0
    """The share of training images that carry it."""
    seed: int = 0
    data_dir: Path | None = None
