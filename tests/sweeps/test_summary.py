"""Means over seeds and what is told of them."""

import pytest

from explainfb.core.types import OutOfBagTest
from explainfb.results.measures import CLEAN, ECE, SHIFTED, SHORTCUT_SHARE
from explainfb.results.records import Compute, Stopped, StopReason, StudyResults
from explainfb.sweeps.summary import CellSummary, OverSeeds, summarise
from summary_example import ROBUST, arm, study


def summed(*studies: StudyResults) -> CellSummary:
    return summarise(studies, command="explainfb sweep", settings={})


def test_a_mean_has_students_interval_over_seeds() -> None:
    """Mean 2, standard error 1/√3, t of 2 degrees of freedom 4.3027."""
    found = OverSeeds.of([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.half == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
    assert found.low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-4)
    assert OverSeeds.of([0.5]) == OverSeeds(0.5, None, None, (0.5,))


def test_every_arm_has_what_was_measured_seed_by_seed() -> None:
    found = summed(
        study(3, [arm("feedback", 0.8), arm("rrr", 0.6), arm("before", 0.2)]),
        study(4, [arm("feedback", 0.9), arm("rrr", 0.7), arm("before", 0.1)]),
    )
    assert found.seeds == (3, 4)
    assert list(found.arms) == ["before", "rrr", "feedback"]
    assert found.feedback.of(SHIFTED) == OverSeeds.of([0.8, 0.9])
    assert found.feedback.of(ROBUST) == OverSeeds.of([0.4, 0.45])
    assert found.feedback.of(SHORTCUT_SHARE) is None
    assert found.feedback.measures == [CLEAN, SHIFTED, ECE, ROBUST]
    assert found.feedback.compute == Compute(1000, 2000)


def test_a_check_that_failed_on_some_seed_is_kept_with_the_seed() -> None:
    doubtful = arm("before", 0.1, flags=("zero_gradients",))
    found = summed(study(3, [arm("feedback", 0.8), arm("before", 0.2)]), study(4, [arm("feedback", 0.9), doubtful]))
    assert found.before.unreliable == {ROBUST.key: (4,)}
    assert not found.before.is_reliable(ROBUST)
    assert found.before.is_reliable(SHIFTED)
    assert found.feedback.is_reliable(ROBUST)


@pytest.mark.parametrize(("least", "closed"), [(0.5, (0.5, 1.0)), (0.14, None)])
def test_the_gap_closed_is_by_seed_and_of_no_gap_there_is_none(least: float, closed: tuple[float, ...] | None) -> None:
    """A ceiling that is .04 above before on one seed leaves no gap to speak of."""
    found = summed(
        study(0, [arm("before", 0.1), arm("feedback", (0.1 + least) / 2), arm("no_shortcut", least)]),
        study(1, [arm("before", 0.1), arm("feedback", 0.9), arm("no_shortcut", 0.9)]),
    )
    if closed is None:
        assert found.gap_closed is None
    else:
        assert found.gap_closed is not None
        assert found.gap_closed.values == pytest.approx(closed)


def test_without_a_ceiling_or_a_shortcut_there_is_no_gap() -> None:
    assert summed(study(0, [arm("before", 0.1), arm("feedback", 0.9)])).gap_closed is None
    sound = [arm("before", None), arm("feedback", None), arm("no_shortcut", None)]
    found = summed(study(0, sound))
    assert found.gap_closed is None
    assert found.before.of(SHIFTED) is None


def test_what_stopped_is_kept_seed_by_seed() -> None:
    arms = [arm("before", 0.1), arm("feedback", 0.9)]
    first = Stopped("feedback", 1, StopReason.NOT_FOLLOWED, test=OutOfBagTest(3, 6, 0.9), members=2)
    second = Stopped("feedback", 2, StopReason.NOT_FINITE, step=7)
    assert summed(study(0, arms, [first]), study(1, arms, [second])).stopped == (first, second)
