"""What studies share is copied from one that agrees in what decides it, and from no other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.core.manifest import begin_manifest
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import write_settings
from explainfb.sweeps.sharing import DECIDED_BY, copy_shared_files, first_with_each_start, shared_files

STUDY = StudySettings(seed=3)
FILES = [file for files in DECIDED_BY for file in files]


def begun(folder: Path, data: str = "the data", settings: StudySettings = STUDY) -> Path:
    folder.mkdir(parents=True)
    write_settings(settings, folder / "study.toml")
    (folder / "identity.json").write_text(json.dumps({"study": folder.name, "data": data}))
    return folder


def with_files(folder: Path, files: list[str], text: str = "lent") -> Path:
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
    return folder


def copied_files(source: Path, here: Path, settings: StudySettings) -> set[str]:
    """The folders of what a study of these settings takes from one of `STUDY`."""
    copy_shared_files(here, shared_files({source: STUDY, here: settings})[here])
    return {path.name for path in here.iterdir() if path.is_dir()}


@pytest.mark.parametrize(
    ("settings", "copied"),
    [
        (STUDY, {"classifiers", "evaluations", "explanations"}),
        (replace(STUDY, error_rate=0.2), {"classifiers", "evaluations", "explanations"}),
        (replace(STUDY, evaluation=EvaluationSettings(linf=(0.2,))), {"classifiers", "explanations"}),
        (replace(STUDY, lime=LimeSettings(n_samples=20)), {"classifiers", "evaluations"}),
        (replace(STUDY, comparisons_per_round=20), {"classifiers", "evaluations"}),
        (replace(STUDY, training=replace(STUDY.training, steps=7)), set()),
        (replace(STUDY, seed=5), set()),
    ],
)
def test_only_what_the_settings_decide_alike_is_copied(
    settings: StudySettings, copied: set[str], tmp_path: Path
) -> None:
    source, here = with_files(begun(tmp_path / "source"), FILES), begun(tmp_path / "here")
    assert copied_files(source, here, settings) == copied


def test_what_a_source_has_only_in_part_is_not_copied(tmp_path: Path) -> None:
    source, here = with_files(begun(tmp_path / "source"), FILES), begun(tmp_path / "here")
    (source / "explanations" / "round-1.safetensors").unlink()
    assert copied_files(source, here, STUDY) == {"classifiers", "evaluations"}


def test_nothing_is_copied_from_a_study_of_other_data(tmp_path: Path) -> None:
    """Of the same settings: pictures of one's own were changed between the two."""
    source = with_files(begun(tmp_path / "source", "the data before"), FILES)
    assert copied_files(source, begun(tmp_path / "here"), STUDY) == set()


def test_nothing_is_copied_from_a_folder_that_holds_another_study_than_is_wanted_there(tmp_path: Path) -> None:
    """Its own study is refused when it is opened, which may be after others have copied its files."""
    other = replace(STUDY, training=replace(STUDY.training, steps=7))
    source = with_files(begun(tmp_path / "source", settings=other), FILES)
    assert copied_files(source, begun(tmp_path / "here"), STUDY) == set()
    (source / "study.toml").write_text("rounds =")
    assert copied_files(source, begun(tmp_path / "there"), STUDY) == set()


def test_a_study_that_has_begun_keeps_what_it_made(tmp_path: Path) -> None:
    source = with_files(begun(tmp_path / "source"), FILES)
    here = with_files(begun(tmp_path / "here"), ["classifiers/round-0.safetensors"], "made here")
    assert copied_files(source, here, STUDY) == {"classifiers"}
    assert (here / "classifiers" / "round-0.safetensors").read_text() == "made here"


def test_the_first_study_with_each_start_is_waited_for() -> None:
    studies = {
        Path(cell, f"seed-{seed}"): replace(STUDY, seed=seed, error_rate=rate)
        for seed in (3, 4)
        for cell, rate in (("plain", 0.1), ("careless", 0.3))
    }
    assert first_with_each_start(studies) == {Path("plain/seed-3"), Path("plain/seed-4")}
    apart = {folder: replace(each, train_images=100 + place) for place, (folder, each) in enumerate(studies.items())}
    assert first_with_each_start(apart) == set(apart)


def test_a_damaged_file_is_not_lent(tmp_path: Path) -> None:
    source, here = begun(tmp_path / "source"), begun(tmp_path / "here")
    begin_manifest(source)
    for file in FILES:
        write_whole(source / file, lambda partial: partial.write_text("lent"))
    (source / FILES[1]).write_text("lend")
    with pytest.raises(InputError, match=r"source/.* is damaged"):
        copied_files(source, here, STUDY)
