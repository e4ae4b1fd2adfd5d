"""Summaries are read as they were written, and old files as what they say."""

import json
from pathlib import Path
from typing import Any

import pytest

from explainfb.core.errors import InputError
from explainfb.core.renamed import RENAMED_SETTINGS
from explainfb.core.types import OutOfBagTest
from explainfb.results.measures import measure_of
from explainfb.results.records import Stopped, StopReason
from explainfb.statistics.contrasts import Contrast
from explainfb.sweeps.summary import CellSummary, GridSummary, OverSeeds
from explainfb.sweeps.summary_file import read_summary, write_summary
from summary_example import alike, arm_summary

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
CONTRAST = Contrast(
    arm="rrr",
    measure="ece",
    difference=-0.1,
    low=-0.2,
    high=0.0,
    by_seed=(-0.1, -0.1),
    p_seeds=0.02,
    p_images=None,
    p=0.04,
    reliable=False,
    noise=0.01,
)
SUMMARY = GridSummary(
    seeds=(3, 4),
    environment={"torch": "2.1; 2.2"},
    cells={
        "plain": CellSummary(
            task="digits-decoy",
            command="explainfb sweep --rounds 2",
            settings={"rounds": 2, "lime.fill": "zero", "crowd": [0.1, 0.2]},
            seeds=(3, 4),
            arms={
                "before": arm_summary("before", alike([0.1, 0.2]), doubtful=(4,)),
                "feedback": arm_summary("feedback", alike([0.8, 0.9])),
            },
            contrasts=(CONTRAST,),
            stopped=(
                Stopped("feedback", 1, StopReason.NOT_FOLLOWED, test=OutOfBagTest(3, 6, 0.9), members=2),
                Stopped("rrr", 2, StopReason.NOT_FINITE, step=7),
            ),
            gap_closed=OverSeeds.of([0.9]),
        ),
        "half done": CellSummary("digits-decoy", "", {}, (3,), {"before": arm_summary("before", alike([0.1]))}),
    },
)
OLD_CELL: dict[str, Any] = {
    "task": "digits-decoy",
    "seeds": [3],
    "arms": {
        "before": {"linf 0.1": {"mean": 0.1, "low": None, "high": None, "values": [0.1]}},
        "after": {"ece": {"mean": 0.2, "low": None, "high": None, "values": [0.2]}},
        "ceiling": {"shifted_accuracy": {"mean": 0.3, "low": None, "high": None, "values": [0.3]}},
    },
    "unreliable": {"before": {"linf 0.1": [3]}},
    "budget": {"after": {"forward": 5, "backward": 7}},
    "stopped": [
        "feedback, round 2: The reward was not followed: the best of its 3 members foretells 6 of 7 answers that it "
        "was not fitted to, as a coin's might be."
    ],
    "gap_closed": {"mean": 0.5, "low": None, "high": None, "values": [0.5]},
}
OLD_CONTRAST = {
    "arm": "no_shortcut",
    "measure": "robust accuracy, linf 0.1",
    "difference": 0.1,
    "low": None,
    "high": None,
    "by_seed": [0.1],
    "p_seeds": None,
    "p_images": 0.5,
    "p": None,
    "is_one": False,
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_summary(SUMMARY, tmp_path / "new" / "grid.json")
    assert read_summary(tmp_path / "new" / "grid.json") == SUMMARY


def test_a_mean_and_a_difference_have_the_encoding_of_every_interval(tmp_path: Path) -> None:
    write_summary(SUMMARY, tmp_path / "grid.json")
    found = json.loads((tmp_path / "grid.json").read_text())
    cell = found["cells"]["plain"]
    assert found["format"] == 2
    assert found["arm_descriptions"]["feedback"]["label"] == "feedback"
    assert set(cell["arms"]["before"]["robust_accuracy linf 0.1"]) == {"estimate", "low", "high", "values"}
    assert cell["contrasts"][0]["difference"]["estimate"] == -0.1
    assert cell["contrasts"][0]["is_one"] is False


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    cells = {"a": CellSummary("t", "", {}, (3,), {"before": arm_summary("before", alike([float("nan")]))})}
    with pytest.raises(ValueError, match="JSON"):
        write_summary(GridSummary((3,), {}, cells), tmp_path / "grid.json")
    assert not (tmp_path / "grid.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"cells": {}}), json.dumps({"format": 2})])
def test_what_is_no_summary_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(InputError, match=r"results\.json cannot be read"):
        read_summary(path)
    path.write_text(text)
    with pytest.raises(InputError, match=r"results\.json cannot be read.*; give the sweep\.json, grid\.json"):
        read_summary(path)


def test_a_file_of_a_later_version_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text('{"format": 3}')
    with pytest.raises(InputError, match=r"format 3 .*take a newer version"):
        read_summary(tmp_path / "grid.json")


def written(found: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(found))
    return path


def test_an_old_sweep_is_a_grid_with_one_cell(tmp_path: Path) -> None:
    settings = {"rounds": 2, "lime": {"masks": 64}, "evaluation": {"lime": {"segments": 49}}, "weights": None}
    old = OLD_CELL | {"settings": settings, "environment": {"torch": "2"}, "contrasts": [OLD_CONTRAST]}
    found = read_summary(written(old, tmp_path))
    assert (found.seeds, found.environment, list(found.cells)) == ((3,), {"torch": "2"}, ["digits-decoy"])
    cell = found.only
    assert list(cell.arms) == ["before", "feedback", "no_shortcut"]
    assert cell.arms["no_shortcut"].arm.role == "ceiling"
    assert cell.before.measured == {"robust_accuracy linf 0.1": OverSeeds.of([0.1])}
    assert cell.before.unreliable == {"robust_accuracy linf 0.1": (3,)}
    assert cell.feedback.compute is not None
    assert cell.feedback.compute.backward == 7
    assert cell.settings == {"rounds": 2, "lime.n_samples": 64, "evaluation.lime.n_segments": 49, "weights": None}
    assert [(each.arm, each.measure, each.reliable) for each in cell.contrasts] == [
        ("no_shortcut", "robust_accuracy linf 0.1", True)
    ]
    (stopped,) = cell.stopped
    assert (stopped.arm, stopped.round, stopped.reason, stopped.members) == ("feedback", 2, "not_followed", 3)
    assert stopped.test is not None
    assert (stopped.test.right, stopped.test.asked) == (6, 7)


def test_an_old_grid_has_its_contrasts_in_their_cells_and_its_commands_of_today(tmp_path: Path) -> None:
    cells = {name: OLD_CELL | {"command": f"explainfb sweep --folder {name} --lime.masks 64"} for name in "ab"}
    contrasts = [OLD_CONTRAST | {"cell": "b"}, OLD_CONTRAST | {"cell": "a", "arm": "b", "noise": 0.2}]
    old = {"seeds": [3, 4], "environment": None, "cells": cells, "contrasts": contrasts}
    found = read_summary(written(old, tmp_path))
    assert (found.seeds, found.environment) == ((3, 4), {})
    assert {name: [(each.arm, each.noise) for each in cell.contrasts] for name, cell in found.cells.items()} == {
        "a": [("b", 0.2)],
        "b": [("no_shortcut", 0.0)],
    }
    assert found.cells["b"].command == "explainfb sweep --folder b --lime.n-samples 64"


def committed() -> list[Path]:
    """Summaries of grids and sweeps among the experiments, of either format."""
    paths = sorted(EXPERIMENTS.rglob("*.json"))
    return [path for path in paths if is_summary(json.loads(path.read_text(encoding="utf-8")))]


def is_summary(found: object) -> bool:
    return isinstance(found, dict) and ("cells" in found or {"arms", "unreliable"} <= found.keys())


@pytest.mark.parametrize("path", committed(), ids=lambda path: str(path.relative_to(EXPERIMENTS)))
def test_a_committed_summary_is_read_to_the_last_digit(path: Path, tmp_path: Path) -> None:
    """Every number of the file is in the records, every difference is one by today's rule that was one then, no name
    is an old one, and what is written again says the same."""
    found = read_summary(path)
    old = json.loads(path.read_text(encoding="utf-8"))
    cells = list(old.get("cells", {"": old}).values())
    assert [
        value.values for cell in found.cells.values() for arm in cell.arms.values() for value in arm.measured.values()
    ] == [tuple(value["values"]) for cell in cells for arm in cell["arms"].values() for value in arm.values()]
    contrasts = [each for cell in found.cells.values() for each in cell.contrasts]
    tests = [each for part in (old, *cells) for each in part.get("contrasts", ())]
    assert len(contrasts) == len(tests) // (1 if "cells" in old else 2)
    assert sum(each.is_significant for each in contrasts) == sum(each["is_one"] for each in tests[: len(contrasts)])
    for cell in found.cells.values():
        assert all(measure_of(each.measure).key == each.measure for each in cell.contrasts)
        assert all(arm.measures for arm in cell.arms.values())
        assert all(stopped.test is not None for stopped in cell.stopped)
        assert not cell.settings.keys() & RENAMED_SETTINGS.keys()
    write_summary(found, tmp_path / "again.json")
    assert read_summary(tmp_path / "again.json") == found


def test_there_are_committed_summaries() -> None:
    assert committed()
