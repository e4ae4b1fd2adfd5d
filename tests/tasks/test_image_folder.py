import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainfb.core.errors import InputError
from explainfb.tasks import image_folder as folders
from explainfb.tasks.datasets import load_task
from explainfb.tasks.image_folder import read_folder
from explainfb.tasks.stored import reading


def picture(seed: int, size: tuple[int, int] = (20, 16), mode: str = "RGB") -> Image.Image:
    """Noise of `size` (width, height); no two seeds are alike."""
    shape = (size[1], size[0], *((len(mode),) if mode in ("RGB", "RGBA") else ()))
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def save(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def fill(root: Path, count: int = 60, *, mode: str = "RGB", first: int = 0, classes: str = "ab") -> Path:
    for index in range(count):
        save(picture(first + index, mode=mode), root / classes[index % len(classes)] / f"{index:03}.png")
    return root


def digests(part: folders.Part) -> set[bytes]:
    return {image.numpy().tobytes() for image in part.images}


def everything(folder: folders.Folder) -> torch.Tensor:
    return torch.cat([folder.train.images, folder.validation.images, folder.test.images])


def test_a_folder_is_a_task(tmp_path: Path) -> None:
    task = load_task(f"folder:{fill(tmp_path)}", image_size=16)
    assert task.name == f"folder:{tmp_path}"
    assert task.class_names == ("a", "b")
    assert task.image_shape == (3, 16, 16)
    assert len(task.train) + len(task.validation) + len(task.clean) == 60
    assert task.train.relevance is None
    assert task.train.shortcut is None
    assert task.shifted is None


def test_labels_follow_the_folders(tmp_path: Path) -> None:
    for index in range(60):
        level = 10 + index + 100 * (index % 2)
        save(Image.new("L", (9, 9), level), tmp_path / ("dark", "light")[index % 2] / f"{index}.png")
    folder = read_folder(tmp_path, image_size=8)
    assert folder.class_names == ("dark", "light")
    for part in (folder.train, folder.validation, folder.test):
        assert torch.equal((part.images.amax((1, 2, 3)) * 255 > 100).long(), part.labels)


def test_the_split_is_about_seven_one_two_and_disjoint(tmp_path: Path) -> None:
    for index in range(600):
        save(Image.new("RGB", (1, 1), (index % 256, index // 256, 7)), tmp_path / "abc"[index % 3] / f"{index}.png")
    folder = read_folder(tmp_path, image_size=8)
    parts = [digests(part) for part in (folder.train, folder.validation, folder.test)]
    assert len(parts[0] | parts[1] | parts[2]) == sum(map(len, parts)) == 600
    assert [len(part) / 600 for part in parts] == pytest.approx([0.7, 0.1, 0.2], abs=0.05)


def test_the_split_depends_on_content_alone(tmp_path: Path) -> None:
    first = read_folder(fill(tmp_path / "one"), image_size=8)
    files = sorted((tmp_path / "one").rglob("*.png"))
    for index, file in enumerate(files):
        target = tmp_path / "two" / file.parent.name / "deeper" / f"{len(files) - index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    second = read_folder(tmp_path / "two", image_size=8)
    for name in ("train", "validation", "test"):
        one, other = getattr(first, name), getattr(second, name)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def test_one_more_picture_moves_no_other(tmp_path: Path) -> None:
    before = read_folder(fill(tmp_path), image_size=8)
    save(picture(999), tmp_path / "a" / "new.png")
    after = read_folder(tmp_path, image_size=8)
    for name in ("train", "validation", "test"):
        assert digests(getattr(before, name)) <= digests(getattr(after, name))


def test_copies_within_a_class_stay_on_one_side(tmp_path: Path) -> None:
    for file in sorted(fill(tmp_path).rglob("*.png")):
        file.with_name("copy-" + file.name).write_bytes(file.read_bytes())
    folder = read_folder(tmp_path, image_size=8)
    parts = [digests(part) for part in (folder.train, folder.validation, folder.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 60
    assert len(everything(folder)) == 120


def test_a_picture_in_two_classes_is_named_twice(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "b" / "copy.png").write_bytes((tmp_path / "a" / "000.png").read_bytes())
    with pytest.raises(InputError, match=r"a/000\.png and .*b/copy\.png are the same picture in two classes"):
        read_folder(tmp_path)


def test_a_given_split_is_kept(tmp_path: Path) -> None:
    for part, first, count in (("train", 0, 12), ("val", 100, 6), ("test", 200, 4)):
        fill(tmp_path / part, count, first=first)
    folder = read_folder(tmp_path, image_size=8, train_images=1000)
    assert [len(part.labels) for part in (folder.train, folder.validation, folder.test)] == [12, 6, 4]


@pytest.mark.parametrize(("given", "drawn"), [("validation", "test"), ("test", "validation")])
def test_what_is_not_given_is_taken_from_the_training_pictures(tmp_path: Path, given: str, drawn: str) -> None:
    fill(tmp_path / "train", 200)
    fill(tmp_path / given, 10, first=1000)
    folder = read_folder(tmp_path, image_size=8)
    assert len(getattr(folder, given).labels) == 10
    share = {"test": 0.2, "validation": 0.1}[drawn]
    assert len(getattr(folder, drawn).labels) / 200 == pytest.approx(share, abs=0.06)
    assert len(everything(folder)) == 210


def test_a_picture_on_both_sides_of_a_given_split_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", 20)
    fill(tmp_path / "test", 4, first=10)
    with pytest.raises(InputError, match="the same picture in both test and train"):
        read_folder(tmp_path)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for index in range(40):
        save(picture(index), tmp_path / ("bus", "train")[index % 2] / f"{index}.png")
    assert read_folder(tmp_path, image_size=8).class_names == ("bus", "train")


@pytest.mark.parametrize("odd", ["extra", "valid"])
def test_a_split_with_another_folder_beside_it_is_refused(tmp_path: Path, odd: str) -> None:
    for index, part in enumerate(("train", "val", odd)):
        fill(tmp_path / part, 4, first=10 * index)
    with pytest.raises(InputError, match=f"holds the folders .*{odd}.*; expected either one folder a class"):
        read_folder(tmp_path)


def test_a_test_folder_without_training_pictures_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "test", 4)
    with pytest.raises(InputError, match="holds the folders test; expected"):
        read_folder(tmp_path)


def test_the_parts_must_have_equal_classes(tmp_path: Path) -> None:
    fill(tmp_path / "train", 20)
    fill(tmp_path / "test", 6, first=100, classes="abc")
    with pytest.raises(InputError, match="Class 'c' is not in both"):
        read_folder(tmp_path)


def test_train_images_limits_what_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 200)
    whole = read_folder(tmp_path, image_size=8)
    decoded: list[Path] = []
    monkeypatch.setattr(
        reading, "decode", lambda file, colours: decoded.append(file) or Image.new(colours, (8, 8), "red")
    )
    few = read_folder(tmp_path, image_size=8, train_images=30)
    assert (len(few.train.labels), len(few.validation.labels)) == (30, 3)
    assert len(few.test.labels) == len(whole.test.labels)
    assert len(decoded) == 33 + len(few.test.labels) < 200
    assert few.train.labels.tolist() == whole.train.labels[:30].tolist()
    assert len(set(few.train.labels.tolist())) == 2


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    fill(tmp_path)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".checkpoints/000.png"):
        for folder in (tmp_path, tmp_path / "a"):
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(b"litter")
    (tmp_path / "README.txt").write_text("a file beside the classes is not of them")
    folder = read_folder(tmp_path, image_size=8)
    assert len(everything(folder)) == 60
    assert folder.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"text", r"b/notes\.txt is no picture"),
        ("labels.csv", b"1,2", r"b/labels\.csv is no picture"),
        ("plain", b"", r"b/plain is no picture"),
        ("fake.png", b"not a picture", r"b/fake\.png cannot be read as a picture"),
        ("empty.jpg", b"", r"b/empty\.jpg cannot be read as a picture"),
        ("lost.relevance.png", b"", r"b/lost\.relevance\.png belongs to no picture"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (fill(tmp_path) / "b" / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_folder(tmp_path)


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (fill(tmp_path) / "a" / "000.png").chmod(0)
    with pytest.raises(InputError, match=r"a/000\.png cannot be read"):
        read_folder(tmp_path)


def test_a_picture_cut_short_is_named(tmp_path: Path) -> None:
    for file in sorted(fill(tmp_path).rglob("*.png")):
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"\.png cannot be read as a picture"):
        read_folder(tmp_path)


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    (fill(tmp_path) / "c").mkdir()
    with pytest.raises(InputError, match=r"/c holds no pictures of its class; add some"):
        read_folder(tmp_path)


@pytest.mark.parametrize(("classes", "found"), [("", "0 class folders"), ("a", "1 class folder: a")])
def test_fewer_than_two_classes_are_refused(tmp_path: Path, classes: str, found: str) -> None:
    for name in classes:
        fill(tmp_path, 10, classes=name)
    with pytest.raises(InputError, match=f"holds {found}; expected at least two"):
        read_folder(tmp_path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*nowhere; give one that holds a folder of pictures"):
        load_task(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(InputError, match="folder: needs a path"):
        load_task("folder:")


def test_too_few_pictures_to_split_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"needs at least 3 different pictures, .*; found 1 of 'a', 1 of 'b'\. Add pictures"
    ):
        read_folder(fill(tmp_path, 2))


def test_a_class_with_too_few_pictures_is_told(tmp_path: Path) -> None:
    fill(tmp_path, 200)
    for number in range(2):
        save(picture(5000 + number), tmp_path / "rare" / f"{number}.png")
    with pytest.raises(InputError, match=r"at least 3 different pictures, .*; found 2 of 'rare'"):
        read_folder(tmp_path)
    save(picture(5001), tmp_path / "rare" / "copy.png")  # of one that is there: still two different ones
    with pytest.raises(InputError, match="found 2 of 'rare'"):
        read_folder(tmp_path)


@pytest.mark.parametrize("first", range(0, 3000, 300))
def test_every_class_is_in_every_part_however_few_pictures_are_used(tmp_path: Path, first: int) -> None:
    fill(tmp_path, 60, first=first)
    fill(tmp_path, 4, first=first + 100, classes="c")
    fill(tmp_path, 3, first=first + 200, classes="d")
    for train_images in (4, 30, 10_000):
        folder = read_folder(tmp_path, image_size=8, train_images=train_images)
        for part in (folder.train, folder.validation, folder.test):
            assert set(part.labels.tolist()) == {0, 1, 2, 3}
        assert len(folder.train.labels) <= train_images
        parts = [digests(part) for part in (folder.train, folder.validation, folder.test)]
        assert len(set.union(*parts)) == sum(map(len, parts))


def test_fewer_training_pictures_than_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 classes need as many training pictures; found --train-images 2"):
        read_folder(fill(tmp_path, classes="abc"), train_images=2)


def test_pictures_need_a_few_pixels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 8 pixels; found 4"):
        read_folder(fill(tmp_path), image_size=4)


@pytest.mark.parametrize(("patience", "shown"), [(0.0, True), (60.0, False)])
def test_a_progress_bar_appears_when_reading_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], patience: float, shown: bool
) -> None:
    monkeypatch.setattr("explainfb.core.progress.SECONDS_BEFORE_BAR", patience)
    monkeypatch.setenv("FORCE_COLOR", "1")
    read_folder(fill(tmp_path), image_size=8)
    out, err = capfd.readouterr()
    assert ("Looking at the pictures" in err) is shown
    assert ("Reading the pictures" in err) is shown
    assert out == ""
