"""What is drawn of a grid: every arm, doubt to be seen, small differences beside large ones."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from explainfb.core.errors import InputError
from explainfb.results.format1 import LABELS
from explainfb.statistics.contrasts import half_width
from explainfb.sweeps.figures import KINDS, PANELS, arms_figure, differences_figure, kind_of
from explainfb.sweeps.tables import Row, read_summary

ARMS = ["before", "cross_entropy", "rrr", "adversarial_training", "after", "ceiling"]


def measured(values: Sequence[float]) -> dict[str, Any]:
    mean, half = float(np.mean(values)), half_width(np.array(values))
    interval = {"low": None, "high": None} if half is None else {"low": mean - half, "high": mean + half}
    return {"values": list(values), "mean": mean, **interval}


def cell(arms: dict[str, dict[str, Sequence[float]]], unreliable: dict[str, Any] | None = None) -> dict[str, Any]:
    found = {arm: {key: measured(values) for key, values in keys.items()} for arm, keys in arms.items()}
    return {"seeds": [3, 4], "arms": found, "unreliable": unreliable or {}}


def grid_of_arms() -> dict[str, Any]:
    values = {
        arm: {"shifted_accuracy": [0.5, 0.6], "linf 0.1": [0.1, 0.2], "ece": [0.004, 0.005 + place / 10]}
        for place, arm in enumerate(ARMS)
    }
    doubts = {"rrr": {"linf 0.1": [4]}}
    return {"cells": {"one": cell(values, doubts), "other": cell({"after": values["after"]})}, "contrasts": []}


def points(axis: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axis.get_lines() if str(line.get_label()) in LABELS}


def test_every_arm_that_was_run_is_drawn_before_feedback_and_ceiling_first() -> None:
    drawing = arms_figure(grid_of_arms())
    panels = drawing.axes[: len(PANELS)]
    order = ["before", "after", "ceiling", "cross_entropy", "rrr", "adversarial_training"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == [LABELS[arm] for arm in order]
    bold = [label.get_text() for label in panels[0].get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == [LABELS["after"], LABELS["ceiling"]]
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
    assert {arm: kind_of(arm) for arm in ("rrr", "random_exchange", "after")} == {
        "rrr": "other method",
        "random_exchange": "control",
        "after": "after",
    }


def differing(far: float) -> dict[str, Any]:
    keys = ("shifted_accuracy", "linf 0.1", "ece")
    cells = {
        "whole": cell({"after": {key: [0.98, 0.96] for key in keys}}),
        "part": cell({"after": {key: [0.97, 0.96] for key in keys}}, {"after": {"linf 0.1": [3]}}),
        "collapsed": cell({"after": {key: [0.98 - far, 0.95 - far] for key in keys}}),
    }
    return {"cells": cells, "contrasts": []}


def told_of_a_break(drawing: Figure) -> bool:
    return any("the axis is broken" in text.get_text() for text in drawing.legends[0].get_texts())


def test_differences_are_paired_by_seed_and_hollow_where_either_is_doubtful() -> None:
    summary = differing(0.01)
    drawing = differences_figure(summary, [Row("a part", "part")], Row("whole", "whole"))
    drawn = [points(axis)["after"] for axis in drawing.axes]
    assert len(drawn) == len(PANELS)
    assert not told_of_a_break(drawing)
    for line in drawn:
        assert line.get_xdata()[0] == pytest.approx(-0.005)
    assert [line.get_markerfacecolor() == "white" for line in drawn] == [False, True, False]
    swapped = differences_figure(summary, [Row("whole", "whole")], Row("a part", "part"))
    assert [points(axis)["after"].get_markerfacecolor() == "white" for axis in swapped.axes] == [False, True, False]


def test_cells_that_collapse_are_drawn_beyond_a_break() -> None:
    rows = [Row("whole", "whole"), Row("a part", "part"), Row("collapsed", "collapsed")]
    drawing = differences_figure(differing(0.7), rows, rows[0])
    assert len(drawing.axes) == 2 * len(PANELS)
    assert told_of_a_break(drawing)
    far, near = drawing.axes[:2]
    assert far.get_xlim()[1] < near.get_xlim()[0] < 0 < near.get_xlim()[1]
    for axis, row in ((far, 1), (near, 0)):
        assert [line.get_ydata()[0] for line in points(axis).values()] == [row]
        assert axis.get_xlim()[0] <= points(axis)["after"].get_xdata()[0] <= axis.get_xlim()[1]
    assert far.get_position().width < near.get_position().width


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"cells": {}})])
def test_what_is_no_summary_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(InputError, match=r"results\.json cannot be read"):
        read_summary(path)
    path.write_text(text)
    with pytest.raises(InputError, match=r"give the results\.json of a grid that was run"):
        read_summary(path)
