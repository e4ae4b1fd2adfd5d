"""The arms beside feedback: what they share, what each costs, and that none begins what it cannot end."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from rich.console import Console

from explainfb.classifiers.classifier import Classifier, clone, fingerprint, load_classifier, save_classifier
from explainfb.core.errors import InputError
from explainfb.evaluation.evaluator import Evaluation, evaluate
from explainfb.finetuning.optimisation import Finetuned, OnStep
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.preferences.simulated import Crowd, SimulatedAnnotator
from explainfb.results.json_file import read_results
from explainfb.results.records import Compute
from explainfb.study import folder as folder_module
from explainfb.study import study as study_module
from explainfb.study.arms import arm as arm_module
from explainfb.study.arms import methods, registry
from explainfb.study.arms.arm import FinetunedArm
from explainfb.study.arms.registry import ARMS, Arms
from explainfb.study.context import StudyContext
from explainfb.study.settings import Control, KnownControl
from explainfb.study.starting import declared
from explainfb.study.study import Study
from explainfb.sweeps.runner import SweepSettings, sweep
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task
from explainfb.testing.tiny import TINY

pytestmark = pytest.mark.usefixtures("blank_reports")
LITTLE = dataclasses.replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=6, explain_images=4)
# some images lack the shortcut: there are no groups to tell apart else
SOMETIMES = dataclasses.replace(TINY, shortcut_rate=0.8, baselines=BaselineSettings(jtt_steps=4))
EVERY_ARM = dataclasses.replace(SOMETIMES, controls=get_args(KnownControl), evaluation=LITTLE)


@pytest.fixture(scope="module")
def every_arm(blank_reports: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study with all controls that ran without interruption."""
    folder = tmp_path_factory.mktemp("every arm") / "study"
    Study.open(folder, EVERY_ARM).run()
    return folder


def weights(path: Path) -> str:
    """The same for files whose weights are: the order of what stands in their headers is chance."""
    return fingerprint(load_classifier(path))


def test_all_arms_start_from_one_classifier_and_end_as_different_ones(every_arm: Path) -> None:
    results = read_results(every_arm / "results.json")
    tuned = set(ARMS) - {"no_shortcut", "no_shortcut_cutout"}
    assert set(results.arms) == {*ARMS, "before", "feedback"}
    assert set(results.differences) == {*ARMS, "before"}
    without = [every_arm / f"controls/{name}/classifiers/round-0.safetensors" for name in set(ARMS) - tuned]
    assert len(set(map(weights, without))) == 1
    starts = {name: weights(every_arm / f"controls/{name}/classifiers/round-0.safetensors") for name in tuned}
    fresh = {starts.pop(name) for name in ("jtt", "group_dro")}
    assert set(starts.values()) == {weights(every_arm / "classifiers/round-0.safetensors")}
    assert len(fresh - set(starts.values())) == 1
    ends = [every_arm / f"controls/{name}/classifiers/round-2.safetensors" for name in tuned]
    different = {*map(weights, ends), weights(every_arm / "classifiers/round-2.safetensors")}
    # all images of this task have the same mask, so that one map for all is the annotator's whole utility
    assert len(different) == len(ends)
    constant, oracle = (results.arms[name] for name in ("constant_map", "oracle_reward"))
    assert constant.shifted_accuracy == oracle.shifted_accuracy
    assert [name for name in tuned if not list((every_arm / "controls" / name).glob("tensorboard/round-2/*"))] == []


def test_arms_beside_it_leave_a_control_as_it_is(every_arm: Path, tmp_path: Path) -> None:
    alone = Study.open(tmp_path / "study", dataclasses.replace(EVERY_ARM, controls=("random_answers",))).run()
    together = read_results(every_arm / "results.json")
    assert together.preferences == alone.preferences
    for name in ("before", "feedback", "random_answers"):
        assert together.arms[name] == alone.arms[name]


def test_what_an_arm_costs_is_what_arithmetic_says(every_arm: Path) -> None:
    compute = {name: arm.compute for name, arm in read_results(every_arm / "results.json").arms.items()}
    steps = TINY.rounds * TINY.finetune.steps
    batch = steps * TINY.finetune.batch_size
    training = TINY.training.steps * TINY.training.batch_size
    looks = TINY.training.steps // TINY.training.validate_every * 20
    assert compute["feedback"] is not None
    shown = compute["feedback"].forward - batch
    assert shown > 0
    assert shown % (TINY.lime.n_samples + 1) == 0
    # what feedback's rounds have explained from the same weights is not explained again by arms whose answers
    # teach nothing that is followed
    assert compute["random_answers"] is not None
    again = compute["random_answers"].forward - batch
    assert again % (TINY.lime.n_samples + 1) == 0
    assert 0 < again < shown
    first = EVERY_ARM.baselines.jtt_steps * TINY.training.batch_size
    attacks = 1 + TINY.finetune.adversarial_steps
    assert compute == {
        "before": Compute(training + looks, training),
        "no_shortcut": Compute(training + looks, training),
        **dict.fromkeys(("cutout", "constant_map", "no_shortcut_cutout"), Compute(batch, batch)),
        "feedback": Compute(batch + shown, batch),
        "random_answers": Compute(batch + again, batch),
        "wrong_masks": Compute(batch + again, batch),
        "cross_entropy": Compute(batch, batch),
        "random_exchange": Compute(batch, batch),
        "oracle_reward": Compute(batch, batch),
        "rrr": Compute(batch, 3 * batch),
        "group_dro": Compute(batch, batch),
        "dfr": Compute(TINY.rounds * 20, 0),
        "jtt": Compute(batch + TINY.rounds * (first + 20 + 200), batch + TINY.rounds * first),
        "input_gradient": Compute(batch, 3 * batch),
        "adversarial_training": Compute(attacks * batch, attacks * batch),
    }


def test_interrupted_in_any_arm_it_ends_as_if_it_had_not_been(
    every_arm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before every third classifier would be written."""
    whole, saved = save_classifier, 0

    def interrupted(classifier: Classifier, path: Path) -> None:
        nonlocal saved
        saved += 1
        if saved % 3 == 0:
            raise KeyboardInterrupt
        whole(classifier, path)

    for module in ("arms.arm", "rounds"):
        monkeypatch.setattr(f"explainfb.study.{module}.save_classifier", interrupted)
    interruptions = 0
    while True:
        try:
            results = Study.open(tmp_path / "study", EVERY_ARM).run()
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions >= 8
    uninterrupted = read_results(every_arm / "results.json")
    assert dataclasses.replace(results, seconds=uninterrupted.seconds) == uninterrupted


def test_what_was_not_counted_is_left_out(every_arm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    shutil.copytree(every_arm, folder)
    (folder / "controls/rrr/classifiers/round-1.budget.json").unlink()
    (folder / "results.json").unlink()
    results = Study.open(folder, EVERY_ARM).run()
    assert [name for name, arm in results.arms.items() if arm.compute is None] == ["rrr"]


def halved(
    classifier: Classifier, split: Split, *, settings: FinetuneSettings, seed: int, on_step: OnStep | None = None
) -> Finetuned:
    """A method of one's own: every weight halved."""
    twin = clone(classifier)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.mul_(0.5)
    return Finetuned(twin)


def test_an_arm_of_ones_own_is_run_and_measured_in_a_study_and_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "ARMS", Arms(ARMS))
    for module in (study_module, declared):
        monkeypatch.setattr(module, "ARMS", registry.ARMS)
    registry.ARMS["halved"] = FinetunedArm(
        label="half of it", meaning="every weight halved", method=lambda context: halved
    )
    settings = dataclasses.replace(TINY, rounds=1, evaluation=LITTLE)
    wanted = SweepSettings(folder=tmp_path, seeds=1, controls=("random_exchange", "halved"), jobs=1)
    summary = sweep(wanted, settings, Console(quiet=True))
    assert {"before", "random_exchange", "halved", "feedback"} == set(summary.only.arms)
    study = tmp_path / "seed-0"
    results = read_results(study / "results.json")
    assert list(results.arms) == ["before", "random_exchange", "halved", "feedback"]
    assert "--controls random_exchange halved" in results.command
    first, last = (
        load_classifier(study / f"controls/halved/classifiers/round-{number}.safetensors") for number in (0, 1)
    )
    assert all(torch.equal(a / 2, b) for a, b in zip(first.parameters(), last.parameters(), strict=True))
    described = results.arms["halved"].arm
    assert (described.label, described.meaning) == ("half of it", "every weight halved")


def test_a_classifier_that_no_round_changed_is_not_measured_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Classifier] = []

    def counting(classifier: Classifier, task: Task, **options: Any) -> Evaluation:
        measured.append(classifier)
        return evaluate(classifier, task, **options)

    def unchanged(classifier: Classifier, split: Split, **options: Any) -> Finetuned:
        return Finetuned(clone(classifier))

    monkeypatch.setattr(registry, "ARMS", Arms(ARMS))
    for module in (study_module, declared):
        monkeypatch.setattr(module, "ARMS", registry.ARMS)
    monkeypatch.setattr(study_module, "evaluate", counting)
    registry.ARMS["unchanged"] = FinetunedArm(method=lambda context: unchanged)
    settings = dataclasses.replace(TINY, rounds=1, evaluation=LITTLE, controls=("unchanged",))
    results = Study.open(tmp_path / "study", settings).run()
    assert len(measured) == 2  # before and feedback
    assert results.arms["unchanged"].ece == results.arms["before"].ece
    assert results.arms["unchanged"].robust_accuracy == results.arms["before"].robust_accuracy


def test_a_name_without_an_arm_is_refused_before_any_work(tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, controls=("cross_entropy", "random_answer"))
    with pytest.raises(InputError, match=r"no arm 'random_answer'; did you mean 'random_answers'\?"):
        Study.open(tmp_path / "study", settings)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("name", ["cross_entropy", "feedback", "before", "after", "ceiling", "No Name", "../up", "1st"])
def test_an_arms_name_is_its_own_and_can_name_a_folder(name: str) -> None:
    with pytest.raises(InputError, match=rf"There is a {name} already|small letters, digits and underscores"):
        Arms(ARMS)[name] = FinetunedArm(annotator=methods.coin)


def test_there_is_no_ceiling_above_a_classifier_that_is_not_trained(tmp_path: Path) -> None:
    """It would be the same classifier: with steps of 0 both are as they were built."""
    settings = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, steps=0))
    with pytest.raises(InputError, match=r"The arm no_shortcut is trained as the classifier was, .* leave it out"):
        Study.open(tmp_path / "study", settings)
    Study.open(tmp_path / "sound", dataclasses.replace(settings, task="digits"))


@pytest.mark.parametrize("name", ["wrong_masks", "oracle_reward", "rrr"])
def test_an_arm_without_its_masks_is_named_before_any_work(
    name: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = folder_module.task_of

    def without_masks(*given: object, **named: object) -> Task:
        task = whole(*given, **named)  # type: ignore[arg-type]
        return dataclasses.replace(task, train=dataclasses.replace(task.train, relevance=None, shortcut=None))

    monkeypatch.setattr(folder_module, "task_of", without_masks)
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
    context = StudyContext(folder=tmp_path, settings=TINY, task=task, device=torch.device("cpu"))
    assert task.train.relevance is not None
    assert task.train.shortcut is not None
    assert torch.equal(methods.rrr(context).keywords["irrelevant"], ~task.train.relevance)
    settings = dataclasses.replace(TINY, baselines=dataclasses.replace(TINY.baselines, rrr_masks="shortcut"))
    context = dataclasses.replace(context, settings=settings)
    assert torch.equal(methods.rrr(context).keywords["irrelevant"], task.train.shortcut)


def test_those_who_want_wrong_reasons_are_as_many_and_err_as_often(tmp_path: Path) -> None:
    task = load_task("digits-decoy", train_images=50)
    context = StudyContext(folder=tmp_path, settings=TINY, task=task, device=torch.device("cpu"))
    alone = methods.wrong_masks(context)
    assert isinstance(alone, SimulatedAnnotator)
    assert alone.error_rate == TINY.error_rate
    crowd = methods.wrong_masks(dataclasses.replace(context, settings=dataclasses.replace(TINY, crowd=(0.0, 0.3))))
    assert isinstance(crowd, Crowd)
    assert [member.error_rate for member in crowd.members] == [0.0, 0.3]
    assert task.train.relevance is not None
    for member in (alone, *crowd.members):
        assert member.split.relevance is not None
        assert torch.equal(member.split.relevance, ~task.train.relevance)


def test_the_arm_without_the_shortcut_learns_from_the_same_images_without_the_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, given = load_task("digits-decoy", train_images=50), []
    monkeypatch.setattr(arm_module, "train_first", lambda context, files, task, title: given.append(task))
    context = StudyContext(folder=tmp_path, settings=TINY, task=task, device=torch.device("cpu"))
    ARMS["no_shortcut"].run("no_shortcut", context)
    for with_patch, without in ((task.train, given[0].train), (task.validation, given[0].validation)):
        assert with_patch.shortcut is not None
        differs = (with_patch.images != without.images).any(1)
        assert differs.flatten(1).any(1).all()
        assert not (differs & ~with_patch.shortcut).any()
        assert torch.equal(with_patch.labels, without.labels)
