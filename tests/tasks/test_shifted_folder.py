"""`test-shifted` in a folder of pictures: test pictures whose shortcut misleads, others than those of the test."""

import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from explainfb import InputError, Task, evaluate, folder, train
from explainfb.cli.printing import say_data
from explainfb.evaluation.arm_contrasts import contrast_arms
from explainfb.evaluation.evaluator import load_evaluation, save_evaluation
from explainfb.evaluation.summary import difference, summarise
from explainfb.results.measures import CLEAN, SHIFTED
from explainfb.results.records import ArmDescription
from explainfb.testing.tiny import TINY

ARM = ArmDescription("before", "before", "before any feedback", "before")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Dark and bright pictures with a corner that says the class; in test-shifted it says the other class, and there
    are other numbers of each than in test."""
    random = np.random.default_rng(0)
    for part, counts in (("train", (40, 40)), ("test", (10, 10)), ("test-shifted", (9, 16))):
        for label, name in enumerate(("dark", "bright")):
            for number in range(counts[label]):
                pixels = random.integers(0, 90, (28, 28, 3), dtype=np.uint8) + np.uint8(10 * label)
                says = 1 - label if part == "test-shifted" else label
                pixels[:12, :12] = 255 * says
                place = tmp_path / "pictures" / part / name
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return tmp_path / "pictures"


def with_groups(pictures: Path) -> Path:
    lines = [
        f"{file.relative_to(pictures)},{'land' if int(file.stem) % 2 else 'sea'}" for file in pictures.rglob("*.png")
    ]
    (pictures / "groups.csv").write_text("\n".join(["picture,group", *lines]) + "\n")
    return pictures


def test_it_is_read_and_what_run_prints_tells_of_it(pictures: Path) -> None:
    task = folder(pictures, size=28)
    assert task.shifted is not None
    assert task.shifted.labels.bincount().tolist() == [16, 9]  # bright is the first by name
    assert (len(task.clean), len(task.train) + len(task.validation)) == (20, 80)
    told = StringIO()
    say_data(Console(file=told, width=200), task)
    assert "training + validation + test + shifted test pictures: bright" in told.getvalue()
    assert "+ 10 + 16, dark" in told.getvalue()


def test_shifted_accuracy_and_the_worst_group_are_of_these_pictures(pictures: Path, tmp_path: Path) -> None:
    task = folder(with_groups(pictures), size=28)
    assert task.shifted is not None
    classifier = train(task, settings=replace(TINY.training, steps=60))
    measured = evaluate(classifier, task, settings=replace(TINY.evaluation, linf=(0.01,), l2=()))
    assert measured.shifted_labels is not None
    assert torch.equal(measured.test_labels, task.shifted.labels)
    save_evaluation(measured, tmp_path / "measured.safetensors")
    measured = load_evaluation(tmp_path / "measured.safetensors")
    arm = summarise(measured, ARM, seed=0)
    assert arm.n == 25
    assert arm.clean_accuracy.estimate == 1
    assert arm.shifted_accuracy is not None
    assert arm.shifted_accuracy.estimate < 0.5
    right = (measured.test_logits.argmax(1) == task.shifted.labels).double()
    groups = task.shifted.subgroups()
    assert groups is not None
    assert arm.worst_group_accuracy is not None
    worst = min(float(right[groups == group].mean()) for group in groups.unique())
    assert arm.worst_group_accuracy.estimate == pytest.approx(worst)
    same = difference(measured, measured, seed=0).of(SHIFTED)
    assert same is not None
    assert same.estimate == 0
    other = replace(measured, shifted_logits=-measured.test_logits)
    (found,) = (each for each in contrast_arms([measured] * 2, {"other": [other] * 2}) if each.measure == SHIFTED.key)
    assert found.difference == pytest.approx(2 * arm.shifted_accuracy.estimate - 1, abs=1e-6)
    assert difference(measured, other, seed=0).of(CLEAN) is not None


def test_what_stands_in_training_too_is_refused_and_in_test_too_is_not(pictures: Path) -> None:
    shutil.copy(pictures / "test" / "dark" / "1.png", pictures / "test-shifted" / "dark" / "copy.png")
    assert sum(map(len, parts(folder(pictures, size=28)))) == 80 + 20 + 26
    shutil.copy(pictures / "train" / "dark" / "1.png", pictures / "test-shifted" / "dark" / "other.png")
    with pytest.raises(InputError, match="the same picture in both"):
        folder(pictures, size=28)


def parts(task: Task) -> list[torch.Tensor]:
    assert task.shifted is not None
    return [split.labels for split in (task.train, task.validation, task.clean, task.shifted)]


def test_no_shortcut_is_planted_where_there_is_one(pictures: Path) -> None:
    with pytest.raises(InputError, match="misleads, already"):
        folder(pictures, size=28).plant("frame")


def test_without_a_test_folder_the_test_is_taken_from_training(pictures: Path) -> None:
    shutil.rmtree(pictures / "test")
    task = folder(pictures, size=28)
    assert [len(part) for part in parts(task)][3] == 25
    assert len(task.clean) >= 2
