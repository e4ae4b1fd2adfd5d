"""Made-up studies and summaries of several seeds, for tests."""

from collections.abc import Mapping, Sequence

from explainfb.core.types import Interval, RobustAccuracy, ThreatModel
from explainfb.results.measures import CLEAN, ECE, SHIFTED, robust_accuracy_under
from explainfb.results.records import (
    ArmResult,
    Compute,
    PreferenceResults,
    ReliabilityBins,
    Stopped,
    StudyResults,
    in_order,
)
from explainfb.study.arms.registry import describe
from explainfb.sweeps.summary import ArmSummary, CellSummary, GridSummary, OverSeeds

ATTACK = ThreatModel("linf", 0.1)
ROBUST = robust_accuracy_under(ATTACK)


def exactly(value: float) -> Interval:
    return Interval(value, value, value)


def arm(name: str, shifted: float | None = 0.5, *, flags: tuple[str, ...] = ()) -> ArmResult:
    """An arm with this shifted accuracy; all else is a number of it."""
    accuracy = 0.5 if shifted is None else shifted
    return ArmResult(
        arm=describe(name),
        n=10,
        clean_accuracy=exactly(0.9),
        shifted_accuracy=None if shifted is None else exactly(shifted),
        ece=exactly(1 - accuracy),
        shortcut_share=None,
        reliability=ReliabilityBins((), (), ()),
        robust_accuracy=(RobustAccuracy(ATTACK, exactly(accuracy / 2), 10, flags=flags),),
        compute=Compute(1000, 2000),
    )


def study(seed: int, arms: Sequence[ArmResult], stopped: Sequence[Stopped] = ()) -> StudyResults:
    return StudyResults(
        task="digits-decoy",
        seed=seed,
        command="explainfb run",
        settings={},
        environment={"torch": "2"},
        preferences=PreferenceResults(0, (), ()),
        arms=in_order(arms),
        differences={},
        seconds={},
        stopped=tuple(stopped),
    )


def arm_summary(name: str, values: Mapping[str, Sequence[float]], doubtful: Sequence[int] = ()) -> ArmSummary:
    """An arm by the keys of measures; the robust accuracy failed a check on the seeds in `doubtful`."""
    unreliable = {ROBUST.key: tuple(doubtful)} if doubtful else {}
    measured = {key: OverSeeds.of(each) for key, each in values.items()}
    return ArmSummary(describe(name), measured, unreliable, Compute(64_000, 32_000))


def cell_summary(*arms: ArmSummary) -> CellSummary:
    return CellSummary("digits-decoy", "explainfb sweep", {}, (3, 4), {each.arm.name: each for each in arms})


def grid_summary(cells: Mapping[str, CellSummary]) -> GridSummary:
    return GridSummary((3, 4), {"torch": "2"}, cells)


def alike(values: Sequence[float]) -> dict[str, Sequence[float]]:
    """The same values of every measure."""
    return {measure.key: values for measure in (SHIFTED, CLEAN, ECE, ROBUST)}
