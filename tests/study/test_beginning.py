"""What can be refused is refused before the folder is a study; a start that failed leaves the corrected one free."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from explainfb.classifiers.networks import BUILDERS
from explainfb.core.errors import InputError
from explainfb.store import Store
from explainfb.study.folder import locked
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import read_settings
from explainfb.study.study import Study
from explainfb.tasks.datasets import load_task
from explainfb.testing.tiny import TINY
from small_studies import SMALL


def needs_two(architecture: object) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))


def twice_is_too_much(architecture: object) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.Hardsigmoid(), nn.Linear(8, 10))


def for_larger_images(architecture: object) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 64), nn.Flatten(), nn.LazyLinear(10))


def ends_in_a_sigmoid(architecture: object) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Sigmoid())


def of_other_classes(architecture: object) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 7))


BUILT = {
    "sigmoid": ends_in_a_sigmoid,
    "seven": of_other_classes,
    "needs_two": needs_two,
    "twice": twice_is_too_much,
    "large": for_larger_images,
}


@pytest.fixture(autouse=True)
def builders(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, build in BUILT.items():
        monkeypatch.setitem(BUILDERS, name, build)


def trained(**training: object) -> StudySettings:
    return replace(TINY, training=replace(TINY.training, **training), controls=())


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (trained(classifier="lenett"), "did you mean 'lenet'"),
        (replace(trained(classifier="squeezenet1_1"), weights="nothere.pth"), r"No weights at nothere\.pth"),
        (
            replace(TINY, weights="some.pth"),
            "no classifier 'lenet', and so there are no weights of it; leave --weights out",
        ),
        (trained(classifier="needs_two", batch_size=1), "cannot be trained on batches of 1 images"),
        (trained(classifier="sigmoid"), "sigmoid returns probabilities, and logits are expected"),
        (trained(classifier="seven"), r"returns logits of shape \(2, 10\) for 2 images; seven returned shape \(2, 7\)"),
        (trained(classifier="large"), "cannot be trained on batches of 64 images"),
        (
            replace(trained(classifier="twice"), controls=("rrr",)),
            "The arm rrr needs a network with second derivatives",
        ),
        (replace(trained(classifier="twice"), controls=("input_gradient",)), "The arm input_gradient needs a network"),
    ],
)
def test_a_start_that_is_refused_leaves_the_corrected_one_free(
    tmp_path: Path, settings: StudySettings, why: str
) -> None:
    with pytest.raises(InputError, match=why):
        Study.open(tmp_path / "study", settings)
    assert not (tmp_path / "study" / "study.toml").exists()
    Study.open(tmp_path / "study", replace(TINY, task="digits-decoy"))


def test_a_study_that_has_made_nothing_may_be_begun_again_with_other_settings_and_data(tmp_path: Path) -> None:
    diverges = trained(learning_rate=1e30)
    with pytest.raises(InputError, match="lower the learning rate"):
        Study.open(tmp_path, diverges).run_feedback()
    again = replace(TINY, train_images=150, rounds=1, controls=())
    Study.open(tmp_path, again).run_feedback()
    assert read_settings(tmp_path / "study.toml") == again
    with pytest.raises(InputError, match="was begun with other settings"):
        Study.open(tmp_path, diverges)


def test_a_study_that_has_asked_is_not_begun_again(tmp_path: Path) -> None:
    """The classifiers may be lost, but the answers are about them."""
    settings = replace(TINY, rounds=1, controls=())
    Study.open(tmp_path, settings).run_feedback()
    for name in ("classifiers", "explanations", "reward", "evaluations"):
        shutil.rmtree(tmp_path / name)
    with Store(tmp_path / "study.db") as store:
        assert store.comparisons()
    with pytest.raises(InputError, match="was begun with other settings"):
        Study.open(tmp_path, replace(settings, rounds=2))


def test_ten_images_of_some_classes_make_a_study_or_a_sentence(tmp_path: Path) -> None:
    task = load_task("digits-decoy", train_images=10)
    missing = sorted(set(range(10)) - set(task.train.labels.tolist()))
    assert missing
    assert task.notes == (
        f"No training image shows {', '.join(map(str, missing))}, which can so not be learned; "
        "take more with --train-images.",
    )
    ten = replace(SMALL, train_images=10, controls=("cross_entropy",))
    with pytest.raises(InputError, match="10 training images are too few for 250 different comparisons"):
        Study.open(tmp_path / "many", replace(ten, comparisons_per_round=250))
    assert not (tmp_path / "many").exists()
    results = Study.open(tmp_path / "few", replace(ten, comparisons_per_round=8)).run()
    assert results.preferences.answers == 8
    assert 0 < results.feedback.clean_accuracy.estimate < 0.9


def test_weights_are_read_before_the_study_is_begun(tmp_path: Path) -> None:
    torch.save(torchvision.models.squeezenet1_0(num_classes=10).state_dict(), tmp_path / "other.pth")
    settings = replace(trained(classifier="squeezenet1_1"), weights=str(tmp_path / "other.pth"))
    with pytest.raises(InputError, match="does not hold the weights of squeezenet1_1"):
        Study.open(tmp_path / "study", settings)
    assert not (tmp_path / "study").exists()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system on which nothing can be written; root may write everywhere else."""
    place = tmp_path / "read-only"
    place.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "ro", "none", place], capture_output=True).returncode
    if done != 0:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be made \(there is a file of that name\)"):
        Study.open(tmp_path / "file", TINY)
    places = [
        tmp_path / "file",
        tmp_path / "file" / "below",
        *([Path("/proc/studies")] if os.path.isdir("/proc") else []),
    ]
    for place in places:
        with pytest.raises(InputError, match="cannot be made"), locked(place):
            pass


def test_a_read_only_file_system_is_told(read_only: Path) -> None:
    with pytest.raises(InputError, match="cannot be made"), locked(read_only / "study"):
        pass
    with pytest.raises(InputError, match="cannot be written"), locked(read_only):
        pass


AFAR = """
import sys
from dataclasses import replace
from explainfb import InputError, Study
from explainfb.testing.tiny import TINY
def attempt(seed, act):
    try:
        act(Study.open(sys.argv[1], replace(TINY, controls=(), seed=seed)))
        print("done")
    except InputError as error:
        print(error)
attempt(5, lambda study: None)
attempt(0, lambda study: None)
attempt(0, lambda study: study.run())
"""


def test_a_study_that_is_being_run_is_not_begun_again_by_others(tmp_path: Path) -> None:
    """While its first classifier is trained, nothing is made yet by which its settings could be told to be in use."""
    settings = replace(TINY, controls=())
    with locked(tmp_path):
        Study.open(tmp_path, settings)
        words = [sys.executable, "-c", AFAR, str(tmp_path)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    for place in (0, 2):  # with other settings, and to run it
        assert "is being run by another process" in said[place]
    assert said[1] == "done", "the app opens a study while it is run"
    assert read_settings(tmp_path / "study.toml") == settings
