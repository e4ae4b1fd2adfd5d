"""What a sweep left is found again, and nothing half done is taken for it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from explainfb.core.errors import InputError
from explainfb.study.finished import finished_studies
from explainfb.study.settings_file import write_settings
from explainfb.sweeps.runner import SweepSettings, sweep
from explainfb.testing.tiny import TINY

LITTLE = replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=6, explain_images=4)
SMALL = replace(TINY, rounds=1, evaluation=LITTLE)


@pytest.fixture(scope="module")
def kept(blank_reports: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    arms = SweepSettings(folder=folder, seeds=1, first_seed=9, jobs=1, controls=("cross_entropy", "no_shortcut"))
    sweep(arms, SMALL, Console(quiet=True))
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """Two seeds, the second a copy of the first in all but its number."""
    for seed in (9, 10):
        shutil.copytree(kept / "seed-9", tmp_path / f"seed-{seed}")
        settings = replace(SMALL, seed=seed, controls=("cross_entropy", "no_shortcut"))
        write_settings(settings, tmp_path / f"seed-{seed}" / "study.toml")
    return tmp_path


def test_arms_and_seeds_are_found_in_order(folder: Path) -> None:
    found = finished_studies(folder)
    assert [study.settings.seed for study in found] == [9, 10]
    assert list(found[0].arms) == ["before", "cross_entropy", "feedback", "no_shortcut"]
    ends = [str(path.relative_to(folder / "seed-9")) for path in found[0].arms.values()]
    assert ends == [
        "classifiers/round-0.safetensors",
        "controls/cross_entropy/classifiers/round-1.safetensors",
        "classifiers/round-1.safetensors",
        "controls/no_shortcut/classifiers/round-0.safetensors",
    ]
    for arm in found[0].arms:
        assert found[0].evaluation(arm).shifted_logits is not None


def test_an_unfinished_study_is_refused(folder: Path) -> None:
    (folder / "seed-10" / "results.json").unlink()
    with pytest.raises(InputError, match="seed-10 is not finished"):
        finished_studies(folder)


def test_studies_of_other_settings_are_refused(folder: Path) -> None:
    settings = replace(SMALL, seed=10, comparisons_per_round=30, controls=("cross_entropy", "no_shortcut"))
    write_settings(settings, folder / "seed-10" / "study.toml")
    with pytest.raises(InputError, match=r"differs from .*seed-9 in comparisons"):
        finished_studies(folder)


def test_a_setting_that_one_of_them_lacks_is_seen(folder: Path) -> None:
    settings = replace(SMALL, seed=10, weights="default", controls=("cross_entropy", "no_shortcut"))
    write_settings(settings, folder / "seed-10" / "study.toml")
    with pytest.raises(InputError, match=r"differs from .*seed-9 in weights"):
        finished_studies(folder)


def test_a_folder_without_studies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="explainfb sweep"):
        finished_studies(tmp_path)
