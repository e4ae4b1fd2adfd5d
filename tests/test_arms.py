"""The arms beside feedback: what they share, what each costs, and that none begins what it cannot end."""

import dataclasses
import shutil
from pathlib import Path
from typing import get_args

import pytest
import torch

from explainfb import arms, classifiers
from explainfb import study as study_module
from explainfb.annotators import Crowd, SimulatedAnnotator
from explainfb.arms import ARMS
from explainfb.bench import Bench
from explainfb.errors import InputError
from explainfb.results import read_results
from explainfb.settings import Control
from explainfb.study import Study
from explainfb.tasks import Task, load_task
from tiny import TINY

LITTLE = dataclasses.replace(TINY.evaluation, linf=(0.1,), l2=(), attacked=6, explained=4)
EVERY_ARM = dataclasses.replace(TINY, controls=get_args(Control), evaluation=LITTLE)


@pytest.fixture(scope="module")
def every_arm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study with all controls that ran without interruption."""
    folder = tmp_path_factory.mktemp("every arm") / "study"
    Study.open(folder, EVERY_ARM).run()
    return folder


def test_every_control_that_can_be_named_is_an_arm() -> None:
    assert set(ARMS) == set(get_args(Control))


def test_all_arms_start_from_one_classifier_and_end_as_different_ones(every_arm: Path) -> None:
    results = read_results(every_arm / "results.json")
    tuned = set(ARMS) - {"no_shortcut"}
    assert set(results["controls"]) == tuned
    assert set(results["differences"]) == tuned | {"before", "ceiling"}
    start = (every_arm / "classifiers/round-0.safetensors").read_bytes()
    assert all((every_arm / f"controls/{name}/classifiers/round-0.safetensors").read_bytes() == start for name in tuned)
    ends = [every_arm / f"controls/{name}/classifiers/round-2.safetensors" for name in tuned]
    assert len({path.read_bytes() for path in (*ends, every_arm / "classifiers/round-2.safetensors")}) == len(ends) + 1
    assert [name for name in tuned if not list((every_arm / "controls" / name).glob("tensorboard/round-2/*"))] == []


def test_arms_beside_it_leave_a_control_as_it_is(every_arm: Path, tmp_path: Path) -> None:
    alone = Study.open(tmp_path / "study", dataclasses.replace(EVERY_ARM, controls=("random_answers",))).run()
    together = read_results(every_arm / "results.json")
    for name in ("before", "after", "preferences"):
        assert together[name] == alone[name]
    assert together["controls"]["random_answers"] == alone["controls"]["random_answers"]


def test_the_budget_is_what_arithmetic_says(every_arm: Path) -> None:
    budget = read_results(every_arm / "results.json")["budget"]
    steps = TINY.rounds * TINY.finetune.steps
    batch = steps * TINY.finetune.batch
    training = TINY.training.steps * TINY.training.batch
    looks = TINY.training.steps // TINY.training.check_every * 20
    shown = budget["after"]["forward"] - batch
    assert shown > 0
    assert shown % (TINY.lime.masks + 1) == 0
    asked = {"forward": batch + shown, "backward": batch}
    attacks = 1 + TINY.finetune.adversarial_steps
    assert budget == {
        "before": {"forward": training + looks, "backward": training},
        "ceiling": {"forward": training + looks, "backward": training},
        "after": asked,
        "random_answers": asked,
        "wrong_masks": asked,
        "cross_entropy": {"forward": batch, "backward": batch},
        "random_exchange": {"forward": batch, "backward": batch},
        "oracle_reward": {"forward": batch, "backward": batch},
        "rrr": {"forward": batch, "backward": 3 * batch},
        "input_gradient": {"forward": batch, "backward": 3 * batch},
        "adversarial_training": {"forward": attacks * batch, "backward": attacks * batch},
    }


def test_interrupted_in_any_arm_it_ends_as_if_it_had_not_been(
    every_arm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before every third classifier would be written."""
    whole, saved = classifiers.save, 0

    def interrupted(classifier: classifiers.Classifier, path: Path) -> None:
        nonlocal saved
        saved += 1
        if saved % 3 == 0:
            raise KeyboardInterrupt
        whole(classifier, path)

    monkeypatch.setattr(classifiers, "save", interrupted)
    interruptions = 0
    while True:
        try:
            results = Study.open(tmp_path / "study", EVERY_ARM).run()
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions >= 8
    uninterrupted = read_results(every_arm / "results.json")
    assert results | {"seconds": {}} == uninterrupted | {"seconds": {}}


def test_what_was_not_counted_is_left_out(every_arm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    shutil.copytree(every_arm, folder)
    (folder / "controls/rrr/classifiers/round-1.budget.json").unlink()
    results = Study.open(folder, EVERY_ARM).run()
    assert set(read_results(every_arm / "results.json")["budget"]) - set(results["budget"]) == {"rrr"}


@pytest.mark.parametrize("name", ["wrong_masks", "oracle_reward", "rrr"])
def test_an_arm_without_its_masks_is_named_before_any_work(
    name: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = study_module.task_of

    def without_masks(*given: object, **named: object) -> Task:
        task = whole(*given, **named)  # type: ignore[arg-type]
        return dataclasses.replace(task, train=dataclasses.replace(task.train, relevance=None, shortcut=None))

    monkeypatch.setattr(study_module, "task_of", without_masks)
    settings = dataclasses.replace(TINY, annotator="human", controls=("cross_entropy", name))
    with pytest.raises(InputError, match=f"The arm {name} needs relevance masks"):
        Study.open(tmp_path / "study", settings)
    assert not (tmp_path / "study").exists()
    Study.open(tmp_path / "study", dataclasses.replace(settings, controls=("cross_entropy", "input_gradient")))


def test_rrr_can_be_told_of_the_shortcut_alone(tmp_path: Path) -> None:
    masks = dataclasses.replace(TINY.baselines, rrr_masks="shortcut")
    plain = dataclasses.replace(TINY, task="digits", baselines=masks, controls=("rrr",))
    with pytest.raises(InputError, match="The arm rrr needs shortcut masks"):
        Study.open(tmp_path / "study", plain)


def test_rrr_is_told_what_the_settings_say(tmp_path: Path) -> None:
    task = load_task("digits-decoy", train_images=50)
    bench = Bench(folder=tmp_path, settings=TINY, task=task, device=torch.device("cpu"))
    assert task.train.relevance is not None
    assert task.train.shortcut is not None
    assert torch.equal(arms.rrr(bench).keywords["irrelevant"], ~task.train.relevance)
    settings = dataclasses.replace(TINY, baselines=dataclasses.replace(TINY.baselines, rrr_masks="shortcut"))
    bench = dataclasses.replace(bench, settings=settings)
    assert torch.equal(arms.rrr(bench).keywords["irrelevant"], task.train.shortcut)


def test_those_who_want_wrong_reasons_are_as_many_and_err_as_often(tmp_path: Path) -> None:
    task = load_task("digits-decoy", train_images=50)
    bench = Bench(folder=tmp_path, settings=TINY, task=task, device=torch.device("cpu"))
    alone = arms.wrong_masks(bench)
    assert isinstance(alone, SimulatedAnnotator)
    assert alone.error_rate == TINY.error_rate
    crowd = arms.wrong_masks(dataclasses.replace(bench, settings=dataclasses.replace(TINY, crowd=(0.0, 0.3))))
    assert isinstance(crowd, Crowd)
    assert [member.error_rate for member in crowd.members] == [0.0, 0.3]
    assert task.train.relevance is not None
    for member in (alone, *crowd.members):
        assert member.split.relevance is not None
        assert torch.equal(member.split.relevance, ~task.train.relevance)
