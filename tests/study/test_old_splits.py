"""A study of pictures that were divided by an earlier rule goes on with them as it was begun."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainfb.core.errors import InputError
from explainfb.study import folder as folder_module
from explainfb.study.settings_file import read_settings
from explainfb.study.study import Study
from explainfb.tasks.datasets import folder_task, load_task
from explainfb.testing.tiny import TINY


def draw(root: Path) -> Path:
    """Many pictures of one class and four of another, none of which falls into validation by its hash."""
    number = 0
    for name, count in (("many", 60), ("rare", 4)):
        made = 0
        while made < count:
            number += 1
            file = root / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng(number).integers(0, 256, (12, 12), dtype=np.uint8)).save(file)
            if name == "rare" and part_of(file) == "validation":
                file.unlink()
            else:
                made += 1
    return root


def part_of(file: Path) -> str:
    """By the rule of then, written down anew."""
    place = int(hashlib.sha256(file.read_bytes()).hexdigest()[:16], 16) / 2**64
    return "test" if place < 0.2 else "validation" if place < 0.3 else "train"


def test_it_is_opened_with_the_parts_of_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = draw(tmp_path / "pictures")
    settings = replace(TINY, task=f"folder:{pictures}", image_size=12, annotator="human", controls=())
    with monkeypatch.context() as earlier:
        earlier.setattr(folder_module, "task_of", lambda *_: folder_task(settings.task, 12, 200, every_class=False))
        Study.open(tmp_path / "then", settings)
    old, new = Study.open(tmp_path / "then").task, Study.open(tmp_path / "now", settings).task
    parts = [part_of(file) for file in pictures.rglob("*.png")]
    for task, rare in ((old, 0), (new, 1)):
        assert int((task.validation.labels == task.class_names.index("rare")).sum()) == rare
    assert [len(old.train), len(old.validation), len(old.clean)] == [
        parts.count("train"),
        min(parts.count("validation"), 20),
        parts.count("test"),
    ]
    assert torch.equal(new.train.images, load_task(settings.task, image_size=12, train_images=200).train.images)
    next(pictures.rglob("many/*.png")).unlink()
    with pytest.raises(InputError, match="data are not those"):
        Study.open(tmp_path / "then", read_settings(tmp_path / "then" / "study.toml"))
