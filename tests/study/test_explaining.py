"""A round's images are explained by as many threads as there are cores, and the numbers do not depend on how many."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from explainfb.classifiers.classifier import save_classifier
from explainfb.classifiers.compute import compute_of, counted
from explainfb.classifiers.passes import Passes
from explainfb.classifiers.training import train
from explainfb.core.devices import cores
from explainfb.core.errors import InputError
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.storage import Explanations, save_explanations
from explainfb.preferences.queries import Pool
from explainfb.study import explaining
from explainfb.study.context import StudyContext
from explainfb.study.explaining import explain_pool, rounds_that_differ
from explainfb.tasks.datasets import load_task
from explainfb.testing.tiny import TINY

POOL = Pool(round=1, current="round-0", earlier=None, fitted=np.arange(12), held_out=np.arange(12, 16))


def explained(folder: Path, threads: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Explanations, object]:
    task = load_task("digits-decoy", train_images=100)
    lime = LimeSettings(n_samples=52, superpixels="slic", n_segments=20, control_variate=True)
    settings = dataclasses.replace(TINY, lime=lime)
    context = StudyContext(folder=folder, settings=settings, task=task, device=torch.device("cpu"))
    save_classifier(train(task, settings=TINY.training), context.feedback_folder.classifier_path(0))
    monkeypatch.setattr(explaining, "cores", lambda: threads)
    with counted(folder / "product"):
        found = explain_pool(POOL, context, context.feedback_folder, "explaining")
    return found, compute_of([folder / "product"])


def test_the_numbers_do_not_depend_on_how_many_threads_explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, cost = explained(tmp_path / "one", 1, monkeypatch)
    together, same_cost = explained(tmp_path / "four", 4, monkeypatch)
    assert list(alone) == list(together) == POOL.keys
    assert cost == same_cost
    for key, one in alone.items():
        assert np.array_equal(one.weights, together[key].weights)
        assert np.array_equal(one.segments, together[key].segments)
        assert np.array_equal(one.standard_errors, together[key].standard_errors)


def test_what_goes_wrong_in_a_thread_is_told_and_the_rest_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Failing:
        def __init__(self, *given: object, **named: object) -> None: ...

        def __call__(self, images: torch.Tensor) -> list[Explanation]:
            asked.append(images)
            raise InputError("not this picture")

    monkeypatch.setattr(explaining, "Explainer", Failing)
    with pytest.raises(InputError, match="not this picture"):
        explained(tmp_path, 1, monkeypatch)
    assert len(asked) < 16


def test_a_process_uses_the_cores_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    for told, wanted in (("", 4), ("2", 2), ("9", 4), ("0", 4), ("many", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert cores() == wanted


def test_a_study_keeps_what_was_measured_and_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_task("digits-decoy", train_images=100)
    settings = dataclasses.replace(TINY, lime=dataclasses.replace(TINY.lime, passes="measured"))
    context = StudyContext(folder=tmp_path, settings=settings, task=task, device=torch.device("cpu"))
    save_classifier(train(task, settings=TINY.training), context.feedback_folder.classifier_path(0))
    found: list[Passes] = []
    for measured in (Passes(5, channels_last=True), Passes(9)):
        monkeypatch.setattr(explaining, "passes_of", lambda *given, measured=measured, **named: measured)
        monkeypatch.setattr(
            explaining, "Explainer", lambda *given, passes, **named: found.append(passes) or (lambda images: [None])
        )
        explain_pool(POOL, context, context.feedback_folder, "explaining")
    assert found == [Passes(5, channels_last=True)] * 2
    (tmp_path / explaining.PASSES).write_text('{"images": ')
    with pytest.raises(InputError, match=r"passes\.json is damaged"):
        explain_pool(POOL, context, context.feedback_folder, "explaining")


def test_nothing_is_explained_twice_and_nobody_compares_an_explanation_with_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task("digits-decoy", train_images=100)
    context = StudyContext(folder=tmp_path, settings=TINY, task=task, device=torch.device("cpu"))
    files, first = context.feedback_folder, train(task, settings=TINY.training)
    for number in (0, 1):  # the reward of round 1 was not followed
        save_classifier(first, files.classifier_path(number))
    made = explain_pool(POOL, context, files, "explaining")
    save_explanations(made, files.explanations_path(1))
    assert rounds_that_differ(files, 1) == []
    monkeypatch.setattr(explaining, "Explainer", None)  # whoever explains anew fails
    again = explain_pool(dataclasses.replace(POOL, round=2, current="round-1"), context, files, "explaining")
    for old, new in zip(made.values(), again.values(), strict=True):
        assert np.array_equal(old.weights, new.weights)
    monkeypatch.undo()
    with torch.no_grad():
        next(first.parameters()).view(-1)[0].add_(1e-6)
    save_classifier(first, files.classifier_path(1))
    assert rounds_that_differ(files, 1) == [0]
