"""Rewards of closed rounds are learned anew from the answers that count, without asking anybody."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from explainfb.archive.refitting import plan_refit, prepare_refit
from explainfb.classifiers.classifier import save_classifier
from explainfb.classifiers.training import train
from explainfb.core.manifest import begin_manifest
from explainfb.store import Store
from explainfb.study.context import StudyContext
from explainfb.study.reward_rounds import SimulatedRounds, feedback_rounds
from explainfb.study.settings import task_of
from explainfb.testing.tiny import TINY

PEOPLE = replace(TINY, rounds=2, crowd=(0.0, 0.5), finetune=replace(TINY.finetune, steps=1), question="yes-no")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StudyContext, SimulatedRounds]]:
    """Two rounds that two people have answered, one of whom errs in half of what she says."""
    task = task_of(PEOPLE)
    folder = tmp_path_factory.mktemp("refit")
    begin_manifest(folder)
    context = StudyContext(folder=folder, settings=PEOPLE, task=task, device=torch.device("cpu"))
    save_classifier(train(task, settings=PEOPLE.training, seed=0), context.feedback_folder.classifier_path(0))
    with Store(folder / "study.db") as store:
        arm = feedback_rounds(context, store)
        assert isinstance(arm, SimulatedRounds)
        arm.run()
        for number in (1, 2):
            store.close_round(number)
        yield context, arm


def test_leaving_someone_out_is_told_and_learned(ran: tuple[StudyContext, SimulatedRounds]) -> None:
    context, arm = ran
    store, files = arm.store, context.feedback_folder
    assert plan_refit(context.folder, store).first is None
    before = {number: files.reward_path(number).read_bytes() for number in (1, 2)}
    store.annotators.add("Rea")
    store.annotators.exclude("simulated-2", by="Rea", reason="a coin")
    refit = plan_refit(context.folder, store)
    given = sum(each.annotator == "simulated-2" for each in store.answers())
    assert (refit.first, refit.last) == (1, 2)
    assert f"The {given} answers of simulated-2 no longer count." in str(refit)
    prepare_refit(context.folder, store, refit)
    assert not files.reward_path(1).is_file()
    people = feedback_rounds(replace(context, settings=replace(PEOPLE, crowd=(), annotator="human")), store)
    people.run()
    assert all(files.reward_path(number).read_bytes() != before[number] for number in (1, 2))
    assert store.rounds() == {1: False, 2: False}  # nobody is asked in her place
    assert plan_refit(context.folder, store).first is None
    store.annotators.include("simulated-2", by="Rea", reason="no coin")
    prepare_refit(context.folder, store, plan_refit(context.folder, store))
    people.run()
    assert {number: files.reward_path(number).read_bytes() for number in (1, 2)} == before
    store.annotators.forget("simulated-2")
    assert "1 person was forgotten since." in str(plan_refit(context.folder, store))
