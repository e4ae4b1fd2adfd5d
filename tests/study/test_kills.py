"""A study that is killed at any moment ends as if it had not been."""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from explainfb.classifiers.classifier import load_classifier
from explainfb.results.json_file import read_results
from explainfb.store import Store
from explainfb.study import study as study_module
from explainfb.study.explaining import fingerprint
from explainfb.study.settings import task_of
from explainfb.study.study import Study
from explainfb.testing.tiny import TINY
from kills import run_and_kill
from store_backends import BACKENDS, fresh_url

pytestmark = pytest.mark.usefixtures("blank_reports")
SMALL = replace(
    TINY,
    rounds=2,
    comparisons_per_round=12,
    controls=("random_answers",),
    evaluation=replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=4, explain_images=4),
)
SCHEDULES = int(os.environ.get("EXPLAINFB_TEST_KILLS", "1"))
"""How often the whole study is gone through; a few hundred, by hand, meet nearly every moment."""


@pytest.fixture(scope="module", autouse=True)
def task_at_once() -> Iterator[None]:
    """The task is loaded once: what is killed here is what comes after it."""
    task = task_of(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "task_of", lambda *_: task)
        yield


@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_anywhere_in_its_beginning_the_same_command_goes_on(backend: str, tmp_path: Path) -> None:
    for at in range(1, 1000):
        folder = tmp_path / str(at)
        with fresh_url(backend, tmp_path) as server:
            database = folder / "study.db" if backend == "sqlite" else server

            def begin(folder: Path = folder, database: Path | str = database) -> Study:
                return Study.open(folder, SMALL, database=database)

            passed = run_and_kill(begin, at)
            study = begin()
            assert begin().settings == study.settings == SMALL
            with Store(database) as store:
                assert store.comparisons() == []
        if passed < at:
            break
    assert at > 15, "the test must have killed something"


def test_killed_in_its_beginning_it_may_go_on_with_other_settings(tmp_path: Path) -> None:
    """Nothing was made yet with those that it was begun with."""
    other = replace(SMALL, seed=3)
    for at in range(1, 1000):
        folder = tmp_path / str(at)
        passed = run_and_kill(lambda folder=folder: Study.open(folder, SMALL), at)  # type: ignore[misc]
        assert Study.open(folder, other).settings == Study.open(folder).settings == other
        if passed < at:
            break


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unkilled") / "study"
    assert run_and_kill(lambda: Study.open(folder, SMALL).run(), 10**6) > 100
    return folder


def numbers(folder: Path) -> object:
    """What the study found, without how long it took."""
    with Store(folder / "study.db") as store:
        answers = [(each.comparison, each.annotator, each.answer) for each in store.answers()]
    classifiers = {
        # their weights, since the order of what stands in a file's header is chance
        str(path.relative_to(folder)): fingerprint(load_classifier(path))
        for path in folder.rglob("classifiers/*.safetensors")
    }
    return replace(read_results(folder / "results.json"), seconds={}), answers, classifiers


@pytest.mark.parametrize("schedule", range(SCHEDULES))
def test_killed_again_and_again_it_ends_with_the_same_numbers(unkilled: Path, tmp_path: Path, schedule: int) -> None:
    drawn = random.Random(schedule)
    folder = tmp_path / "study"
    kills, at = 0, 0
    while True:
        at = drawn.randint(1, 60)
        if run_and_kill(lambda: Study.open(folder, SMALL).run(), at) < at:
            break
        kills += 1
    assert kills >= 5, "the test must have killed something"
    assert numbers(folder) == numbers(unkilled)
    shutil.rmtree(folder)
