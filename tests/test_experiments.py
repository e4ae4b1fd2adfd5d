"""The scripts of experiments/: what they would run is what the program takes."""

import importlib.util
import json
import shlex
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import torch
import tyro
from explainfb.sweeps.grid_runner import GridSettings, sweep_command
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainfb.cli.commands import Command, Sweep
from explainfb.study.finished import FinishedStudy
from explainfb.study.settings import KnownControl, StudySettings
from explainfb.tasks.task import Split

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
GRIDS = {
    "shortcut/shortcut.py": "Shortcut",
    "ablations/ablate.py": "Ablations",
    "label_efficiency/answers.py": "LabelEfficiency",
    "beyond/beyond.py": "Beyond",
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
        assert read.sweep.controls == settings.controls
        assert read.settings.plain == StudySettings(**{**vars(settings), "controls": StudySettings().controls})
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


def test_one_correction_of_all_files_leaves_no_more_than_one_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    module = script("headline.py", monkeypatch)
    assert module.remaining() in " ".join(page.split())
    module.everything.cache_clear()
    monkeypatch.setattr(module, "HERE", tmp_path)
    for name, p in (("a", 0.004), ("b", 0.0001), ("c", 0.004), ("work/d", 0.5), ("anew/a", 0.5)):
        tests = [{"p_seeds": p, "p_images": p / 2, "is_one": True}, {"p_seeds": p, "p_images": None, "is_one": False}]
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.json").write_text(json.dumps({"contrasts": tests}))
    (tmp_path / "e.json").write_text("[]")
    remains = {path: [test["remains"] for test in file["contrasts"]] for path, file in module.everything().items()}
    alone, of_all = 2 * 0.004, 4 * 0.004
    assert alone < module.LEVEL < of_all
    assert remains == {"a.json": [False, False], "b.json": [True, False], "c.json": [False, False]}
    assert module.remaining() == "1 of 3 differences remain of 6 tests"


def test_a_rerun_agrees_with_itself_and_not_with_what_was_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("agreement.py", monkeypatch)
    kept = json.loads((EXPERIMENTS / "shortcut/results.json").read_text(encoding="utf-8"))
    assert list(module.told(kept, kept)) == [
        "242 of 242 means lie within the first's 95 % intervals; 242 intervals overlap.",
        "60 of 60 tests decide alike.",
    ]
    moved = deepcopy(kept)
    moved["cells"]["mnist-grey-mlp"]["arms"]["after"]["ece"] = {"mean": 0.5, "low": 0.4, "high": 0.6}
    moved["contrasts"][0]["is_one"] = not moved["contrasts"][0]["is_one"]
    told = list(module.told(kept, moved))
    assert told[0] == "241 of 242 means lie within the first's 95 % intervals; 241 intervals overlap."
    assert told[1].startswith("- mnist-grey-mlp, after, ece: 0.5000, and 0.00")
    assert told[2] == "59 of 60 tests decide alike."
    with pytest.raises(SystemExit, match="expected two results"):
        list(module.told(kept, {"cells": {}, "contrasts": []}))
    with pytest.raises(SystemExit, match="expected two results"):
        list(module.told({"arms": {}}, kept))
    anew = json.loads((EXPERIMENTS / "shortcut/anew/results.json").read_text(encoding="utf-8"))
    page = " ".join((EXPERIMENTS / "shortcut/README.md").read_text(encoding="utf-8").split())
    assert all(line in page for line in module.told(kept, anew) if not line.startswith("-"))


def test_the_table_of_distances_is_what_the_curves_say(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    module = script("distances.py", monkeypatch)
    assert module.put(page) == page, "python experiments/distances.py makes it anew"
    first, hardened = module.STARTS[:2]
    assert "**.108 ± .007**" in module.cells(first)
    assert "better than before, random, feedback without" in module.cells(hardened)


def test_the_opening_figure_has_every_line_of_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("headline.py", monkeypatch)
    figure = module.figure()
    for axis, measure in zip(figure.axes, module.MEASURES, strict=True):
        drawn = [
            (line.get_label(), float(line.get_xdata()[0]), line.get_markerfacecolor() == "white")
            for line in axis.get_lines()
        ]
        values = [module.values_of(found, measure) for _, found in module.measured(measure)]
        told = [(name, each.mean, each.doubtful) for value in values for name, each in value.items()]
        assert drawn == told
        assert [name for name, *_ in told].count("feedback") == len(values) > 10
    assert any(line.get_markerfacecolor() == "white" for line in figure.axes[1].get_lines())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*module.COLUMNS, module.HOLLOW]


def test_what_is_shown_of_an_error_is_better_where_it_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("headline.py", monkeypatch)
    contrasts = [
        {"arm": "before", "measure": "calibration error", "difference": -0.5, "is_one": True, "remains": True},
        {"arm": "rrr", "measure": "calibration error", "difference": 0.1, "is_one": True, "remains": False},
        {"arm": "no_shortcut", "measure": "calibration error", "difference": -0.1, "is_one": False},
        {"arm": "before", "measure": "shifted accuracy", "difference": -0.5, "is_one": True, "remains": False},
    ]
    accuracy, _, error = module.MEASURES
    assert module.shown([{"contrasts": contrasts}], "rrr", error) == "better than before†; worse than best other"
    assert module.shown([{"contrasts": contrasts}], "rrr", accuracy) == "worse than before"
    assert module.shown([{"contrasts": []}], None, error) == "nothing"


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("shortcut/shortcut.py", "shortcut/digits-grey"),
        ("ablations/ablate.py", "ablations"),
        ("ablations/ablate.py", "ablations/250-answers"),
        ("ablations/ablate.py", "ablations/explanations"),
        ("label_efficiency/answers.py", "label_efficiency"),
    ],
)
def test_a_page_is_made_anew_of_its_numbers(
    path: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, kept = script(path, monkeypatch), EXPERIMENTS / folder
    monkeypatch.setattr(module, "run_grid", lambda *_: pytest.fail("a study was run"))
    module.main(getattr(module, GRIDS[path])(page_of=kept / "results.json", output=tmp_path))
    for name in ("results.json", "tables.md"):
        assert (tmp_path / name).read_bytes() == (kept / name).read_bytes()
    assert "<svg" in (tmp_path / "figure.svg").read_text()


def test_cells_of_an_ablation_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("ablations/ablate.py", monkeypatch)
    named = module.Ablations(only=("lambda-0.3", "64-masks")).cells
    assert list(named) == ["as-it-is", "64-masks", "lambda-0.3"]
    assert named["64-masks"] == module.Ablations().cells["64-masks"]
    with pytest.raises(SystemExit, match=r"Unknown cells: lambda-4; expected some of as-it-is, .*lambda-1\.5"):
        module.Ablations(only=("lambda-4",))


def test_a_pass_has_every_image_once_and_weights_decay(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("shortcut/published.py", monkeypatch)
    split = Split(torch.arange(5.0).reshape(5, 1, 1, 1) / 4, torch.tensor([0, 1, 0, 1, 0]))
    seen: list[list[float]] = []

    class Told(torch.nn.Linear):
        device = torch.device("cpu")

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append((4 * images).flatten().tolist())
            return super().forward(images.flatten(1))

    recipe = replace(module.ROSS_IN_PASSES, batch=2)
    start = Told(1, 2)
    lengths = []
    for decay in (0.0, 100.0):
        trained = module.trained_in_passes(deepcopy(start), replace(recipe, decay=decay), split, 60, 0)
        lengths.append(sum(part.detach().square().sum().item() for part in trained.parameters()))
    assert seen[:4] == [[0, 1], [2, 3], [4], [0, 1]]
    assert lengths[1] < lengths[0]
    seen.clear()
    module.trained_in_passes(deepcopy(start), replace(recipe, shuffled=True), split, 60, 0)
    passes = [[pixel for batch in seen[begin : begin + 3] for pixel in batch] for begin in range(0, 60, 3)]
    assert all(sorted(each) == [0, 1, 2, 3, 4] for each in passes)
    assert len({tuple(each) for each in passes}) > 10
    kept = torch.optim.Adam.step
    precise: list[torch.dtype] = []
    monkeypatch.setattr(
        torch.optim.Adam,
        "step",
        lambda self: precise.extend(part.grad.dtype for part in self.param_groups[0]["params"]) or kept(self),
    )
    doubled = replace(recipe, precision=torch.float64)
    assert module.trained_in_passes(deepcopy(start), doubled, split, 1, 0).weight.dtype == torch.float32
    assert precise == [torch.float64] * 2


def test_one_more_seed_lies_where_students_t_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of values drawn from one normal distribution the sixth is inside in 95 of 100."""
    module = script("shortcut/published.py", monkeypatch)
    draws = torch.randn(2000, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tolist()
    inside = 0
    for *values, one_more in draws:
        low, high = map(float, module.of_one_more([100 * value for value in values]).split(" to "))
        inside += low <= 100 * one_more <= high
    assert 0.94 < inside / len(draws) < 0.96


def test_beside_the_runs_on_record_stands_the_difference_of_means_by_welchs_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Means 3 and 4, variances 2.5 / 5 and 4 / 3, so t −.739 with 3.53 degrees of freedom; pooled −.791 with 6."""
    module = script("shortcut/published.py", monkeypatch)
    assert module.less([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0]) == "-1.0 (-5.0 to 3.0), p 0.51"
    assert module.less([1.0, 2.0], []) == module.less([1.0], [2.0, 4.0]) == "–"


def test_every_arm_has_a_stroke_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    strokes = script("robustness/picture.py", monkeypatch).STROKES
    other = script("robustness/picture.py", monkeypatch).OTHER
    assert set(strokes) == {"before", "feedback", "ceiling", *get_args(KnownControl)} - {"no_shortcut"}
    for part in (0, 1):
        assert len({stroke[part] for stroke in [*strokes.values(), other]}) == len(strokes) + 1


def test_open_markers_of_a_curve_are_those_that_are_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    accuracy = [{"mean": mean, "half": 0.1} for mean in (0.9, 0.5, 0.1)]
    row = {"arm": "rrr", "epsilons": [0, 0.1, 0.2], "accuracy": accuracy, "flagged": [{}, {11: ["why"]}, {}]}
    axes = Figure().subplots()
    script("robustness/picture.py", monkeypatch).curve(axes, row)
    full, hollow, ring = axes.get_lines()
    assert list(full.get_xdata()) == [0, 0.1, 0.2]
    assert (list(hollow.get_xdata()), hollow.get_markerfacecolor()) == ([0.1], "white")
    assert (list(ring.get_xdata()), ring.get_markerfacecolor()) == ([0.1], "none")


def markers(axis: Axes, module: ModuleType) -> dict[tuple[str, float], Any]:
    """The means that are drawn, by marker and place."""
    kinds = {marker for _, marker in module.STYLES.values()}
    lines = [line for line in axis.get_lines() if line.get_marker() in kinds and len(line.get_xdata()) == 1]
    return {(line.get_marker(), float(line.get_xdata()[0])): line for line in lines}


def test_answers_are_drawn_at_their_number_side_by_side_and_hollow_where_a_check_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = script("label_efficiency/answers.py", monkeypatch)
    summary = json.loads((EXPERIMENTS / "label_efficiency" / "results.json").read_text(encoding="utf-8"))
    shifted, attacked = (markers(axis, module) for axis in module.curves(summary).axes)
    main = module.STYLES[module.MAIN][1]
    assert [place for marker, place in shifted if marker == main] == list(module.SCHEDULE)
    assert len(shifted) == len(attacked) == len(summary["cells"])
    assert len({place for _, place in shifted}) == len(shifted)
    assert all(line.get_markerfacecolor() != "white" for line in shifted.values())
    hollow = {key for key, line in attacked.items() if line.get_markerfacecolor() == "white"}
    assert hollow == {(main, 1000.0), (main, 4000.0)}


def test_every_way_of_answering_has_a_style_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("label_efficiency/answers.py", monkeypatch)
    ways = module.lines_of(module.LabelEfficiency(setting="full").cells)
    assert set(ways) == set(module.STYLES)
    for styles in zip(*module.STYLES.values(), strict=True):
        assert len(set(styles)) == len(module.STYLES)
    places = module.places_of(ways)
    assert len(set(places.values())) == len(places)


def test_the_size_of_a_reliability_marker_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("calibration/calibrate.py", monkeypatch)
    rows = json.loads((EXPERIMENTS / "calibration/digits-decoy/results.json").read_text(encoding="utf-8"))["arms"]
    module.draw(rows, tmp_path / "figure.svg")
    drawn = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert "100 % of the images in the bin" in drawn
    assert "+ temperature told" in drawn
    sizes = {line.get_label(): line.get_markersize() ** 2 for line in module.key()}
    assert sizes["10 %"] == pytest.approx(module.area(0.1))


def test_studies_of_the_same_name_and_another_task_are_summed_up_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXPERIMENTS / "robustness")
    monkeypatch.delitem(sys.modules, "tables", raising=False)
    module = script("robustness/second_opinion.py", monkeypatch)
    threats = [{"norm": "linf", "epsilon": 0.1, "flags": (), "held": {"study": "11", "thorough": "10"}}] * 3
    row = {"study": "hardened", "arm": "feedback", "seed": 11, "seconds": 1.0, "threats": threats}
    found = module.summarise([row | {"task": "digits-decoy"}, row | {"task": "mnist-decoy"}])
    assert [(each["task"], each["seeds"]) for each in found] == [("digits-decoy", [11]), ("mnist-decoy", [11])]
