"""Cells over seeds: resumed, seen half-way, tested together, written up."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from explainfb.cli.commands import main
from explainfb.core.errors import InputError
from explainfb.results.format1 import read_results
from explainfb.study.study import Study
from explainfb.sweeps import grid_runner as module
from explainfb.sweeps.figures import arms_figure, differences_figure
from explainfb.sweeps.grid_runner import Grid, GridSettings, run_grid
from explainfb.sweeps.tables import Row, contrast_table, number, read_summary, rows_of, table, write_page
from explainfb.testing.tiny import TINY

QUIET = Console(quiet=True)
SMALL = replace(TINY, rounds=1, controls=("cross_entropy",), evaluation=replace(TINY.evaluation, linf=(0.1,), l2=()))
CELLS = {"plain": SMALL, "one-member": replace(SMALL, reward=replace(SMALL.reward, members=1))}
GRID = Grid(cells=CELLS, reference="plain")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> GridSettings:
    wanted = GridSettings(folder=tmp_path_factory.mktemp("grid"), seeds=2, first_seed=3, jobs=1)
    run_grid(GRID, wanted, QUIET)
    return wanted


def written(wanted: GridSettings) -> dict[str, object]:
    found: dict[str, object] = json.loads((wanted.folder / "grid.json").read_text())
    return found


def test_what_is_done_is_not_done_again(run: GridSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "run_study", lambda *_, **__: pytest.fail("a finished study was run again"))
    assert run_grid(GRID, run, QUIET) == written(run)


def test_an_interrupted_grid_can_be_looked_at_and_goes_on(
    run: GridSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, ran = module.run_study, 0

    def interrupted(*given: object, **named: object) -> object:
        nonlocal ran
        ran += 1
        if ran == 3:
            raise KeyboardInterrupt
        return whole(*given, **named)

    monkeypatch.setattr(module, "run_study", interrupted)
    again = replace(run, folder=tmp_path / "grid")
    with pytest.raises(KeyboardInterrupt):
        run_grid(GRID, again, QUIET)
    half = json.loads((again.folder / "grid.json").read_text())
    assert {name: cell["seeds"] for name, cell in half["cells"].items()} == {"plain": [3, 4]}
    ended, once = run_grid(GRID, again, QUIET), written(run)
    assert ended["contrasts"] == once["contrasts"]
    assert {name: cell["arms"] for name, cell in ended["cells"].items()} == {
        name: cell["arms"]
        for name, cell in once["cells"].items()  # type: ignore[attr-defined]
    }


def test_cells_with_one_start_train_and_explain_it_once(run: GridSettings, tmp_path: Path) -> None:
    """And end as if each had done so by itself, as the studies of the sweep's command do."""
    for file in ("classifiers/round-0.safetensors", "explanations/round-1.safetensors"):
        assert len({(run.folder / cell / "seed-3" / file).read_bytes() for cell in CELLS}) == 1
    trained = [list((run.folder / cell / "seed-3").glob("tensorboard/training/*")) for cell in CELLS]
    assert [len(each) for each in trained] == [1, 0]
    alone = Study.open(tmp_path / "alone", replace(CELLS["one-member"], seed=3)).run()
    kept = read_results(run.folder / "one-member" / "seed-3" / "results.json")
    assert alone | {"seconds": {}} == kept | {"seconds": {}}
    borrowed = alone["seconds"].keys() - kept["seconds"].keys()
    assert borrowed == {"training", "before: evaluation", "feedback: explaining"}


@pytest.mark.parametrize(
    ("changed", "borrowed"),
    [
        ({}, {"classifiers", "evaluations", "explanations"}),
        ({"error_rate": 0.2}, {"classifiers", "evaluations", "explanations"}),
        ({"evaluation": replace(SMALL.evaluation, linf=(0.2,))}, {"classifiers", "explanations"}),
        ({"lime": replace(SMALL.lime, n_samples=20)}, {"classifiers", "evaluations"}),
        ({"comparisons_per_round": SMALL.comparisons_per_round + 1}, {"classifiers", "evaluations"}),
        ({"training": replace(SMALL.training, steps=7)}, set()),
        ({"seed": 5}, set()),
    ],
)
def test_only_what_the_settings_decide_alike_is_borrowed(
    changed: dict[str, object], borrowed: set[str], run: GridSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "grid"
    (folder / "plain").mkdir(parents=True)
    (folder / "plain" / "seed-3").symlink_to(run.folder / "plain" / "seed-3")
    monkeypatch.setattr(module, "run_study", lambda *_, **__: None)
    study = replace(SMALL, **({"seed": 3} | changed))  # type: ignore[arg-type]
    module._run(replace(run, folder=folder), "other", study)
    made = {"classifiers", "evaluations", "explanations"}
    assert {path.name for path in folder.glob(f"other/seed-{study.seed}/*")} & made == borrowed


def test_what_a_finished_study_no_longer_has_is_not_borrowed(
    run: GridSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "grid"
    shutil.copytree(run.folder / "plain" / "seed-3", folder / "plain" / "seed-3")
    shutil.rmtree(folder / "plain" / "seed-3" / "evaluations")
    monkeypatch.setattr(module, "run_study", lambda *_, **__: None)
    module._run(replace(run, folder=folder), "other", replace(SMALL, seed=3))
    assert not (folder / "other" / "seed-3" / "evaluations").exists()
    assert {path.name for path in folder.glob("other/seed-3/*")} > {"classifiers", "explanations"}


def test_the_studies_others_borrow_from_come_first() -> None:
    asked = [(name, replace(cell, seed=seed)) for seed in (3, 4) for name, cell in CELLS.items()]
    ordered = module._lenders_first(asked)
    assert [(name, study.seed) for name, study in ordered] == [
        ("plain", 3),
        ("plain", 4),
        ("one-member", 3),
        ("one-member", 4),
    ]
    apart = [(name, replace(study, train_images=index)) for index, (name, study) in enumerate(asked)]
    assert module._lenders_first(apart) == apart


def test_a_study_beside_whose_settings_cannot_be_read_lends_nothing(run: GridSettings) -> None:
    study = replace(SMALL, seed=3)
    assert module._agree(run.folder / "plain" / "seed-3", study, module.START)
    assert not module._agree(run.folder / "plain" / "seed-4", study, module.START)
    kept = run.folder / "old" / "seed-3"
    kept.mkdir(parents=True)
    (kept / "results.json").write_text("{}")
    (kept / "study.toml").write_text("[baselines]\nadversarial_steps = 7\n")
    assert not module._agree(kept, study, module.START)


def test_every_contrast_of_the_grid_is_corrected_together(run: GridSettings) -> None:
    found = run_grid(GRID, run, QUIET)["contrasts"]
    assert {(each["cell"], each["arm"]) for each in found} == {
        ("plain", "before"),
        ("plain", "cross_entropy"),
        ("one-member", "before"),
        ("one-member", "cross_entropy"),
        ("plain", "one-member"),
    }
    assert {each["measure"] for each in found} == set(module.MEASURES)
    smallest = min(found, key=lambda each: max(each["p_seeds"], each["p_images"] or 0))
    raw = max(smallest["p_seeds"], smallest["p_images"] or 0)
    assert smallest["p"] == pytest.approx(min(1, raw * len(found)))


def test_the_command_of_a_cell_finds_the_cell_done(run: GridSettings, capsys: pytest.CaptureFixture[str]) -> None:
    command = run_grid(GRID, run, QUIET)["cells"]["one-member"]["command"].split()
    assert command[:2] == ["explainfb", "sweep"]
    kept = run.folder / "one-member" / "seed-4" / "classifiers" / "round-1.safetensors"
    written_at = kept.stat().st_mtime_ns
    with pytest.raises(SystemExit) as ended:
        main([*command[1:], "--jobs", "1"])
    assert ended.value.code == 0
    said = "".join(capsys.readouterr().out.split())
    assert f"Writtento{run.folder / 'one-member' / 'sweep.json'}" in said
    assert kept.stat().st_mtime_ns == written_at
    assert (run.folder / "one-member" / "sweep.json").is_file()


def test_a_cell_of_other_settings_is_refused(run: GridSettings) -> None:
    other = Grid(cells={"plain": replace(SMALL, error_rate=0.4)})
    with pytest.raises(InputError, match=r"error_rate was 0\.1, now 0\.4"):
        run_grid(other, run, QUIET)
    with pytest.raises(InputError, match="no cell 'plane'"):
        Grid(cells=CELLS, reference="plane")
    with pytest.raises(InputError, match="at least 1 seed"):
        GridSettings(folder=run.folder, seeds=0)


def test_the_page_shows_every_arm_and_every_contrast(run: GridSettings, tmp_path: Path) -> None:
    summary = run_grid(GRID, run, QUIET)
    rows = rows_of(summary, "plain")
    assert [row.arm for row in rows] == ["before", "cross_entropy", "after"]
    lines = table(summary, rows).splitlines()
    assert len(lines) == 2 + len(rows)
    mean = summary["cells"]["plain"]["arms"]["after"]["shifted_accuracy"]["mean"]
    assert f"| {mean:.3f}".replace("0.", ".") in next(line for line in lines if "after feedback" in line)
    assert len(contrast_table(summary).splitlines()) == 2 + len(summary["contrasts"])
    for name in ("once", "again"):
        write_page(summary, tmp_path / name, tables="", drawing=arms_figure(summary))
        assert read_summary(tmp_path / name / "results.json") == summary
    drawn = [(tmp_path / name / "figure.svg").read_text() for name in ("once", "again")]
    assert drawn[0] == drawn[1]
    assert all(row.label in drawn[0] for row in rows)
    other = Row("one member", "one-member")
    write_page(summary, tmp_path, tables="", drawing=differences_figure(summary, [other], Row("plain", "plain")))
    assert other.label in (tmp_path / "figure.svg").read_text()


def test_a_failed_check_is_starred() -> None:
    value = {"mean": 0.5, "low": 0.4, "high": 0.6, "values": [0.5]}
    arms = {"after": {"linf 0.1": value}}
    cells = {"a": {"arms": arms, "unreliable": {"after": {"linf 0.1": [3]}}}, "b": {"arms": arms, "unreliable": {}}}
    lines = table({"cells": cells}, [Row("first", "a"), Row("second", "b")]).splitlines()
    assert ["\\*" in line for line in lines[2:]] == [True, False]


def test_numbers_lose_only_a_zero_that_stands_alone() -> None:
    assert [number(value) for value in (0.931, 10.25, -0.25, 1.5, 0.0)] == [".931", "10.250", "-.250", "1.500", ".000"]
