"""What a sweep prints."""

import io
import re
from dataclasses import replace
from typing import get_args

from rich.console import Console

from explainfb.core.types import OutOfBagTest
from explainfb.results.measures import SHIFTED
from explainfb.results.records import Stopped, StopReason
from explainfb.statistics.contrasts import Contrast
from explainfb.study.settings import KnownControl
from explainfb.sweeps.summary import CellSummary, OverSeeds
from explainfb.sweeps.terminal import print_sweep
from summary_example import alike, arm_summary, cell_summary, grid_summary

CELL = cell_summary(arm_summary("before", alike([0.1, 0.2])), arm_summary("feedback", alike([0.8, 0.9])))


def printed(cell: CellSummary, width: int = 200) -> str:
    console = Console(record=True, width=width, file=io.StringIO())
    print_sweep(console, grid_summary({"digits-decoy": cell}))
    return re.sub(" +\n", "\n", console.export_text())


def test_eleven_arms_fit_eighty_characters() -> None:
    names = ["before", *get_args(KnownControl), "feedback"]
    found = printed(cell_summary(*(arm_summary(name, alike([0.416, 0.416])) for name in names)), width=80)
    assert "…" not in found
    assert max(len(line) for line in found.splitlines()) <= 80
    assert len(re.findall(r"0\.416±0\.00", found)) == len(names) * len(CELL.before.measures)
    assert "adversarial" in found


def test_a_number_that_failed_a_check_has_a_star_that_is_explained() -> None:
    doubtful = cell_summary(CELL.before, arm_summary("feedback", alike([0.8, 0.9]), doubtful=(4,)))
    assert "*" not in printed(CELL)
    assert len(re.findall(r"0\.850±0\.64\*", printed(doubtful))) == 1
    assert "* not to be relied on" in printed(doubtful)


def test_what_stopped_is_told_once_for_each_arm() -> None:
    arms = {**CELL.arms, "random_answers": arm_summary("random_answers", alike([0.5]))}
    test = OutOfBagTest(right=3, asked=6, p_value=0.9)
    coin = [Stopped("random_answers", each, StopReason.NOT_FOLLOWED, test=test, members=2) for each in (1, 2, 3)]
    stopped = (*coin, Stopped("feedback", 4, StopReason.NOT_FINITE, step=3))
    found = printed(replace(CELL, arms=arms, stopped=stopped))
    assert "random answers, round 1: The reward was not followed: the best of its 2 members predicts 3 of 6" in found
    assert "(and 2 rounds more; sweep.json has them.)" in found
    assert "round 2" not in found
    assert "feedback, round 4: Fine-tuning stopped at step 3" in found


def test_what_feedback_gains_in_shifted_accuracy_and_of_the_gap_is_told() -> None:
    values = {"by_seed": (0.7, 0.7), "p_seeds": 0.001, "p_images": 0.001, "reliable": True}
    one = Contrast(arm="before", measure=SHIFTED.key, difference=0.7, low=0.6, high=0.8, p=0.002, **values)  # type: ignore[arg-type]
    found = printed(replace(CELL, contrasts=(one, replace(one, measure="ece")), gap_closed=OverSeeds.of([0.5, 1.0])))
    assert len(re.findall(r"before +\+0\.700 +\+0\.600 to \+0\.800 +0\.002 +a difference \(p < 0\.01\)", found)) == 1
    assert "Share of the gap to the ceiling closed: 0.75, by seed 0.50, 1.00." in found
