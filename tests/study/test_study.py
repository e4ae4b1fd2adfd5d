"""All rounds from end to end on a tiny task, and what a study does when it is interrupted or given bad input."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from torch import nn

from explainfb.classifiers.networks import BUILDERS, Architecture
from explainfb.core import files
from explainfb.core.errors import InputError
from explainfb.core.progress import Progress
from explainfb.core.types import Answer
from explainfb.results.json_file import read_results
from explainfb.results.records import BEFORE, FEEDBACK, NO_SHORTCUT, StudyResults
from explainfb.store import Response, Store
from explainfb.study import folder as folder_module
from explainfb.study.study import Study
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study that ran without interruption."""
    folder = tmp_path_factory.mktemp("finished") / "study"
    study, progress = Study.open(folder, TINY), Progress()
    study.run(progress)
    assert progress.done == pytest.approx(study.cost), "the bar ends at its end"
    return folder


def without_times(results: StudyResults) -> StudyResults:
    return dataclasses.replace(results, seconds={})


def answers(folder: Path) -> list[tuple[object, ...]]:
    with Store(f"sqlite:///{folder / 'study.db'}") as store:
        given = store.answers()
    return [(row.comparison, row.annotator, row.answer, row.seed, row.supersedes) for row in given]


def test_a_study_leaves_everything_that_the_contract_names(finished: Path) -> None:
    names = ["study.toml", "study.db", "results.json", "report/index.html", "reward/round-2.safetensors"]
    names += [f"classifiers/round-{number}.safetensors" for number in range(3)] + ["explanations", "tensorboard"]
    assert [name for name in names if not (finished / name).exists()] == []
    results = read_results(finished / "results.json")
    assert list(results.arms) == [BEFORE, "cross_entropy", "random_exchange", "random_answers", FEEDBACK, NO_SHORTCUT]
    assert results.preferences.answers == 48
    assert results.preferences.annotators == ("simulated",)
    assert [each.round for each in results.preferences.rounds] == [1, 2]
    assert results.stopped == ()


def test_every_arm_but_the_undefended_meets_images_made_against_the_undefended(finished: Path) -> None:
    results = read_results(finished / "results.json")
    met = {name: ["transfer" in row.attacks for row in arm.robust_accuracy] for name, arm in results.arms.items()}
    assert met == {name: [name != BEFORE] * 3 for name in results.arms}


def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(finished: Path, tmp_path: Path) -> None:
    """kill -9 as each of these files appears, or a little later (`test_kills` has more); by the command that its
    results name, which means the same settings, or they would be refused in the end."""
    command = read_results(finished / "results.json").command.split()
    folder = tmp_path / "killed"
    moments = ["explanations/round-1.safetensors", "controls/random_answers/reward/round-1.safetensors"]
    killed = 0
    for number, moment in enumerate(moments):
        process = subprocess.Popen(
            [sys.executable, "-m", "explainfb", *command[1:], "--study", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and not (folder / moment).exists():
            time.sleep(0.002)
        time.sleep(0.05 * (number % 3))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed == 2, "the test must have killed something"
    Study.open(folder, TINY).run()
    assert without_times(read_results(folder / "results.json")) == without_times(
        read_results(finished / "results.json")
    )
    assert answers(folder) == answers(finished)


def test_a_finished_study_does_nothing_again(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("**/*.safetensors")}
    study, progress = Study.open(finished, TINY), Progress()
    study.run(progress)
    assert {path: path.stat().st_mtime_ns for path in finished.glob("**/*.safetensors")} == before
    assert progress.done == pytest.approx(study.cost), "the bar ends at its end"


def test_other_settings_are_refused_and_named(finished: Path) -> None:
    other = dataclasses.replace(TINY, finetune=dataclasses.replace(TINY.finetune, steps=7), seed=1)
    with pytest.raises(InputError, match=r"finetune\.steps was 6, now 7; seed was 0, now 1"):
        Study.open(finished, other)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("classifiers/round-1.safetensors", "truncated"),
        ("explanations/round-1.safetensors", "overwritten"),
        ("reward/round-1.safetensors", "truncated"),
        ("evaluations/before.safetensors", "overwritten"),
        ("study.db", "truncated"),
        ("study.toml", "overwritten"),
        ("identity.json", "truncated"),
    ],
)
def test_a_damaged_file_is_named(finished: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(finished, folder)
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x07" * len(content))
    if name.startswith("classifiers"):
        (folder / "classifiers" / "round-2.safetensors").unlink()
    with pytest.raises(InputError, match=path.name.replace(".", r"\.")):
        Study.open(folder, TINY).run()


def test_another_database_is_refused(finished: Path, tmp_path: Path) -> None:
    """One of another study, and none where there was one: answers would be about other explanations."""
    with pytest.raises(InputError, match="holds another study"):
        Study.open(tmp_path / "new", TINY, database=finished / "study.db")
    with pytest.raises(InputError, match="was begun with another database"):
        Study.open(finished, TINY, database=tmp_path / "empty.db")


def test_other_data_are_refused(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = folder_module.task_of

    def one_pixel_off(*given: object, **named: object) -> Task:
        task = whole(*given, **named)  # type: ignore[arg-type]
        task.train.images[7, 0, 10, 10] += 1e-3
        return task

    monkeypatch.setattr(folder_module, "task_of", one_pixel_off)
    with pytest.raises(InputError, match="data are not those"):
        Study.open(finished, TINY)


def test_a_full_disk_is_told_before_work_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(InputError, match="make room"):
        Study.open(tmp_path / "study", TINY)


def test_people_are_waited_for(tmp_path: Path) -> None:
    """A round goes on by itself when its last answer is there; the report's numbers name who answered."""
    settings = dataclasses.replace(TINY, annotator="human", rounds=1, controls=())
    folder = tmp_path / "study"
    study = Study.open(folder, settings)
    asked = settings.comparisons_per_round + round(settings.gold * settings.comparisons_per_round)
    person = threading.Thread(target=answer_all, args=(study.database, asked), daemon=True)
    person.start()
    results = study.run()
    person.join()
    assert results.preferences.annotators == ("Ada",)
    assert results.preferences.answers == settings.comparisons_per_round  # gold ones teach nothing


def test_people_who_never_can_tell_end_the_run_and_not_the_study(tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, annotator="human", rounds=1, gold=0, controls=())
    study = Study.open(tmp_path / "study", settings)
    person = threading.Thread(
        target=answer_all, args=(study.database, settings.comparisons_per_round, [Answer.CANT_TELL])
    )
    person.start()
    with pytest.raises(InputError, match="of 24 there are 0"):
        study.run_feedback()
    person.join()
    with Store(study.database) as store:
        assert store.rounds() == {1: True}
        store.annotators.exclude("Ada", by="Rea", reason="could never tell")
    person = threading.Thread(
        target=answer_all, args=(study.database, settings.comparisons_per_round), kwargs={"name": "Bob"}
    )
    person.start()
    study.run_feedback()
    person.join()
    with Store(study.database) as store:
        assert store.rounds() == {1: False}


GIVEN = (Answer.LEFT, Answer.RIGHT, Answer.EQUAL)


def answer_all(database: str, count: int, answers: Sequence[Answer] = GIVEN, name: str = "Ada") -> None:
    with Store(database) as store:
        store.annotators.add(name)
        person = next(each for each in store.annotators.all() if each.name == name)
        given = 0
        while given < count:
            now = datetime.now(UTC)
            lease = store.next_comparison(person, now=now, overlap=1, lease_seconds=60)
            if lease is None:
                time.sleep(0.05)
                continue
            response = Response(
                comparison=lease.comparison,
                answer=answers[given % len(answers)],
                shown_at=now,
                responded_at=now,
                app_version="test",
                token=lease.token,
            )
            store.answer(person, response, now=now, overlap=1)
            given += 1


def test_a_network_without_second_derivatives_is_refused_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hard(architecture: Architecture) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 8), nn.Hardsigmoid(), nn.Linear(8, architecture.classes))

    monkeypatch.setitem(BUILDERS, "hard", hard)
    training = dataclasses.replace(TINY.training, classifier="hard")
    finetune = dataclasses.replace(TINY.finetune, gradient_penalty=0.1)
    settings = dataclasses.replace(TINY, controls=(), training=training, finetune=finetune)
    with pytest.raises(InputError, match=r"second derivatives.*hardsigmoid"):
        Study.open(tmp_path, settings).run()
    with Store(tmp_path / "study.db") as store:
        assert store.rounds() == {}
