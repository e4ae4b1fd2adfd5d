"""Which studies a sweep runs, and where."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explainfb.core.devices import DeviceName
from explainfb.core.errors import InputError
from explainfb.study.settings import Control, StudySettings

Backend = Literal["loky", "ray", "dask"]


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """Which seeds and controls, and over how many processes."""

    folder: Path = Path("studies/sweep")
    """Where one study a seed is kept, and sweep.json."""
    seeds: int = 5
    """How many seeds, at least 1."""
    first_seed: int = 0
    """The first seed, at least 0; the others follow it."""
    controls: tuple[Control, ...] = StudySettings().controls
    """What feedback is compared with on every seed; nothing after --controls switches them off."""
    jobs: int = os.cpu_count() or 1
    """How many processes, each with one thread, share the seeds, and then the arms of each."""
    backend: Backend = "loky"
    """Where joblib runs the processes; ray and dask must be installed."""
    data_dir: Path | None = None
    """Where data sets lie in torchvision's layout; without it they are downloaded to data/."""
    device: DeviceName = "auto"
    """Where networks run; `auto` is CUDA where there is one, else the CPU."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"A sweep needs at least 1 seed; found {self.seeds}.")

    @property
    def path(self) -> Path:
        """Where what there is over seeds is written."""
        return self.folder / "sweep.json"
