"""A sound set-up passes every check, and what is examined is left as it is."""

from pathlib import Path

import pytest
import torch

from doctor_plants import SHORT, half_digits, named, regularised, with_network, wrong
from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import train
from explainfb.core.errors import InputError
from explainfb.doctor import examine, examine_classifier
from explainfb.doctor.examination import CHECKS, name_of
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> Task:
    return half_digits()


@pytest.mark.parametrize(("name", "seed"), [("digits", 0), ("digits-decoy", 1)])
def test_a_sound_setup_passes_every_check(name: str, seed: int) -> None:
    assert wrong(examine(load_task(name, seed=seed), seed=seed)) == []


def test_batch_normalisation_and_dropout_are_no_fault(digits: Task) -> None:
    findings = examine(digits, build=with_network(digits, regularised))
    assert wrong(findings) == []
    assert "batch normalisation" in named(findings, "own image only").expected


def test_a_trained_classifier_is_examined_and_left_as_it_is(digits: Task) -> None:
    classifier = train(digits, settings=SHORT).train()
    classifier.zero_grad()
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    state = torch.get_rng_state()
    assert wrong(examine_classifier(digits, classifier, settings=SHORT)) == []
    assert torch.equal(torch.get_rng_state(), state)
    assert classifier.training
    assert all(torch.equal(before[name], tensor) for name, tensor in classifier.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_progress_is_told_and_pictures_are_drawn(digits: Task, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    folder = tmp_path / "new" / "doctor"
    findings = examine(digits, folder=folder, settings=SHORT, on_check=lambda *progress: told.append(progress))
    assert told == [(name_of(check), done, len(CHECKS)) for done, check in enumerate(CHECKS)]
    assert [finding.name for finding in findings] == [name for name, _, _ in told]
    drawn = {finding.name: finding.picture for finding in findings if finding.picture}
    assert drawn == {
        "network inputs": folder / "fed-images.png",
        "simple models beaten": folder / "linear-weights.png",
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn.values())


def test_bad_input_is_not_taken_for_a_finding(digits: Task, tmp_path: Path) -> None:
    def refuses() -> Classifier:
        raise InputError("no such network")

    with pytest.raises(InputError, match="no such network"):
        examine(digits, build=refuses)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"The folder .*file.* cannot be made"):
        examine(digits, folder=tmp_path / "file")
