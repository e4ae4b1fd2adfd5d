"""One flipped bit in any file of a study: it is seen where the file is read, and `check` says what mends it."""

import os
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from command_line import run
from counting import count
from explainfb.archive.checking import check_study
from explainfb.classifiers.classifier import load_classifier
from explainfb.core.errors import InputError
from explainfb.core.manifest import MANIFEST, read_manifest
from explainfb.export import answers_table
from explainfb.results.json_file import read_results
from explainfb.rewards.ensemble import load_ensemble
from explainfb.store import Store
from explainfb.study.study import Study
from small_studies import SMALL as SMALLEST

FLIPS = int(os.environ.get("EXPLAINFB_TEST_FLIPS", "4"))
"""In each file."""
pytestmark = pytest.mark.usefixtures("blank_reports")
SMALL = replace(SMALLEST, finetune=replace(SMALLEST.finetune, significance=0.01))
MADE_ANEW = [
    "classifiers/round-0.safetensors",
    "classifiers/round-1.safetensors",
    "classifiers/round-1.budget.json",
    "classifiers/round-1.stopped.json",
    "explanations/round-1.safetensors",
    "explanations/round-1.budget.json",
    "reward/round-1.safetensors",
    "reward/round-1.foretold.json",
    "evaluations/before.safetensors",
    "controls/random_answers/classifiers/round-0.safetensors",
    "controls/random_answers/explanations/round-1.safetensors",
    "controls/random_answers/reward/round-1.foretold.json",
    "results.json",
    "provenance.json",
]
RESTORED = ["study.toml", "identity.json", "manifest.txt"]


@pytest.fixture(scope="module")
def whole(blank_reports: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "study"
    Study.open(folder, SMALL).run()
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "study"))


def flip(path: Path, drawn: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)
    path.write_bytes(content)


def numbers(folder: Path) -> object:
    return replace(read_results(folder / "results.json"), seconds={})


def test_a_whole_study_is_sound(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = check_study(whole)
    assert (found.damaged, found.to_make) == ((), ())
    assert found.readable == ("report/index.html",), "the blank page of these tests is not written as a real one is"
    assert found.sound > len(MADE_ANEW)
    assert run("check", str(whole)) == 0
    assert "is sound" in capsys.readouterr().out


def test_an_arm_whose_answers_are_gone_is_made_anew(folder: Path) -> None:
    """As `check` says of an arm whose database is damaged."""
    before = read_results(folder / "results.json")
    shutil.rmtree(folder / "controls" / "random_answers")
    for name in ("evaluations/random_answers.safetensors", "results.json"):
        (folder / name).unlink()
    assert Study.open(folder).run().arms == before.arms
    assert not check_study(folder).damaged


def test_a_folder_on_another_disk_is_no_loss(folder: Path, tmp_path: Path) -> None:
    """Nothing that is there is to be deleted for what lies behind a link."""
    shutil.move(folder / "explanations", tmp_path / "elsewhere")
    (folder / "explanations").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "ring").symlink_to(folder)
    found = check_study(folder)
    assert not found.damaged
    assert not found.to_make


@pytest.mark.parametrize("name", [*MADE_ANEW, *RESTORED])
def test_a_flipped_bit_is_named(folder: Path, name: str) -> None:
    for seed in range(FLIPS):
        kept = (folder / name).read_bytes()
        flip(folder / name, random.Random(seed))
        damaged = check_study(folder).damaged
        named = name in [each.name for each in damaged] or (name == MANIFEST and bool(check_study(folder).readable))
        count("a flipped bit in one of the files of a study: named by `check`", named)
        assert named
        assert {each.name for each in damaged if each.delete is None} <= set(RESTORED)
        (folder / name).write_bytes(kept)


@pytest.mark.parametrize(
    ("name", "lost"),
    [(name, False) for name in MADE_ANEW[::2]] + [(name, True) for name in MADE_ANEW[4:8:2]],
)
def test_what_check_says_to_delete_is_made_anew(folder: Path, name: str, lost: bool) -> None:
    before = numbers(folder)
    if lost:
        (folder / name).unlink()
    else:
        flip(folder / name, random.Random(1))
    for damage in check_study(folder).damaged:
        assert damage.delete is not None
        for each in damage.delete:
            (folder / each).unlink(missing_ok=True)
    assert check_study(folder).damaged == ()
    Study.open(folder, SMALL).run()
    assert numbers(folder) == before
    assert check_study(folder).damaged == ()


@pytest.mark.parametrize("name", ["classifiers/round-0.safetensors", "reward/round-1.safetensors", "study.toml"])
def test_a_flipped_bit_does_not_become_a_result(folder: Path, name: str) -> None:
    """The study has lost its numbers, and they would be measured anew with what is there."""
    for lost in ("results.json", "evaluations/before.safetensors", "evaluations/feedback.safetensors"):
        (folder / lost).unlink()
    flip(folder / name, random.Random(2))
    with pytest.raises(InputError, match=rf"{name.rpartition('/')[2]} is damaged"):
        Study.open(folder, SMALL).run()


def test_a_flipped_bit_among_the_answers_is_seen_or_changes_nothing(folder: Path) -> None:
    path, drawn = folder / "study.db", random.Random(0)
    with Store(path) as store:
        answers = answers_table(store)
    kept, seen = path.read_bytes(), 0
    used = [place for place, byte in enumerate(kept) if byte]  # most of the file is empty
    for _ in range(5 * FLIPS):
        content = bytearray(kept)
        content[drawn.choice(used)] ^= 1 << drawn.randrange(8)
        path.write_bytes(content)
        if check_study(folder).damaged:
            seen += 1
            continue
        with Store(path, read_only=True) as store:
            assert answers_table(store).equals(answers)
    assert seen >= FLIPS
    count("a flipped bit in a used byte of study.db: named, or no answer is another", times=5 * FLIPS)
    count("of these, named", times=seen)


@pytest.mark.parametrize("kind", ["classifiers", "reward"])
def test_weights_that_are_not_finite_are_refused_without_a_manifest_too(folder: Path, kind: str) -> None:
    path = folder / kind / "round-1.safetensors"
    (folder / MANIFEST).unlink()
    load = load_classifier if kind == "classifiers" else load_ensemble
    load(path)
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        header = file.metadata()
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("weight"))
    tensors[name].flat[3] = np.nan
    save_file(tensors, path, metadata=header)
    with pytest.raises(InputError, match="is damaged"):
        load(path)
    assert [each.name for each in check_study(folder).damaged] == [f"{kind}/round-1.safetensors"]


def test_a_study_without_a_manifest_opens_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = numbers(folder)
    (folder / MANIFEST).unlink()
    Study.open(folder, SMALL).run()
    assert numbers(folder) == before
    assert run("check", str(folder)) == 0
    assert "no manifest says how they were written" in capsys.readouterr().out


def test_a_database_that_is_away_is_not_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", str(folder), "--db", "postgresql://127.0.0.1:1/study") == 2
    assert "cannot be reached" in " ".join(capsys.readouterr().err.split())


def test_a_line_that_a_power_cut_left_unfinished_is_no_damage(folder: Path) -> None:
    path = folder / MANIFEST
    with path.open("a") as file:
        file.write("0123 01")
    assert check_study(folder).damaged == ()
    (folder / "results.json").unlink()
    Study.open(folder, SMALL).run()
    assert check_study(folder).damaged == ()
    assert read_manifest(folder).damaged_lines == 0


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "study"))


def test_forgetting_someone_is_no_damage(tmp_path: Path) -> None:
    """What was learned from them stays learned, as the consent says, and the study goes on."""
    study = Study.open(tmp_path / "study", replace(SMALL, controls=(), comparisons_per_round=24, crowd=(0.1, 0.1)))
    study.run()
    with Store(study.database) as store:
        first, *_ = store.annotators.all()
        store.annotators.forget(first.name)
    assert run("check", str(study.folder)) == 0
    assert run("evaluate", "--study", str(study.folder)) == 0
    assert study.results_path.is_file()


def test_evaluate_begins_nothing_that_a_damaged_database_would_not_let_it_end(copied: Path) -> None:
    with closing(sqlite3.connect(copied / "study.db")) as raw, raw:
        raw.execute("UPDATE answers SET answer = 'cant_tell' WHERE id = 1")
    assert run("evaluate", "--study", str(copied)) == 2
    assert (copied / "results.json").is_file()
    assert list((copied / "evaluations").glob("*.safetensors"))
