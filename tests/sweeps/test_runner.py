"""Seeds and cells: resumed, seen half-way, sharing files, tested together."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from explainfb.cli.commands import main
from explainfb.core.errors import InputError
from explainfb.results.json_file import read_results
from explainfb.results.records import StudyResults
from explainfb.study.settings import StudySettings
from explainfb.study.study import Study
from explainfb.sweeps import runner
from explainfb.sweeps.runner import MEASURES, Grid, GridSettings, SweepSettings, run_grid, sweep
from explainfb.sweeps.summary_file import read_summary
from explainfb.testing.tiny import TINY
from summary_example import arm, study

pytestmark = pytest.mark.usefixtures("blank_reports")
QUIET = Console(quiet=True)
LITTLE = replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=6, explain_images=4)
SMALL = replace(TINY, rounds=1, evaluation=LITTLE)
PLAIN = replace(SMALL, controls=("cross_entropy",))
CELLS = {"plain": PLAIN, "one-member": replace(PLAIN, reward=replace(PLAIN.reward, members=1))}
GRID = Grid(cells=CELLS, reference="plain")


@pytest.fixture(scope="module")
def run(blank_reports: None, tmp_path_factory: pytest.TempPathFactory) -> GridSettings:
    wanted = GridSettings(folder=tmp_path_factory.mktemp("grid"), seeds=2, first_seed=3, jobs=1)
    run_grid(GRID, wanted, QUIET)
    return wanted


def test_what_is_done_is_not_done_again(run: GridSettings) -> None:
    before = (run.folder / "plain" / "seed-3" / "provenance.json").read_bytes()
    written = (run.folder / "grid.json").read_bytes()
    assert run_grid(GRID, run, QUIET) == read_summary(run.folder / "grid.json")
    assert (run.folder / "grid.json").read_bytes() == written
    assert (run.folder / "plain" / "seed-3" / "provenance.json").read_bytes() == before


def test_cells_with_one_start_train_and_explain_it_once(run: GridSettings, tmp_path: Path) -> None:
    """And end as if each had done so by itself, as the studies of the sweep's command do."""
    trained = [list((run.folder / cell / "seed-3").glob("tensorboard/training/*")) for cell in CELLS]
    assert [len(each) for each in trained] == [1, 0]
    alone = Study.open(tmp_path / "alone", replace(CELLS["one-member"], seed=3)).run()
    kept = read_results(run.folder / "one-member" / "seed-3" / "results.json")
    assert replace(alone, seconds={}) == replace(kept, seconds={})
    copied = alone.seconds.keys() - kept.seconds.keys()
    assert copied == {"training", "before: evaluation", "feedback: explaining"}


def test_every_contrast_of_the_grid_is_corrected_together(run: GridSettings) -> None:
    cells = read_summary(run.path).cells
    found = [(name, each) for name, cell in cells.items() for each in cell.contrasts]
    assert {(name, each.arm) for name, each in found} == {
        ("plain", "before"),
        ("plain", "cross_entropy"),
        ("one-member", "before"),
        ("one-member", "cross_entropy"),
        ("plain", "one-member"),
    }
    assert {each.measure for _, each in found} == {measure.key for measure in MEASURES}
    raw = [max(each.p_seeds or 0, each.p_images or 0) for _, each in found]
    smallest = raw.index(min(raw))
    assert found[smallest][1].p == pytest.approx(min(1, raw[smallest] * len(found)))


def test_the_command_of_a_cell_finds_the_cell_done(run: GridSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes the same numbers, with tests in every measure; what is printed has its means."""
    cell = read_summary(run.path).cells["one-member"]
    words = shlex.split(cell.command)
    assert words[:2] == ["explainfb", "sweep"]
    kept = run.folder / "one-member" / "seed-4" / "classifiers" / "round-1.safetensors"
    written_at = kept.stat().st_mtime_ns
    with pytest.raises(SystemExit) as ended:
        main([*words[1:], "--jobs", "1"])
    assert ended.value.code == 0
    said = "".join(capsys.readouterr().out.split())
    assert f"Writtento{run.folder / 'one-member' / 'sweep.json'}" in said
    assert kept.stat().st_mtime_ns == written_at
    alone = read_summary(run.folder / "one-member" / "sweep.json").only
    assert replace(alone, contrasts=()) == replace(cell, contrasts=())
    assert {each.measure for each in alone.contrasts} == {"clean_accuracy", *(measure.key for measure in MEASURES)}


def test_a_cell_of_other_settings_is_refused(run: GridSettings) -> None:
    other = Grid(cells={"plain": replace(PLAIN, error_rate=0.4)})
    with pytest.raises(InputError, match=r"error_rate was 0\.1, now 0\.4"):
        run_grid(other, run, QUIET)


def test_what_cannot_be_run_is_refused_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cell 'plane'"):
        Grid(cells=CELLS, reference="plane")
    with pytest.raises(InputError, match="at least 1 seed"):
        GridSettings(folder=tmp_path, seeds=0)
    with pytest.raises(InputError, match="at least 1 seed"):
        SweepSettings(seeds=0)
    with pytest.raises(InputError, match="--first-seed"):
        sweep(SweepSettings(folder=tmp_path), replace(SMALL, seed=3), QUIET)


def half_done(monkeypatch: pytest.MonkeyPatch, ended: dict[Path, StudyResults]) -> None:
    """Studies end as given, and then somebody interrupts; nothing is read of their folders."""

    def interrupted(*_: object, **__: object) -> Iterator[tuple[Path, StudyResults]]:
        yield from ended.items()
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_studies", interrupted)
    monkeypatch.setattr(runner, "grid_contrasts", lambda _, done: dict.fromkeys(done, ()))


def test_an_interrupted_grid_can_be_looked_at_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = (arm("before", 0.1), arm("feedback", 0.8))
    half_done(monkeypatch, {tmp_path / "plain" / f"seed-{seed}": study(seed, arms) for seed in (4, 3)})
    with pytest.raises(KeyboardInterrupt):
        run_grid(GRID, GridSettings(folder=tmp_path, seeds=3, first_seed=3), QUIET)
    half = read_summary(tmp_path / "grid.json")
    assert half.seeds == (3, 4, 5)
    assert {name: cell.seeds for name, cell in half.cells.items()} == {"plain": (3, 4)}


def test_a_sweep_tells_what_it_does_and_can_be_looked_at_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = (arm("before", 0.1), arm("feedback", 0.8))
    half_done(monkeypatch, {tmp_path / "seed-1": study(1, arms)})
    console = Console(record=True, width=200, quiet=False)
    wanted = SweepSettings(folder=tmp_path, seeds=2, jobs=3, controls=("cross_entropy", "rrr"))
    with pytest.raises(KeyboardInterrupt):
        sweep(wanted, SMALL, console)
    said = console.export_text()
    assert f"Sweep in {tmp_path}: seeds 0, 1; arms beside feedback: cross_entropy, rrr; processes: 3." in said
    assert "seed-1 is done (1 of 2)." in said
    half = read_summary(tmp_path / "sweep.json").only
    assert half.seeds == (1,)
    assert half.settings["controls"] == ["cross_entropy", "rrr"]
    assert "--first-seed 0 --seeds 2" in half.command


def test_a_grid_of_which_nothing_is_done_leaves_an_earlier_summary_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that was refused, or whose seeds were mistyped."""
    half_done(monkeypatch, {})
    (tmp_path / "grid.json").write_text("of an earlier run")
    with pytest.raises(KeyboardInterrupt):
        run_grid(GRID, GridSettings(folder=tmp_path), QUIET)
    assert (tmp_path / "grid.json").read_text() == "of an earlier run"


def test_studies_are_finished_a_few_seeds_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as keep every process busy: all feedback of all seeds first would leave nothing finished for long."""
    groups: list[list[str]] = []

    def none(studies: dict[Path, StudySettings], *_: object, **__: object) -> Iterator[tuple[Path, StudyResults]]:
        groups.append([str(folder.relative_to(tmp_path)) for folder in studies])
        for folder, each in studies.items():
            yield folder, study(each.seed, (arm("before", 0.1), arm("feedback", 0.8)))

    monkeypatch.setattr(runner, "run_studies", none)
    monkeypatch.setattr(runner, "grid_contrasts", lambda _, done: dict.fromkeys(done, ()))
    run_grid(GRID, GridSettings(folder=tmp_path, seeds=3, first_seed=1, jobs=3), QUIET)
    first = ["plain/seed-1", "one-member/seed-1", "plain/seed-2", "one-member/seed-2"]
    assert groups == [first, ["plain/seed-3", "one-member/seed-3"]]


def test_a_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    """The second seed is run after an interruption; the first stays as it was."""
    one = SweepSettings(folder=tmp_path, seeds=1, jobs=1, controls=())
    sweep(one, replace(SMALL, controls=StudySettings().controls), QUIET)
    kept = tmp_path / "seed-0" / "classifiers" / "round-1.safetensors"
    written_at = kept.stat().st_mtime_ns
    both = replace(one, seeds=2)
    found = sweep(both, replace(SMALL, controls=StudySettings().controls), QUIET)
    assert found.only.seeds == (0, 1)
    assert list(found.only.arms) == ["before", "feedback"]
    assert found == read_summary(tmp_path / "sweep.json")
    assert kept.stat().st_mtime_ns == written_at
