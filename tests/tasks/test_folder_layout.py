"""Every entry of a folder of pictures is something, or is refused by name; nothing is passed over in silence."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainfb.core.errors import InputError
from explainfb.tasks.datasets import load_task
from explainfb.tasks.folder_layout import read_layout


def save(path: Path, seed: int, *, levels: int = 256, bits: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = np.uint8 if bits == 8 else np.uint16
    Image.fromarray(np.random.default_rng(seed).integers(0, levels, (9, 9)).astype(kind)).save(path)
    return path


def fill(root: Path, *folders: str, count: int = 4) -> Path:
    for place, folder in enumerate(folders):
        for index in range(count):
            save(root / folder / f"{index}.png", 1000 * place + index)
    return root


@pytest.mark.parametrize(
    "names",
    [
        ("Training", "Testing"),
        ("Train", "Test"),
        ("TRAIN", "TEST"),
        ("seg_train", "seg_test"),
        ("training", "validation"),
        ("train2017", "val2017"),
        ("train", "Test"),
        ("training_set", "test_set", "single_prediction"),
        ("Training", "extra"),
        ("train", "test", "test_shifted"),
        ("train", "Test-Shifted"),
        ("train", "shifted"),
    ],
)
def test_folders_called_nearly_as_the_parts_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    root = fill(tmp_path, *(f"{part}/{name}" for part in names for name in ("cat", "dog")))
    with pytest.raises(InputError, match=r"call them train, validation and test|holds the folders") as refused:
        read_layout(root)
    assert all(name in str(refused.value) for name in names)


@pytest.mark.parametrize(
    "names",
    [("images", "masks"), ("Images", "Annotations"), ("train/imgs", "train/labels", "test/imgs", "test/labels")],
)
def test_pictures_and_their_masks_are_no_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="A mask lies beside its picture"):
        read_layout(fill(tmp_path, *names))


@pytest.mark.parametrize(
    "names",
    [("train", "bus"), ("trains", "buses"), ("with_mask", "without_mask"), ("test tube", "beaker"), ("label", "tag")],
)
def test_classes_may_have_such_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert read_layout(fill(tmp_path, *names)).class_names == tuple(sorted(names))


@pytest.mark.parametrize(
    "name",
    [
        "0.relevance.PNG",
        "0.Relevance.png",
        "0.relevence.png",
        "0.relevance.jpg",
        "0.shortcuts.png",
        "0_mask.png",
        "0.mask.png",
    ],
)
def test_a_file_called_nearly_as_a_mask_is_no_picture(tmp_path: Path, name: str) -> None:
    root = fill(tmp_path, "a", "b")
    save(root / "a" / "x.png", 7).rename(root / "a" / name)
    with pytest.raises(InputError, match=f"{name} is called nearly as a mask is; masks are called one.relevance.png"):
        read_layout(root)


def test_pictures_with_such_words_in_their_names_are_pictures(tmp_path: Path) -> None:
    root = fill(tmp_path, "a", "b")
    for name in ("face_with_mask.png", "v1.2.png", "no relevance.png", "mask.png"):
        save(root / "a" / name, 7)
    assert len(read_layout(root).files) == 12


def test_links_are_followed_and_dead_ones_all_named(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures", "a", "b")
    fill(tmp_path, "elsewhere", count=3)
    (root / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    layout = read_layout(root)
    assert (len(layout.files), layout.class_names) == (14, ("a", "b", "c"))
    for number in range(30):
        (root / "b" / f"lost-{number:02}.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(
        InputError, match=r"30 files: .*lost-00\.png links to a file that is not there.* and 10 files more"
    ):
        read_layout(root)


def test_a_dead_link_beside_the_classes_and_one_in_a_circle_are_named(tmp_path: Path) -> None:
    root = fill(tmp_path, "a", "b")
    (root / "a" / "round").symlink_to(root / "a")
    with pytest.raises(InputError, match="round links to a folder that holds it"):
        read_layout(root)
    (root / "a" / "round").unlink()
    (root / "c").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="c links to a file that is not there"):
        read_layout(root)


def test_pictures_beside_the_classes_are_refused_and_other_files_told(tmp_path: Path) -> None:
    root = fill(tmp_path, "a", "b", count=6)
    (root / "LICENCE").write_text("free")
    assert [note.split(":")[0] for note in load_task(f"folder:{root}", image_size=8).notes] == [
        "Left out, because it lies beside the class folders"
    ]
    save(root / "stray.jpg", 3)
    with pytest.raises(InputError, match=r"stray\.jpg lies beside the class folders; move each picture"):
        read_layout(root)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
@pytest.mark.parametrize("name", [b"caf\xe9", b"two\nlines"])
def test_a_class_whose_name_no_file_could_hold_is_refused(tmp_path: Path, name: bytes) -> None:
    root = fill(tmp_path, "a", "b")
    os.rename(os.fsencode(root / "b"), os.fsencode(root) + b"/" + name)
    with pytest.raises(InputError, match="not UTF-8 or has characters that cannot be printed; rename it") as refused:
        read_layout(root)
    str(refused.value).encode()


def test_class_names_that_look_the_same_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'Cat' and 'cat', which differ in capitals"):
        read_layout(fill(tmp_path, "cat", "Cat"))


def test_all_damaged_files_are_named_at_once_and_why(tmp_path: Path) -> None:
    root = fill(tmp_path, "a", "b", count=10)
    for name, keep in (("a/0", 0), ("a/1", -40), ("b/2", 60)):
        file = root / f"{name}.png"
        file.write_bytes(file.read_bytes()[:keep])
    (root / "b" / "3.png").write_text("<html>not found</html>")
    with pytest.raises(InputError, match="4 files: ") as refused:
        load_task(f"folder:{root}", image_size=8)
    said = str(refused.value)
    assert "a/0.png cannot be read as a picture (it is empty)" in said
    assert "b/3.png cannot be read as a picture (its bytes are those of no picture)" in said
    assert all(name in said for name in ("a/1.png", "b/2.png"))


def test_damage_that_only_decoding_finds_is_told_at_once_too(tmp_path: Path) -> None:
    root = fill(tmp_path, "a", "b", count=10)
    for name in ("a/0", "a/1", "b/2"):
        file = root / f"{name}.png"
        file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(InputError, match="3 files: "):
        load_task(f"folder:{root}", image_size=8)


def test_twelve_bits_in_sixteen_are_told(tmp_path: Path) -> None:
    for index in range(12):
        save(tmp_path / "ab"[index % 2] / f"{index}.png", index, levels=4096, bits=16)
    [note] = load_task(f"folder:{tmp_path}", image_size=8).notes
    assert re.match(r"No picture is brighter than [67]% of white\.", note)
