"""What is drawn of a grid: every arm, doubt to be seen, small differences beside large ones."""

from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from explainfb.results.measures import ECE, SHIFTED
from explainfb.study.arms.registry import describe
from explainfb.sweeps.figures import KINDS, PANELS, arms_figure, differences_figure, role_of
from explainfb.sweeps.summary import GridSummary
from explainfb.sweeps.tables import Row
from summary_example import ROBUST, alike, arm_summary, cell_summary, grid_summary

ARMS = ["before", "cross_entropy", "rrr", "adversarial_training", "feedback", "no_shortcut"]


def grid_of_arms() -> GridSummary:
    arms = [
        arm_summary(
            name,
            {SHIFTED.key: [0.5, 0.6], ROBUST.key: [0.1, 0.2], ECE.key: [0.004, 0.005 + place / 10]},
            doubtful=(4,) if name == "rrr" else (),
        )
        for place, name in enumerate(ARMS)
    ]
    feedback = next(each for each in arms if each.arm.name == "feedback")
    return grid_summary({"one": cell_summary(*arms), "other": cell_summary(feedback)})


def points(axis: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axis.get_lines() if str(line.get_label()) in ARMS}


def test_every_arm_that_was_run_is_drawn_before_feedback_and_ceiling_first() -> None:
    drawing = arms_figure(grid_of_arms())
    panels = drawing.axes[: len(PANELS)]
    order = ["before", "feedback", "no_shortcut", "cross_entropy", "rrr", "adversarial_training"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == [describe(arm).label for arm in order]
    bold = [label.get_text() for label in panels[0].get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == [describe("feedback").label, describe("no_shortcut").label]
    for axis in panels:
        assert [float(line.get_ydata()[0]) for line in points(axis).values()] == list(range(len(order)))
    assert len(points(drawing.axes[len(PANELS)])) == 1


def test_an_arm_is_hollow_only_where_a_check_failed() -> None:
    drawing = arms_figure(grid_of_arms())
    hollow = [
        {arm for arm, line in points(axis).items() if line.get_markerfacecolor() == "white"}
        for axis in drawing.axes[: len(PANELS)]
    ]
    assert hollow == [set(), {"rrr"}, set()]


def test_calibration_errors_of_thousandths_and_of_halves_can_both_be_read_alike_in_every_cell() -> None:
    drawing = arms_figure(grid_of_arms())
    first, second = (drawing.axes[place + 2] for place in (0, len(PANELS)))
    assert first.get_xscale() == second.get_xscale() == "log"
    assert first.get_xlim() == second.get_xlim()
    assert first.get_xlim()[0] < 0.004
    small, large = (first.transAxes.inverted().transform(first.transData.transform((x, 0)))[0] for x in (0.004, 0.025))
    assert large - small > 0.2


def test_kinds_can_be_told_apart_by_colour_and_by_marker() -> None:
    for styles in zip(*KINDS.values(), strict=True):
        assert len(set(styles)) == len(KINDS)
    summary = grid_summary({"one": cell_summary(*(arm_summary(name, alike([0.5])) for name in ARMS))})
    assert {name: role_of(summary, Row("", "one", name)) for name in ("rrr", "cross_entropy", "no_shortcut")} == {
        "rrr": "reference",
        "cross_entropy": "control",
        "no_shortcut": "ceiling",
    }
    said = [text.get_text() for text in arms_figure(summary).legends[0].get_texts()]
    assert said[: len(KINDS)] == ["before", "feedback", "ceiling", "control", "other method"]


def differing(far: float) -> GridSummary:
    return grid_summary(
        {
            "whole": cell_summary(arm_summary("feedback", alike([0.98, 0.96]))),
            "part": cell_summary(arm_summary("feedback", alike([0.97, 0.96]), doubtful=(3,))),
            "collapsed": cell_summary(arm_summary("feedback", alike([0.98 - far, 0.95 - far]))),
        }
    )


def told_of_a_break(drawing: Figure) -> bool:
    return any("the axis is broken" in text.get_text() for text in drawing.legends[0].get_texts())


def test_differences_are_paired_by_seed_and_hollow_where_either_is_unreliable() -> None:
    summary = differing(0.01)
    drawing = differences_figure(summary, [Row("a part", "part")], Row("whole", "whole"))
    drawn = [points(axis)["feedback"] for axis in drawing.axes]
    assert len(drawn) == len(PANELS)
    assert not told_of_a_break(drawing)
    for line in drawn:
        assert line.get_xdata()[0] == pytest.approx(-0.005)
    assert [line.get_markerfacecolor() == "white" for line in drawn] == [False, True, False]
    swapped = differences_figure(summary, [Row("whole", "whole")], Row("a part", "part"))
    assert [points(axis)["feedback"].get_markerfacecolor() == "white" for axis in swapped.axes] == [False, True, False]


def test_cells_that_collapse_are_drawn_beyond_a_break() -> None:
    rows = [Row("whole", "whole"), Row("a part", "part"), Row("collapsed", "collapsed")]
    drawing = differences_figure(differing(0.7), rows, rows[0])
    assert len(drawing.axes) == 2 * len(PANELS)
    assert told_of_a_break(drawing)
    far, near = drawing.axes[:2]
    assert far.get_xlim()[1] < near.get_xlim()[0] < 0 < near.get_xlim()[1]
    for axis, row in ((far, 1), (near, 0)):
        assert [line.get_ydata()[0] for line in points(axis).values()] == [row]
        assert axis.get_xlim()[0] <= points(axis)["feedback"].get_xdata()[0] <= axis.get_xlim()[1]
    assert far.get_position().width < near.get_position().width


def test_cells_of_other_seeds_are_not_compared() -> None:
    summary = differing(0.7)
    fewer = replace(summary.cells["part"], seeds=(3, 5))
    drawing = differences_figure(
        replace(summary, cells={**summary.cells, "part": fewer}),
        [Row("a part", "part"), Row("collapsed", "collapsed"), Row("not run", "other")],
        Row("whole", "whole"),
    )
    assert [label.get_text() for label in drawing.axes[0].get_yticklabels()] == ["collapsed"]
