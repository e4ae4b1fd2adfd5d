"""The scripts of experiments/: they run what they say, and their pages say what their results say."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro
from matplotlib.lines import Line2D

from experiments import compare, make_pages, overview
from experiments.ablations.run import Ablations
from experiments.adversarial_training.run import AdversarialTraining
from experiments.counterexamples_vs_gradient.run import CounterexamplesVsGradient
from experiments.feedback_vs_pixel_masks.run import FeedbackVsPixelMasks
from experiments.label_efficiency import page as label_efficiency
from experiments.label_efficiency.run import LabelEfficiency
from experiments.moving_shortcut.run import CELLS as CELLS_THAT_MOVE
from experiments.page import with_tables
from experiments.published_results import page as published
from experiments.published_results.recipes import ROSS_IN_PASSES, ROSS_WITH_DECAY, Recipe
from experiments.published_results.run import trained_in_passes
from experiments.robustness_curves import page as curves_page
from experiments.robustness_curves.curves import Curves, Key
from experiments.shortcut_repair.run import ShortcutRepair
from experiments.stronger_attacks.attacked import HeldUnder
from experiments.without_shortcut.run import WithoutShortcut
from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.networks import Architecture
from explainfb.cli.commands import Command, Sweep
from explainfb.core.errors import InputError
from explainfb.core.types import ThreatModel
from explainfb.results.json_file import read_results
from explainfb.statistics.contrasts import LEVEL, Contrast
from explainfb.study.settings import StudySettings
from explainfb.sweeps.summary_file import read_summary
from explainfb.tasks.task import Split

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
FOLDERS = sorted(path.parent.name for path in EXPERIMENTS.glob("*/run.py"))
TASKS = ("mnist", "digits", "fashion-mnist")


def prefixed(prefix: str, cells: Mapping[str, StudySettings]) -> dict[str, StudySettings]:
    return {prefix + name: cell for name, cell in cells.items()}


GRIDS: dict[str, dict[str, StudySettings]] = {
    "shortcut_repair": ShortcutRepair(tasks=TASKS, networks=("lenet", "mlp")).cells
    | ShortcutRepair(variants=True).cells,
    "feedback_vs_pixel_masks": FeedbackVsPixelMasks().cells | FeedbackVsPixelMasks(task="mnist").cells,
    "without_shortcut": WithoutShortcut().cells | WithoutShortcut(more=True).cells,
    "adversarial_training": AdversarialTraining().cells,
    "ablations": Ablations().cells
    | Ablations(only=("gradient-and-exchange",)).cells
    | prefixed("250-answers-", Ablations(answers=250).cells)
    | prefixed("explanations-", Ablations(only=("papers-sampling", "papers-fill", "absolute-scale")).cells),
    "label_efficiency": LabelEfficiency(setting="wide").cells,
    "moving_shortcut": CELLS_THAT_MOVE,
    "counterexamples_vs_gradient": CounterexamplesVsGradient().cells | CounterexamplesVsGradient(task="mnist").cells,
}
"""What the commands of the READMEs run."""


@pytest.mark.parametrize("folder", GRIDS)
def test_what_a_script_runs_is_what_its_results_were_run_with(folder: str) -> None:
    for name, cell in read_summary(EXPERIMENTS / folder / "results.json").cells.items():
        read: Sweep = tyro.cli(Command, args=shlex.split(cell.command)[1:])
        ran = replace(read.settings.plain, controls=tuple(sorted(read.sweep.controls)))
        wanted = GRIDS[folder][name]
        assert ran == replace(wanted, controls=tuple(sorted(wanted.controls)))
        assert [*cell.seeds] == [*read.sweep.all_seeds]


def settings_of(folder: str, script: str = "run") -> type:
    """What a script of a folder reads from its command line."""
    known = vars(import_module(f"experiments.{folder}.{script}"))
    found: type = known["Settings"] if "Settings" in known else known[folder.title().replace("_", "")]
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_script_tells_its_options(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tyro.cli(settings_of(folder), args=["--help"])
    assert ended.value.code == 0
    assert "--" in capsys.readouterr().out


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_commands_of_a_readme_can_be_typed(folder: str) -> None:
    text = (EXPERIMENTS / folder / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("    ")]
    assert lines
    for program, *words in lines:
        if program == "explainfb":
            tyro.cli(Command, args=words)
        elif program == "python":
            assert words[0] == "-m"
            _, name, script = words[1].split(".")
            tyro.cli(settings_of(name, script), args=words[2:])


def test_results_of_a_study_through_the_app_can_still_be_read() -> None:
    study = read_results(EXPERIMENTS / "labelling_app" / "results.json")
    assert study.preferences.annotators == ("person 1", "person 2", "person 3")


def test_experiments_stay_small() -> None:
    """What a clone of the repository has to carry."""
    kept = [path for path in EXPERIMENTS.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in kept) <= 3_300_000  # ten tables more than in 2.9 MB
    for folder in FOLDERS:
        others = [path for path in kept if path.is_relative_to(EXPERIMENTS / folder) and path.suffix != ".py"]
        assert {path.name for path in others} == {"README.md", "results.json", "figure.png"}
        assert "](figure.png)" in (EXPERIMENTS / folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", list(make_pages.folders()))
def test_a_page_says_what_its_results_say(folder: str) -> None:
    page, readme = make_pages.page_of(folder), (EXPERIMENTS / folder / "README.md").read_text(encoding="utf-8")
    assert with_tables(readme, page.tables) == readme, f"python -m experiments.make_pages {folder} makes it anew"
    assert (page.figure is not None) == (EXPERIMENTS / folder / "figure.png").is_file()


def test_the_overview_says_what_the_results_say() -> None:
    text = (EXPERIMENTS / "overview.md").read_text(encoding="utf-8")
    assert with_tables(text, overview.page().tables) == text, "python -m experiments.make_pages makes it anew"


def test_a_table_without_a_mark_is_an_error() -> None:
    marked = "a\n<!-- table: one -->\nold\n<!-- end -->\nb"
    assert with_tables(marked, {"one": "new\n"}) == "a\n<!-- table: one -->\n\nnew\n\n<!-- end -->\nb"
    with pytest.raises(InputError, match="marks for one; the tables are two"):
        with_tables(marked, {"two": ""})


def a_contrast(p: float, *, difference: float = 0.1) -> Contrast:
    return Contrast(
        arm="before",
        measure="shifted_accuracy",
        difference=difference,
        low=None,
        high=None,
        by_seed=(),
        p_seeds=p,
        p_images=p / 2,
        p=2 * p,
    )


def test_one_correction_of_all_tests_leaves_fewer_differences() -> None:
    tests = [a_contrast(0.004), a_contrast(0.0001), a_contrast(0.004), a_contrast(0.5)]
    assert [test.is_significant for test in tests] == [True, True, True, False]
    assert LEVEL < 3 * 0.004
    assert overview.remaining(tests) == [False, True, False, False]


def test_the_overview_draws_every_arm_of_its_table() -> None:
    for axis, measure in zip(overview.figure().axes, overview.MEASURES, strict=True):
        drawn = [
            (line.get_label(), float(line.get_xdata()[0]), line.get_markerfacecolor() == "white")
            for line in axis.get_lines()
        ]
        told = [
            (name, value.over_seeds.mean, value.doubtful)
            for start in overview.STARTS
            for name, value in overview.values_of(start, measure).items()
        ]
        assert drawn == told


def test_a_rerun_agrees_with_itself_and_not_with_what_was_moved() -> None:
    kept = read_summary(EXPERIMENTS / "adversarial_training" / "results.json")
    agree = list(compare.told(kept, kept))
    assert agree[1] == "100 of 100 tests decide alike."
    name, cell = next(iter(kept.cells.items()))
    feedback = cell.arms["feedback"]
    value = replace(feedback.measured["ece"], mean=0.5, low=0.4, high=0.6)
    arms = {**cell.arms, "feedback": replace(feedback, measured={**feedback.measured, "ece": value})}
    contrasts = (replace(cell.contrasts[0], p=1.0), *cell.contrasts[1:])
    moved = replace(kept, cells={**kept.cells, name: replace(cell, arms=arms, contrasts=contrasts)})
    told = list(compare.told(kept, moved))
    assert told[1].startswith(f"- {name}, feedback, ece: 0.5000, and 0.00")
    assert told[2] == "99 of 100 tests decide alike."
    with pytest.raises(InputError, match="two results"):
        list(compare.told(kept, replace(kept, cells={})))


def test_cells_of_an_ablation_can_be_named() -> None:
    named = Ablations(only=("lambda-0.3", "64-masks")).cells
    assert list(named) == ["as-it-is", "64-masks", "lambda-0.3"]
    assert named["64-masks"] == Ablations().cells["64-masks"]
    with pytest.raises(InputError, match=r"Unknown cells: lambda-4; expected some of as-it-is, .*lambda-1\.5"):
        Ablations(only=("lambda-4",))


def test_what_only_stronger_attacks_broke_is_counted_image_by_image() -> None:
    letters = {"study": "1101", "thorough": "1100", "autoattack": "0101"}
    held = {name: np.array(list(each)) == "1" for name, each in letters.items()}
    assert HeldUnder(ThreatModel("linf", 0.1), held, ()).fell_only_now == 2  # the first and the last image


def some_curves(flags: Mapping[float, tuple[str, ...]]) -> Curves:
    key = Key("shortcut", "mnist-decoy", "rrr", "shifted", "linf")
    return Curves(key, (0.0, 0.1, 0.2), {11: np.array([0, 1, 2, 3])}, {11: flags})


def test_a_curve_is_what_each_image_held_at() -> None:
    curves = some_curves({})
    assert [curves.accuracy_at(epsilon).mean for epsilon in curves.epsilons] == [0.75, 0.5, 0.25]
    assert curves.mean_distance.mean == pytest.approx((0 + 0.05 + 0.15 + 0.2) / 4)


def test_open_markers_of_a_curve_are_those_that_are_flagged() -> None:
    axes = overview.Figure().subplots()
    curves_page.draw(axes, some_curves({0.1: ("why",)}))
    opened = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in opened] == [[0.1]]


def test_every_way_of_answering_is_drawn_apart_and_hollow_where_a_check_failed() -> None:
    summary = read_summary(EXPERIMENTS / "label_efficiency" / "results.json")
    kinds = {marker for _, marker in label_efficiency.STYLES.values()}
    shifted, attacked = (
        [line for line in axis.get_lines() if line.get_marker() in kinds and len(line.get_xdata()) == 1]
        for axis in label_efficiency.figure(summary).axes
    )
    assert len({place_of(line) for line in shifted}) == len(shifted) == len(summary.cells)
    main = label_efficiency.STYLES[label_efficiency.MAIN][1]
    assert [place_of(line) for line in shifted if line.get_marker() == main] == [*label_efficiency.SCHEDULE]
    hollow = [place_of(line) for line in attacked if line.get_markerfacecolor() == "white"]
    assert hollow == [1000.0, 4000.0]


def place_of(line: Line2D) -> float:
    return float(np.asarray(line.get_xdata())[0])


class Told(Classifier):
    """One weight a class on images of one pixel; notes the pixels that it sees."""

    def __init__(self) -> None:
        super().__init__(ARCHITECTURE, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 2)))
        self.seen: list[list[float]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append((4 * images).flatten().tolist())
        return super().forward(images)


ARCHITECTURE = Architecture("mlp", 2, 1, 1, 1, (0.0,), (1.0,))
PIXELS = Split(torch.arange(5.0).reshape(5, 1, 1, 1) / 4, torch.tensor([0, 1, 0, 1, 0]))


def in_passes(recipe: Recipe) -> Told:
    torch.manual_seed(0)
    trained = trained_in_passes(Told(), replace(recipe, batch_size=2), PIXELS, 60, 0)
    assert isinstance(trained, Told)
    return trained


def test_a_pass_has_every_image_once_and_weights_decay() -> None:
    plain, decayed = in_passes(ROSS_IN_PASSES), in_passes(replace(ROSS_WITH_DECAY, weight_decay=100.0))
    assert plain.seen[:4] == [[0, 1], [2, 3], [4], [0, 1]]
    lengths = [sum(float(part.detach().square().sum()) for part in each.parameters()) for each in (plain, decayed)]
    assert lengths[1] < lengths[0]
    shuffled = in_passes(replace(ROSS_IN_PASSES, shuffled=True)).seen
    passes = [[pixel for batch in shuffled[begin : begin + 3] for pixel in batch] for begin in range(0, 60, 3)]
    assert all(sorted(each) == [0, 1, 2, 3, 4] for each in passes)
    assert len({tuple(each) for each in passes}) > 10


def test_one_more_seed_lies_where_students_t_says() -> None:
    """Of values drawn from one normal distribution the sixth is inside in 95 of 100."""
    draws = torch.randn(2000, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tolist()
    inside = 0
    for *values, one_more in draws:
        low, high = map(float, published.of_one_more([100 * value for value in values]).split(" to "))
        inside += low <= 100 * one_more <= high
    assert 0.94 < inside / len(draws) < 0.96


def test_beside_the_runs_on_record_stands_the_difference_of_means_by_welchs_test() -> None:
    """Means 3 and 4, variances 2.5 / 5 and 4 / 3, so t −.739 with 3.53 degrees of freedom; pooled −.791 with 6."""
    assert published.less([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0]) == "-1.0 (-5.0 to 3.0), p 0.51"
    assert published.less([1.0, 2.0], []) == published.less([1.0], [2.0, 4.0]) == "–"


def test_every_probe_that_was_tried_is_in_a_table() -> None:
    probes = json.loads((EXPERIMENTS / "counterexamples_vs_gradient" / "results.json").read_text("utf-8"))["probes"]
    text = (EXPERIMENTS / "counterexamples_vs_gradient" / "README.md").read_text(encoding="utf-8")
    untold = {each["name"] for each in probes if not each["full"] and f"| {each['name']} |" not in text}
    assert {name for name in untold if not name.startswith("100-answers")} == set()
