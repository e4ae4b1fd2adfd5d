"""What studies of several seeds measured, summed up: of each cell of a grid its arms, of each arm its measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from explainfb.core.errors import InputError
from explainfb.results.measures import MEASURES, SHIFTED, Measure, measure_of, robust_accuracy_under
from explainfb.results.records import (
    BEFORE,
    FEEDBACK,
    NO_SHORTCUT,
    ArmDescription,
    ArmResult,
    Compute,
    Stopped,
    StudyResults,
)
from explainfb.statistics.contrasts import Contrast, half_width

LEAST_GAP = 0.05
"""How far the ceiling must lie above `before` on every seed: a share of a smaller gap would be mostly noise."""


@dataclass(frozen=True)
class OverSeeds:
    """The same number on several seeds."""

    mean: float
    low: float | None
    """The lower end of the mean's 95 % t-interval over seeds; None for one seed."""
    high: float | None
    values: tuple[float, ...]
    """By seed, in the order of the seeds."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "OverSeeds":
        """The mean of `values`, at least one, and its interval."""
        mean, half = float(np.mean(values)), half_width(np.array(values))
        low, high = (None, None) if half is None else (mean - half, mean + half)
        return cls(mean, low, high, tuple(values))

    @property
    def half(self) -> float | None:
        """Half the width of the interval; None for one seed."""
        return None if self.high is None else self.high - self.mean


@dataclass(frozen=True)
class ArmSummary:
    """One arm over the seeds of a cell."""

    arm: ArmDescription
    measured: Mapping[str, OverSeeds]
    """By the key of a measure; what was not measured is not there."""
    unreliable: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By the key of a robust accuracy, the seeds on which it failed a sanity check; the others are not there."""
    compute: Compute | None = None
    """What the arm cost on the first seed; None where it was not counted."""

    def of(self, measure: Measure) -> OverSeeds | None:
        """The value of `measure`; None where it was not measured."""
        return self.measured.get(measure.key)

    def is_reliable(self, measure: Measure) -> bool:
        """False for a robust accuracy that failed a sanity check on some seed."""
        return measure.key not in self.unreliable

    @property
    def measures(self) -> list[Measure]:
        """What was measured."""
        return [measure_of(key) for key in self.measured]


@dataclass(frozen=True)
class CellSummary:
    """Studies of the same settings on several seeds."""

    task: str
    command: str
    """What to type to run them again; empty where an old file does not say."""
    settings: Mapping[str, object]
    """Every setting as run but the seed, by its dotted name; empty where an old file does not say."""
    seeds: tuple[int, ...]
    """Those that are done."""
    arms: Mapping[str, ArmSummary]
    """By name, in the order of the tables: before, controls, references, feedback, no_shortcut."""
    contrasts: tuple[Contrast, ...] = ()
    """Feedback less other arms, and where the cell is its grid's reference, less the feedback of other cells, which are
    then named in place of the arm. Corrected for all that was tested of the grid."""
    stopped: tuple[Stopped, ...] = ()
    """Rounds that did not run to their end, seed by seed."""
    gap_closed: OverSeeds | None = None
    """By which share of its distance to `no_shortcut` feedback brought shifted accuracy nearer; None without that arm,
    and where the distance is next to nothing on some seed."""

    @property
    def before(self) -> ArmSummary:
        return self.arms[BEFORE]

    @property
    def feedback(self) -> ArmSummary:
        return self.arms[FEEDBACK]


@dataclass(frozen=True)
class GridSummary:
    """A grid of studies, or a sweep, which is a grid with one cell."""

    seeds: tuple[int, ...]
    """Those that were asked for."""
    environment: Mapping[str, str]
    """Versions by package, the machine, the device: every one in which something was computed."""
    cells: Mapping[str, CellSummary]
    """By name. The one of a sweep has the name of its task."""

    @property
    def only(self) -> CellSummary:
        """The one cell of a sweep. Raises `InputError` where there are several, or none yet."""
        if len(self.cells) != 1:
            raise InputError(f"A sweep has one cell; found {len(self.cells)}: {', '.join(self.cells) or 'none'}.")
        return next(iter(self.cells.values()))


def summarise(
    results: Sequence[StudyResults],
    *,
    command: str,
    settings: Mapping[str, object],
    contrasts: Sequence[Contrast] = (),
) -> CellSummary:
    """Means over the seeds of one cell with 95 % t-intervals, and the share of the gap that feedback closed.

    `results` has at least one study, one a seed, with the same arms.
    """
    arms = {name: _arm([result.arms[name] for result in results], _seeds(results)) for name in results[0].arms}
    return CellSummary(
        task=results[0].task,
        command=command,
        settings=settings,
        seeds=_seeds(results),
        arms=arms,
        contrasts=tuple(contrasts),
        stopped=tuple(stopped for result in results for stopped in result.stopped),
        gap_closed=_gap_closed(arms),
    )


def _seeds(results: Sequence[StudyResults]) -> tuple[int, ...]:
    return tuple(result.seed for result in results)


def _arm(results: Sequence[ArmResult], seeds: Sequence[int]) -> ArmSummary:
    """`results`, one a seed, of one arm."""
    robust = [robust_accuracy_under(each.threat_model) for each in results[0].robust_accuracy]
    measured, unreliable = {}, {}
    for measure in (*MEASURES, *robust):
        values = [value.estimate for result in results if (value := result.measured(measure)) is not None]
        if values:
            measured[measure.key] = OverSeeds.of(values)
        doubtful = [seed for result, seed in zip(results, seeds, strict=True) if not result.is_reliable(measure)]
        if doubtful:
            unreliable[measure.key] = tuple(doubtful)
    return ArmSummary(results[0].arm, measured, unreliable, results[0].compute)


def _gap_closed(arms: Mapping[str, ArmSummary]) -> OverSeeds | None:
    found = [arms[name].of(SHIFTED) for name in (BEFORE, FEEDBACK, NO_SHORTCUT) if name in arms]
    known = [np.array(value.values) for value in found if value is not None]
    if len(known) < 3:
        return None
    before, after, ceiling = known
    if (ceiling - before).min() <= LEAST_GAP:
        return None
    return OverSeeds.of(((after - before) / (ceiling - before)).tolist())
