"""A study that is killed at any moment ends as if it had not been."""

import os
import random
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from counting import count
from explainfb.classifiers.classifier import fingerprint, load_classifier
from explainfb.cli.commands import main
from explainfb.core.environment import read_provenance
from explainfb.results.json_file import read_results
from explainfb.store import Store
from explainfb.study import folder as folder_module
from explainfb.study import study as study_module
from explainfb.study.rounds import check_training
from explainfb.study.settings import command_line, task_of
from explainfb.study.study import Study
from kills import run_and_kill
from small_studies import SMALL
from store_backends import BACKENDS, fresh_url

pytestmark = pytest.mark.usefixtures("blank_reports")
SCHEDULES = int(os.environ.get("EXPLAINFB_TEST_KILLS", "1"))
"""How often the whole study is gone through; a few hundred, by hand, meet nearly every moment."""


@pytest.fixture(scope="module", autouse=True)
def task_at_once() -> Iterator[None]:
    """The task is loaded and the classifier tried once: what is killed here is what comes after that."""
    task = task_of(SMALL)
    check_training(SMALL, task)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "check_training", lambda *_: None)
        patch.setattr(folder_module, "task_of", lambda *_: task)
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
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    count(f"kill -9 just before and after every durable operation of a beginning, {names[backend]}", times=at - 1)


def test_killed_in_its_beginning_it_may_go_on_with_other_settings(tmp_path: Path) -> None:
    """Nothing was made yet with those that it was begun with."""
    other = replace(SMALL, seed=3)
    for at in range(2, 1000, 4):
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


def test_ended_by_a_scheduler_it_has_written_down_what_its_stages_took(tmp_path: Path) -> None:
    """SIGTERM, in the middle of a stage."""
    folder = tmp_path / "study"
    words = shlex.split(command_line(SMALL))[1:]

    def begin() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(study_module, "evaluate", lambda *_, **__: time.sleep(60))
            main([*words, "--study", str(folder)])

    child = os.fork()
    if child == 0:
        try:
            begin()
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
        os._exit(1)
    deadline = time.monotonic() + 60
    while not (folder / "classifiers" / "round-1.safetensors").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGTERM
    known = read_provenance(folder)
    assert known is not None
    assert known.seconds["training"] > 0
    assert known.seconds["before: evaluation"] > 0.2


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
    same = numbers(folder) == numbers(unkilled)
    count("kill -9 at drawn operations of a whole study, one after the other until it ends", times=kills)
    count("such studies that ended with the numbers and classifiers of one that nobody killed", same)
    assert same
    shutil.rmtree(folder)
