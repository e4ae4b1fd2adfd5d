"""The scripts of experiments/: what they would run is what the program takes."""

import importlib.util
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainfb.cli import Command, Sweep
from explainfb.finished import FinishedStudy
from explainfb.grid import GridSettings, sweep_command
from explainfb.settings import Control, StudySettings

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
GRIDS = {
    "shortcut/shortcut.py": "Shortcut",
    "ablations/ablate.py": "Ablations",
    "label_efficiency/answers.py": "LabelEfficiency",
}


def script(path: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    name = f"experiment_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("setting", ["quick", "full"])
@pytest.mark.parametrize("path", GRIDS)
def test_the_command_of_every_cell_means_the_cell(path: str, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cells: dict[str, StudySettings] = getattr(script(path, monkeypatch), GRIDS[path])(setting=setting).cells
    assert len(cells) > 1
    wanted = GridSettings(folder=Path("studies") / "some folder")
    for name, settings in cells.items():
        words = shlex.split(sweep_command(settings, wanted, name))
        read: Sweep = tyro.cli(Command, args=words[1:])
        assert read.sweep.folder == wanted.folder / name
        assert read.sweep.arms == settings.controls
        assert read.settings == StudySettings(**{**vars(settings), "controls": StudySettings().controls})
    assert len({str(settings) for settings in cells.values()}) == len(cells)


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*/*.py")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_script_finds_what_it_imports(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(path.parent)
    for beside in path.parent.glob("*.py"):
        monkeypatch.delitem(sys.modules, beside.stem, raising=False)
    script(str(path.relative_to(EXPERIMENTS)), monkeypatch)


def test_the_pairs_that_fall_less_can_be_had_with_the_attacks_of_the_quick_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = script("shortcut/shortcut.py", monkeypatch).Shortcut
    other = kind(shortcuts=("position",), networks=("mlp",)).cells
    assert list(other) == ["mnist-position-mlp"]
    assert list(kind().cells) == ["mnist-position-lenet", "mnist-grey-mlp"]
    assert other["mnist-position-mlp"].evaluation == kind().cells["mnist-grey-mlp"].evaluation
    assert other["mnist-position-mlp"] == replace(
        kind(setting="full").cells["mnist-position-mlp"], evaluation=StudySettings().evaluation
    )


def test_curves_are_measured_of_the_arms_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXPERIMENTS / "robustness")
    for beside in ("picture", "tables"):
        monkeypatch.delitem(sys.modules, beside, raising=False)
    module = script("robustness/curves.py", monkeypatch)
    arms = dict.fromkeys(("before", "rrr", "feedback", "ceiling"), Path("nowhere"))
    wanted = {"decoy": [FinishedStudy(Path("nowhere"), StudySettings(), arms)]}
    assert {job.arm for job in module.jobs_of(wanted)} == set(arms)
    assert {job.arm for job in module.jobs_of(wanted, ("rrr",))} == {"rrr", "feedback"}
    with pytest.raises(SystemExit, match=r"No study has an arm rrrr; found before, ceiling, feedback, rrr\."):
        list(module.jobs_of(wanted, ("rrrr",)))


def test_what_only_stronger_attacks_broke_is_counted_image_by_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXPERIMENTS / "robustness")
    monkeypatch.delitem(sys.modules, "tables", raising=False)
    module = script("robustness/second_opinion.py", monkeypatch)
    held = [
        {"study": "1101", "thorough": "1100", "autoattack": "0101"},
        {"study": "1111", "thorough": "1111", "autoattack": "1111"},
    ]
    threats = [
        {"norm": "linf", "epsilon": 0.1, "flags": flags, "held": each}
        for each, flags in zip(held, ((), ("x",)), strict=True)
    ]
    found = module.summary_of(threats)
    assert found["held"]["worst"]["values"] == [0.25, 1.0]  # of the first only the second image holds
    assert found["held"]["study"]["values"] == [0.75, 1.0]
    assert found["fell_only_now"] == [2, 0]
    assert (found["images"], found["flagged"]) == (8, 1)


def test_the_opening_table_is_what_the_results_say(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    module = script("headline.py", monkeypatch)
    assert module.put(page) == page, "python experiments/headline.py makes it anew"
    assert [line.split(" |")[0] for line in module.table().splitlines()[2:4]] == [
        "| **Shifted accuracy**",
        "| MNIST, position, LeNet",
    ]


def test_what_is_shown_of_an_error_is_better_where_it_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("headline.py", monkeypatch)
    contrasts = [
        {"arm": "before", "measure": "calibration error", "difference": -0.5, "is_one": True},
        {"arm": "rrr", "measure": "calibration error", "difference": 0.1, "is_one": True},
        {"arm": "no_shortcut", "measure": "calibration error", "difference": -0.1, "is_one": False},
        {"arm": "before", "measure": "shifted accuracy", "difference": -0.5, "is_one": True},
    ]
    accuracy, _, error = module.MEASURES
    assert module.shown([{"contrasts": contrasts}], "rrr", error) == "better than before; worse than best other"
    assert module.shown([{"contrasts": contrasts}], "rrr", accuracy) == "worse than before"
    assert module.shown([{"contrasts": []}], None, error) == "nothing"
