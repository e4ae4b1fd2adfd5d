"""A study of pictures that are read from the disk gives the numbers of one whose pictures are in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainfb import Study, StudySettings, folder
from explainfb.doctor.examination import examine
from explainfb.study.settings import task_of
from explainfb.tasks.stored import on_demand
from explainfb.tasks.stored.on_demand import ImagesOnDemand
from small_studies import SMALL


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPLAINFB_CACHE", str(tmp_path / "kept"))
    random = np.random.default_rng(0)
    for number in range(100):
        place = tmp_path / "pictures" / ("cat", "dog")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        level = 90 + 60 * (number % 2)
        pixels = random.integers(level - 60, level + 60, (30, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return tmp_path / "pictures"


def run(settings: StudySettings, place: Path) -> tuple[dict[str, bytes], dict[str, object]]:
    """What a study wrote that holds its numbers, and its results."""
    study = Study.open(place, settings)
    results = study.run()
    files = [*place.rglob("*.safetensors"), *place.rglob("*.npz")]
    return {str(path.relative_to(place)): path.read_bytes() for path in files}, {
        name: (arm.clean_accuracy, arm.shifted_accuracy, arm.ece, arm.shortcut_share, arm.robust_accuracy)
        for name, arm in results.arms.items()
    }


def test_a_study_is_the_same_to_the_last_bit(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(
        SMALL,
        task=f"folder:{pictures}",
        image_size=28,
        plant="sticker",
        shortcut_rate=0.9,
        controls=("random_exchange", "no_shortcut"),
        lime=replace(SMALL.lime, control_variate=True, fill="data", n_samples=52),
        finetune=replace(SMALL.finetune, adversarial_epsilon=0.01),
    )
    found = {}
    for name, memory in (("memory", 2**30), ("disk", 0)):
        monkeypatch.setattr(on_demand, "IN_MEMORY", memory)
        assert isinstance(task_of(settings).train.images, ImagesOnDemand) == (name == "disk")
        found[name] = run(settings, tmp_path / name)
    (files, measured), (from_disk, measured_from_disk) = found["memory"], found["disk"]
    assert files.keys() == from_disk.keys()
    assert any("classifiers" in name for name in files)
    assert any("explanations" in name for name in files)
    assert [name for name in files if files[name] != from_disk[name]] == []
    assert measured == measured_from_disk


def test_the_doctor_says_the_same(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for memory in (2**30, 0):
        monkeypatch.setattr(on_demand, "IN_MEMORY", memory)
        findings = examine(folder(pictures, size=28).plant("watermark"), settings=SMALL.training)
        said.append([(finding.name, finding.passed, finding.seen) for finding in findings])
    assert said[0] == said[1]
