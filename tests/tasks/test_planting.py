"""Shortcuts planted in pictures: what is drawn, where it is said to be, at what rate, and the twin without."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainfb import (
    Background,
    Frame,
    Grey,
    InputError,
    Position,
    Sticker,
    StudySettings,
    Task,
    Tint,
    Watermark,
    folder,
    load_task,
)
from explainfb.study.settings import command_line, task_of
from explainfb.tasks.planting.kinds import NAMES, Plant, parse_plant

KINDS = (Watermark(), Sticker(), Frame(), Background(), Tint(), Position(), Grey())
Pets = Callable[..., Path]


@pytest.fixture
def pets(tmp_path: Path) -> Pets:
    def write(masks: bool = True, size: tuple[int, int] = (48, 36), each: int = 12) -> Path:
        random = np.random.default_rng(0)
        for name in ("cat", "dog", "emu"):
            place = tmp_path / "pets" / name
            place.mkdir(parents=True)
            for number in range(each):
                pixels = random.integers(60, 200, (size[1], size[0], 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
                if masks:
                    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
                    mask[10:26, 14:30] = 255
                    Image.fromarray(mask).save(place / f"{number}.relevance.png")
        return tmp_path / "pets"

    return write


def carrying(task: Task) -> torch.Tensor:
    assert task.train.shortcut_class is not None
    return task.train.shortcut_class >= 0


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_every_kind_changes_what_its_mask_says_and_nothing_else(kind: Plant, pets: Pets) -> None:
    plain = folder(pets(), size=40, fit="pad")
    task = plain.plant(kind, rate=0.7, seed=3)
    for split, without in ((task.train, plain.train), (task.shifted, plain.clean)):
        assert split is not None
        changed = (split.images != without.images).any(1)
        if split.shortcut is None:
            assert isinstance(kind, Tint)
            continue
        assert not bool((changed & ~split.shortcut).any())
        assert split.relevance is not None
        assert not bool((split.relevance & split.shortcut).any())
    rate = float(carrying(task).float().mean())
    assert 0.4 < rate < 0.95
    assert torch.equal(task.train.images[~carrying(task)], plain.train.images[~carrying(task)])
    assert bool((task.train.images != plain.train.images).flatten(1).any(1)[carrying(task)].all())
    assert task.train_without_shortcut is plain.train
    assert task.shifted is not None
    assert task.shifted.shortcut_class is not None
    assert bool((task.shifted.shortcut_class >= 0).all())
    assert bool((task.shifted.shortcut_class != task.shifted.labels).any())


@pytest.mark.parametrize("kind", [Watermark(), Sticker(), Frame(), Tint(), Position(), Grey()], ids=repr)
def test_it_gives_the_class_away(kind: Plant, pets: Pets) -> None:
    """On grey pictures, nothing but what was planted can tell classes apart; the nearest class mean finds it."""
    plain = folder(pets(masks=False), size=40, fit="pad")
    grey = {name: replace(getattr(plain, name), images=torch.full_like(getattr(plain, name).images, 0.5))
            for name in ("train", "validation", "clean")}  # fmt: skip
    task = replace(plain, **grey).plant(kind)
    colours = task.train.images.flatten(2).std(2) if isinstance(kind, Sticker | Grey) else task.train.images.flatten(1)
    colours = torch.cat([colours, task.train.images.flatten(2).mean(2)], 1)
    means = torch.stack([colours[task.train.labels == label].mean(0) for label in range(3)])
    found = torch.cdist(colours, means).argmin(1)
    assert float((found == task.train.labels).float().mean()) > 0.9


def test_every_plant_is_written_and_read_again() -> None:
    for kind in (*KINDS, Watermark("photo: {number}", size=0.2), Sticker(0.4)):
        assert parse_plant(repr(kind)) == kind
    assert {parse_plant(name) for name in NAMES} == set(KINDS)
    assert parse_plant("watermark(text='by {class}')") == Watermark("by {class}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("balloon", "give one of watermark, sticker"),
        ("watermark(", "no shortcut that can be planted"),
        ("__import__('os').system('true')", "no shortcut that can be planted"),
        ("sticker(size=2)", r"Sticker\.size is a share in \(0, 1\]; found 2"),
        ("sticker(colour=1)", "no shortcut that can be planted"),
        ("watermark('mine')", "in its text; found 'mine'"),
    ],
)
def test_what_cannot_be_planted_is_told(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        parse_plant(text)


def test_refusals_of_tasks(pets: Pets) -> None:
    task = folder(pets(masks=False), size=32, fit="pad")
    with pytest.raises(InputError, match=r"one\.relevance\.png"):
        task.plant("background")
    with pytest.raises(InputError, match="misleads, already"):
        load_task("digits-decoy").plant("frame")
    with pytest.raises(InputError, match="rate of a planted shortcut"):
        task.plant("frame", rate=0)


def test_a_background_is_anothers_and_the_object_stays(pets: Pets) -> None:
    plain = folder(pets(), size=40, fit="pad")
    task = plain.plant(Background())
    assert plain.train.relevance is not None
    kept = plain.train.relevance[:, None].expand(-1, 3, -1, -1)
    assert torch.equal(task.train.images[kept], plain.train.images[kept])
    assert bool(torch.isfinite(task.train.images).all())
    assert float((task.train.images - plain.train.images).abs()[~kept].mean()) > 0.05


def test_the_same_from_a_function_settings_a_file_and_the_command_line(pets: Pets, tmp_path: Path) -> None:
    path = pets()
    first = folder(path, size=40, fit="pad").plant(Watermark("by {class}"), rate=0.8, seed=2)
    (tmp_path / "task.toml").write_text(
        'path = "pets"\nimage_size = 40\nfit = "pad"\nplant = "Watermark(\'by {class}\')"\nrate = 0.8\nseed = 2\n'
    )
    settings = StudySettings(
        task=f"folder:{path}", image_size=40, fit="pad", plant="watermark('by {class}')", shortcut_rate=0.8, seed=2
    )
    for other in (task_of(settings), load_task(str(tmp_path / "task.toml"))):
        assert torch.equal(other.train.images, first.train.images)
        assert other.shifted is not None
        assert first.shifted is not None
        assert torch.equal(other.shifted.images, first.shifted.images)
    assert "--fit pad --plant" in command_line(settings)
    (tmp_path / "task.toml").write_text('path = "pets"\nsize = 40\n')
    with pytest.raises(InputError, match=r"task\.toml has settings that no task has: size"):
        load_task(str(tmp_path / "task.toml"))


def test_padding_keeps_all_and_what_cropping_cuts_off_is_told(pets: Pets) -> None:
    path = pets(size=(64, 32))
    padded, cropped = folder(path, size=32, fit="pad"), folder(path, size=32)
    assert float(padded.train.images[:, :, :8].abs().max()) == 0
    assert float(padded.train.images[:, :, 9:23].mean()) > 0.3
    assert padded.notes == ()
    assert "cuts off 50% of the median picture" in cropped.notes[0]
    assert padded.train.relevance is not None
    assert cropped.train.relevance is not None
    assert 0.05 < float(padded.train.relevance.float().mean()) < float(cropped.train.relevance.float().mean())
