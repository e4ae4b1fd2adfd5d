import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets

from explainfb.core.errors import InputError
from explainfb.tasks.datasets import DATA_DIR, load_task, near_ink, task_names
from explainfb.tasks.image_shortcuts import PLANTS
from explainfb.tasks.task import Split

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
LABELS = (np.arange(60) % 10).astype(np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (30, 3, 32, 32), dtype=np.uint8)


def write_idx(path: Path, values: np.ndarray) -> None:
    """The format of http://yann.lecun.com/exdb/mnist: magic number, sizes, bytes; all big-endian."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = b"".join(number.to_bytes(4, "big") for number in (8 * 256 + values.ndim, *values.shape))
    path.write_bytes(header + values.tobytes())


def write_mnist(root: Path, folder: str) -> None:
    for name, part in (("train", slice(0, 40)), ("t10k", slice(40, 60))):
        write_idx(root / folder / "raw" / f"{name}-images-idx3-ubyte", PIXELS[part])
        write_idx(root / folder / "raw" / f"{name}-labels-idx1-ubyte", LABELS[part])


def write_cifar10(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for index, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        rows = range(index * 5, index * 5 + 5)
        batch = {"data": COLOURS[rows].reshape(5, -1), "labels": [row % 10 for row in rows]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"thing {index}" for index in range(10)]}))


@pytest.fixture
def accept_any_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the checksums differ between the batches written here and the real ones."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: Path(path).is_file())


def contents(split: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in split.images}


def equal(left: Split | None, right: Split | None) -> bool:
    if left is None or right is None:
        return left is right
    pairs = [(getattr(left, name), getattr(right, name)) for name in ("images", "labels", "relevance", "shortcut")]
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)


def test_digits_have_the_promised_sizes_and_range() -> None:
    task = load_task("digits")
    assert task.image_shape == (1, 28, 28)
    assert task.class_names == tuple("0123456789")
    assert len(task.train) + len(task.validation) + len(task.clean) == 1797
    assert task.train.images.dtype == torch.float32
    assert 0.95 < float(task.train.images.max()) <= 1
    assert task.shifted is None
    assert task.test is task.clean


def test_no_digit_is_in_two_splits() -> None:
    task = load_task("digits")
    parts = [contents(split) for split in (task.train, task.validation, task.clean)]
    assert len(parts[0] | parts[1] | parts[2]) == sum(map(len, parts)) == 1797


def test_digits_are_stratified() -> None:
    task = load_task("digits")
    rest = torch.cat([task.train.labels, task.validation.labels]).bincount(minlength=10)
    test = task.clean.labels.bincount(minlength=10)
    assert test.tolist() == [-(-int(count) // 4) for count in rest + test]
    assert task.validation.labels.bincount(minlength=10).min() > 0


def test_a_task_is_the_same_every_time() -> None:
    first, second = load_task("digits-decoy", shortcut="grey"), load_task("digits-decoy", shortcut="grey")
    for name in ("train", "validation", "clean", "shifted", "train_without_shortcut", "validation_without_shortcut"):
        assert equal(getattr(first, name), getattr(second, name)), name


def test_the_seed_moves_the_shortcuts_and_nothing_else() -> None:
    first, second = (load_task("digits-decoy", shortcut="grey", seed=seed) for seed in (0, 1))
    for name in ("clean", "train_without_shortcut", "validation_without_shortcut"):
        assert equal(getattr(first, name), getattr(second, name)), name
    for name in ("train", "validation", "shifted"):
        one, other = getattr(first, name), getattr(second, name)
        assert torch.equal(one.labels, other.labels)
        assert not torch.equal(one.shortcut, other.shortcut), name
        outside = ~(one.shortcut | other.shortcut)[:, None]
        assert torch.equal(one.images * outside, other.images * outside)


def test_the_seed_leaves_position_alone_in_training() -> None:
    first, second = (load_task("digits-decoy", seed=seed) for seed in (0, 1))
    assert equal(first.train, second.train)
    assert not equal(first.shifted, second.shifted)


def test_decoys_of_digits_carry_what_the_arms_need() -> None:
    task, sound = load_task("digits-decoy"), load_task("digits")
    assert equal(task.clean, sound.clean)
    assert equal(task.train_without_shortcut, sound.train)
    assert equal(task.validation_without_shortcut, sound.validation)
    assert task.test is task.shifted
    for split in (task.train, task.validation, task.shifted):
        assert split is not None
        assert split.shortcut is not None
        assert split.relevance is not None
        assert not (split.shortcut & split.relevance).any()
        assert (split.relevance.flatten(1).sum(1) > 0).all()
    assert task.clean.shortcut is None


def test_train_images_takes_the_first_and_validates_on_the_next(tmp_path: Path) -> None:
    write_mnist(tmp_path, "MNIST")
    task = load_task("mnist", data_dir=tmp_path, train_images=20)
    expected = torch.from_numpy(PIXELS).float()[:, None] / 255
    assert torch.equal(task.train.images, expected[:20])
    assert torch.equal(task.validation.images, expected[20:22])
    assert torch.equal(task.clean.images, expected[40:])
    assert task.train.labels.tolist() == LABELS[:20].tolist()


def test_validation_is_the_last_tenth_where_all_images_are_asked_for(tmp_path: Path) -> None:
    write_mnist(tmp_path, "MNIST")
    task = load_task("mnist", data_dir=tmp_path)
    assert (len(task.train), len(task.validation)) == (36, 4)
    assert not contents(task.train) & contents(task.validation)


@pytest.mark.parametrize(
    ("name", "folder", "first"), [("mnist", "MNIST", "0"), ("fashion-mnist", "FashionMNIST", "T-shirt/top")]
)
def test_idx_files_are_read_by_torchvision(tmp_path: Path, name: str, folder: str, first: str) -> None:
    write_mnist(tmp_path, folder)
    task = load_task(name, data_dir=tmp_path)
    assert task.image_shape == (1, 28, 28)
    assert task.class_names[0] == first
    assert len(task.class_names) == 10
    assert torch.equal(task.clean.images[:, 0], torch.from_numpy(PIXELS[40:]).float() / 255)
    assert task.clean.relevance is not None
    decoy = load_task(f"{name}-decoy", data_dir=tmp_path)
    assert decoy.shifted is not None
    assert len(decoy.shifted) == 20


@pytest.mark.usefixtures("accept_any_md5")
def test_cifar10_is_read_by_torchvision(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    task = load_task("cifar10", data_dir=tmp_path)
    expected = torch.from_numpy(COLOURS).float() / 255
    assert task.image_shape == (3, 32, 32)
    assert task.class_names[3] == "thing 3"
    assert torch.equal(torch.cat([task.train.images, task.validation.images]), expected[:25])
    assert torch.equal(task.clean.images, expected[25:])
    assert task.train.images.is_contiguous()
    assert task.train.relevance is None
    assert task.clean.labels.tolist() == [5, 6, 7, 8, 9]


@pytest.mark.usefixtures("accept_any_md5")
def test_cifar10_takes_a_shortcut_in_colour(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    task = load_task("cifar10-decoy", data_dir=tmp_path)
    assert task.train.shortcut is not None
    patch = task.train.shortcut[:, None].expand(-1, 3, -1, -1)
    assert (task.train.images[patch] == 1).all()
    assert int(task.train.shortcut[0].sum()) == 25


def test_a_missing_data_folder_says_how_to_get_the_data(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"nowhere does not exist.*torchvision\.datasets\.MNIST\('data', download=True"
    ):
        load_task("mnist", data_dir=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "where"),
    [("mnist", "MNIST/raw"), ("fashion-mnist-decoy", "FashionMNIST/raw"), ("cifar10", "cifar-10-batches-py")],
)
def test_a_data_folder_without_the_set_says_where_it_was_expected(tmp_path: Path, name: str, where: str) -> None:
    with pytest.raises(InputError, match=f"{where}, which does not exist.*download=True"):
        load_task(name, data_dir=tmp_path)


@pytest.mark.parametrize("length", [0, 3, 16, 500])
def test_files_cut_short_are_called_damaged(tmp_path: Path, length: int) -> None:
    write_mnist(tmp_path, "MNIST")
    file = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(InputError, match="MNIST/raw, which is damaged or incomplete"):
        load_task("mnist", data_dir=tmp_path)


@pytest.mark.usefixtures("accept_any_md5")
def test_a_garbled_batch_is_called_damaged(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py/data_batch_2").write_bytes(b"no pickle")
    with pytest.raises(InputError, match="cifar-10-batches-py, which is damaged"):
        load_task("cifar10", data_dir=tmp_path)


def test_a_set_with_false_checksums_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    with pytest.raises(InputError, match="damaged or incomplete"):
        load_task("cifar10", data_dir=tmp_path)


def test_a_failed_download_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(*, root: str, train: bool, download: bool) -> None:
        asked.append((root, train, download))
        raise OSError("no network")

    monkeypatch.setattr(torchvision.datasets, "MNIST", fail)
    with pytest.raises(InputError, match="could not be downloaded"):
        load_task("mnist")
    assert asked == [(str(DATA_DIR), True, True)]


@pytest.mark.parametrize(
    ("typed", "meant"), [("digit-decoy", "digits-decoy"), ("fashion_mnist", "fashion-mnist"), ("CIFAR10", "cifar10")]
)
def test_an_unknown_task_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        load_task(typed)


@pytest.mark.parametrize("typed", ["nonsense", "", "imagenet"])
def test_a_task_that_is_near_to_none_is_answered_with_all(typed: str) -> None:
    with pytest.raises(InputError, match="Unknown task") as told:
        load_task(typed)
    assert "did you mean" not in str(told.value)
    assert ", ".join(task_names()) in str(told.value)
    assert "folder:PATH" in str(told.value)


def test_every_name_has_its_decoy() -> None:
    assert task_names() == [
        *("digits", "digits-decoy", "mnist", "mnist-decoy", "fashion-mnist", "fashion-mnist-decoy"),
        *("cifar10", "cifar10-decoy"),
        "digits-ring",
        *(f"{name}-{kind}" for name in ("mnist", "fashion-mnist") for kind in PLANTS),
    ]


def test_too_few_training_images_are_refused() -> None:
    with pytest.raises(InputError, match="--train-images must be at least 10; found 9"):
        load_task("digits", train_images=9)


def test_near_ink_is_within_two_pixels_of_it() -> None:
    images = torch.zeros(1, 1, 9, 9)
    images[0, 0, 4, 4] = 0.2
    images[0, 0, 0, 0] = 0.1
    expected = torch.zeros(1, 9, 9, dtype=torch.bool)
    expected[0, 2:7, 2:7] = True
    assert torch.equal(near_ink(images), expected)
