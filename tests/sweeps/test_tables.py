"""Tables of a summary: every arm, every contrast, doubt to be seen."""

from dataclasses import replace

import pytest

from explainfb.results.measures import ECE, SHIFTED
from explainfb.statistics.contrasts import Contrast
from explainfb.sweeps.tables import Row, contrast_table, number, rows_of, table
from summary_example import ROBUST, alike, arm_summary, cell_summary, grid_summary

CELL = cell_summary(
    arm_summary("before", alike([0.1, 0.2])),
    arm_summary("rrr", alike([0.5, 0.5]), doubtful=(4,)),
    arm_summary("feedback", alike([0.8, 0.9])),
)


def contrast(arm: str, p: float | None, *, reliable: bool = True) -> Contrast:
    ends = (None, None) if p is None else (0.2, 0.4)
    return Contrast(
        arm=arm,
        measure=ROBUST.key,
        difference=0.3,
        low=ends[0],
        high=ends[1],
        by_seed=(0.3, 0.3),
        p_seeds=p,
        p_images=None,
        p=p,
        reliable=reliable,
    )


def test_a_row_has_its_means_intervals_doubts_and_costs() -> None:
    summary = grid_summary({"plain": CELL})
    lines = table(summary, rows_of(summary, "plain"), (SHIFTED, ROBUST)).splitlines()
    assert lines == [
        "| | shifted | L∞ ε = 0.1 | passes |",
        "|---|---|---|---|",
        "| before | .150 ± .635 | .150 ± .635 | 64 / 32 |",
        "| pixel masks (RRR) | .500 ± .000 | .500 ± .000\\* | 64 / 32 |",
        "| **feedback** | .850 ± .635 | .850 ± .635 | 64 / 32 |",
    ]


def test_what_was_not_measured_is_a_dash_or_no_column() -> None:
    """A cell that is not run yet has no row."""
    bare = replace(arm_summary("feedback", {SHIFTED.key: [0.5]}), compute=None)
    summary = grid_summary({"plain": CELL, "bare": cell_summary(bare)})
    rows = [Row("plain", "plain"), Row("bare", "bare"), Row("before", "bare", "before"), Row("to come", "other")]
    lines = table(summary, rows, (SHIFTED, ECE)).splitlines()
    assert lines[3:] == ["| **bare** | .500 | – | – |", "| before | – | – | – |"]
    assert table(grid_summary({"bare": cell_summary(bare)}), rows[1:2]).splitlines()[0] == "| | shifted | passes |"


def test_numbers_lose_only_a_zero_that_stands_alone() -> None:
    assert [number(value) for value in (0.931, 10.25, -0.25, 1.5, 0.0)] == [".931", "10.250", "-.250", "1.500", ".000"]


def test_a_contrast_names_the_arm_or_the_other_cell_and_what_may_be_said() -> None:
    contrasts = (
        contrast("rrr", 0.001),
        contrast("before", 0.02),
        contrast("other-cell", 0.001, reliable=False),
        contrast("feedback", None),
    )
    summary = grid_summary(
        {"plain": replace(CELL, contrasts=contrasts), "other": replace(CELL, contrasts=contrasts[:1])}
    )
    size = "robust accuracy, L∞ ε = 0.1 | +0.300 | +0.200 to +0.400"
    assert contrast_table(summary, "plain").splitlines()[2:] == [
        f"| pixel masks (RRR) | {size} | 0.001 | a difference |",
        f"| before | {size} | 0.02 | not shown |",
        f"| other-cell | {size} | 0.001 | not to be relied on |",
    ]
    assert len(contrast_table(summary).splitlines()) == 2 + 3 + 1


def test_the_cell_of_a_sweep_is_the_only_one() -> None:
    assert grid_summary({"plain": CELL}).only == CELL
    with pytest.raises(Exception, match="one cell; found 2: a, b"):
        _ = grid_summary({"a": CELL, "b": CELL}).only
