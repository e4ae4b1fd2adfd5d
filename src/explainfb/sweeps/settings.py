"""What is run over several seeds: a grid of cells, or the one cell of a sweep, and in how many processes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explainfb.core.devices import DeviceName
from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields
from explainfb.core.types import ThreatModel
from explainfb.results.measures import ECE, SHIFTED, Measure, robust_accuracy_under
from explainfb.study.settings import Control, StudySettings

Backend = Literal["loky", "ray", "dask"]
MEASURES = (SHIFTED, ECE, robust_accuracy_under(ThreatModel("linf", 0.1)))
"""What is tested of a grid unless other measures are named: the fewer, the less is lost to the correction."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Where studies are run."""

    jobs: int = os.cpu_count() or 1
    """Processes, each with one thread; they share the studies, and then the arms of each."""
    backend: Backend = "loky"
    """Where joblib runs them; ray and dask must be installed."""
    data_dir: Path | None = None
    """Where data sets lie in torchvision's layout; without it they are downloaded to data/."""
    device: DeviceName = "auto"
    """Where networks run; `auto` is CUDA where there is one, else the CPU."""


@dataclass(frozen=True, kw_only=True)
class GridSettings(Processes):
    """Where the studies of a grid are kept, and over which seeds and processes they run.

    >>> from pathlib import Path
    >>> from explainfb import GridSettings
    >>> GridSettings(folder=Path("studies/answers"), seeds=3).all_seeds
    range(11, 14)
    """

    folder: Path
    """One folder a cell, in which there is one study a seed, and grid.json."""
    seeds: int = 5
    """How many seeds, at least 1."""
    first_seed: int = 11
    """The first seed, at least 0; the others follow it."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.seeds < 1:
            raise InputError(f"There must be at least 1 seed; found {self.seeds}.")
        if self.first_seed < 0 or self.jobs < 1:
            raise InputError(
                f"The first seed is at least 0 and jobs at least 1; found {self.first_seed} and {self.jobs}."
            )

    @property
    def all_seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)

    @property
    def path(self) -> Path:
        """Where what there is over seeds is written."""
        return self.folder / "grid.json"


@dataclass(frozen=True, kw_only=True)
class SweepSettings(GridSettings):
    """Which seeds and arms, and over how many processes."""

    folder: Path = Path("studies/sweep")
    """Where one study a seed is kept, and sweep.json."""
    first_seed: int = 0
    """The first seed, at least 0; the others follow it."""
    controls: tuple[Control, ...] = StudySettings().controls
    """What feedback is compared with on every seed; nothing after --controls switches them off."""

    @property
    def path(self) -> Path:
        return self.folder / "sweep.json"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is run, and what is tested.

    >>> from explainfb import Grid, StudySettings
    >>> few, many = StudySettings(comparisons_per_round=63), StudySettings()
    >>> Grid(cells={"250 answers": few, "1,000 answers": many}, reference="1,000 answers").against_arms
    True
    """

    cells: Mapping[str, StudySettings]
    """By names that can be a folder's; the seed of the settings does not count."""
    reference: str | None = None
    """The cell whose feedback every other cell's feedback is tested against."""
    measures: Sequence[Measure] | None = MEASURES
    """What is tested; None for every measure that there is."""
    against_arms: bool = True
    """Whether the feedback of each cell is tested against the cell's own arms."""

    def __post_init__(self) -> None:
        if self.reference is not None and self.reference not in self.cells:
            raise InputError(f"There is no cell {self.reference!r} to compare with; found {', '.join(self.cells)}.")
