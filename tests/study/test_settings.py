"""Settings: what is written can be read, and what differs is named."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from explainfb.core.errors import InputError
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.rewards.settings import RewardSettings
from explainfb.study import settings_file as module
from explainfb.study.settings import StudySettings, command_line
from explainfb.study.settings_file import check_same, read_settings, upgrade_settings, write_settings
from explainfb.study.study import Study
from explainfb.testing.tiny import TINY

FORMAT_1 = Path(__file__).parent / "format_1.toml"
"""The settings of TINY, as they were written before there was a format, and before masks were drawn by leverage."""
AS_THEN = replace(
    TINY,
    lime=replace(TINY.lime, sampling="kernelshap"),
    evaluation=replace(TINY.evaluation, lime=replace(TINY.evaluation.lime, sampling="kernelshap")),
)

CROWD = replace(TINY, crowd=(0.0, 0.5), reward=replace(TINY.reward, reliability="learned", normalised=False))


@pytest.mark.parametrize("settings", [StudySettings(), TINY, CROWD, replace(TINY, controls=(), weights="default")])
def test_what_is_written_can_be_read(settings: StudySettings, tmp_path: Path) -> None:
    write_settings(settings, tmp_path / "study.toml")
    assert read_settings(tmp_path / "study.toml") == settings


def test_every_difference_is_named() -> None:
    other = replace(TINY, seed=3, lime=replace(TINY.lime, fill="zero"))
    with pytest.raises(InputError, match=r"lime\.fill was 'data', now 'zero'; seed was 0, now 3"):
        check_same(other, TINY, Path("study"))
    check_same(TINY, TINY, Path("study"))


def test_a_file_of_format_1_is_understood_and_left_as_it_is() -> None:
    assert "comparisons = 24" in FORMAT_1.read_text()
    assert read_settings(FORMAT_1) == AS_THEN
    assert "comparisons = 24" in FORMAT_1.read_text()


def test_a_study_of_format_1_goes_on_and_is_rewritten_once(tmp_path: Path) -> None:
    Study.open(tmp_path, AS_THEN)
    path = tmp_path / "study.toml"
    path.write_text(FORMAT_1.read_text())
    (tmp_path / "manifest.txt").unlink()  # as there was none then
    Study.open(tmp_path, AS_THEN)
    written = tomllib.loads(path.read_text())
    assert (written["format"], written["comparisons_per_round"], written["lime"]["n_samples"]) == (2, 24, 52)
    assert "comparisons" not in written
    assert read_settings(path) == AS_THEN
    path.write_text(path.read_text() + "# mine\n")
    Study.open(tmp_path, AS_THEN)
    assert path.read_text().endswith("# mine\n")


def test_an_archive_of_format_1_that_cannot_be_written_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(module, "write_whole", refuse)
    assert upgrade_settings(FORMAT_1) == AS_THEN


@pytest.mark.parametrize(
    "text",
    [
        "task = ",
        "nonsense = 1",
        "rounds = 0",
        "[finetune]\nsteps = 3\nwings = 2",
        "format = 3",
        "format = 'two'",
        "comparisons = 20\ncomparisons_per_round = 30",
        "format = 2\ncomparisons = 20",
        'format = 2\nannotator = "people"',
        'format = 2\nquestion = "Rank"',
        'format = 2\ncolours = "green"',
        "format = 2\nrounds = 1.5",
    ],
)
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(InputError, match=r"study\.toml"):
        read_settings(tmp_path / "study.toml")


def test_a_folder_that_is_no_study_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a study"):
        read_settings(tmp_path / "study.toml")


def test_the_command_line_names_what_is_not_as_usual() -> None:
    assert command_line(StudySettings()) == "explainfb run"
    assert command_line(replace(StudySettings(), seed=2, controls=())) == "explainfb run --seed 2 --controls"
    assert "--finetune.steps 6" in command_line(TINY)
    assert "--crowd 0.0 0.5" in command_line(CROWD)


UTILITIES = RewardSettings(learned_from="utilities")
FREE = RewardSettings(kind="free")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"rounds": 0}, "at least"),
        ({"comparisons_per_round": 3}, "at least"),
        ({"train_images": 9}, "--train-images must be at least 10; found 9"),
        ({"image_size": 0}, "--image-size must be at least 8; found 0"),
        ({"crowd": (0.1, 1.1)}, r"shares in \[0, 1\]; found 0.1, 1.1"),
        ({"crowd": (0.1, float("nan"))}, "crowd is several values, each a finite number; found \\(0.1, nan\\)"),
        ({"crowd": (0.1,), "annotator": "human"}, "leave one out"),
        ({"reward": UTILITIES, "annotator": "human"}, "one simulated annotator"),
        ({"reward": UTILITIES, "crowd": (0.1, 0.2)}, "one simulated annotator"),
        ({"reward": FREE}, "additive"),
        ({"reward": FREE, "finetune": FinetuneSettings(counterexample_share=0, gradient_penalty=0.1)}, "additive"),
    ],
)
def test_settings_that_cannot_be_or_do_not_go_together_are_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        StudySettings(**wrong)


def test_the_folder_of_a_sweep_is_told_from_one_without_a_study(tmp_path: Path) -> None:
    for seed in (3, 4):
        write_settings(StudySettings(seed=seed), tmp_path / f"seed-{seed}" / "study.toml")
    with pytest.raises(InputError, match="sweep of several studies; give one of seed-3, seed-4"):
        read_settings(tmp_path / "study.toml")
