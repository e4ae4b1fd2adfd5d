"""Small files that stand for a great deal: what they say of themselves is read first, and no memory is filled."""

import io
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save_file

from explainfb.classifiers import classifier as module
from explainfb.classifiers.classifier import build_classifier, load_classifier, save_classifier
from explainfb.classifiers.loading import weights_files
from explainfb.classifiers.loading.preprocessing import read_preprocessing
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.transfer import pretrained
from explainfb.core.environment import read_provenance
from explainfb.core.errors import InputError
from explainfb.export import formats, import_answers
from explainfb.export.columns import ANSWERS
from explainfb.results.json_file import read_results, read_stopped
from explainfb.rewards.ensemble import load_ensemble
from explainfb.store import Store
from explainfb.study.settings_file import read_settings
from explainfb.sweeps.summary_file import read_summary
from explainfb.tasks.image_io import decode
from explainfb.tasks.recipes import read_recipe
from explainfb.tasks.settings import TaskRecipe

SHAPE = Architecture("lenet", 10, 1, 28, 28, (0.5,), (0.5,))


def table(rows: int, text: str) -> pa.Table:
    indices = pa.array([0], pa.int32()).take(pa.nulls(rows, pa.int32()).fill_null(0))
    column = pa.DictionaryArray.from_arrays(indices, [text])
    return pa.table({each.name: column for each in ANSWERS})


@pytest.mark.parametrize("bomb", ["rows", "text", "lists"])
def test_a_parquet_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    path = tmp_path / "answers.parquet"
    if bomb == "rows":
        pa.parquet.write_table(table(formats.MOST_ROWS + 1, "x"), path, compression="zstd")
    elif bomb == "text":
        pa.parquet.write_table(table(20_000, 2**20 * "x"), path, compression="zstd")
    else:
        lists = table(1, "x").set_column(3, ANSWERS[3].name, pa.array([[1] * 1000]))
        pa.parquet.write_table(lists, path)
    assert path.stat().st_size < 2**20
    before = pa.total_allocated_bytes()
    with Store(tmp_path / "study.db") as store, pytest.raises(InputError, match=r"rows|MiB of text|holds lists"):
        import_answers(store, path)
    assert pa.total_allocated_bytes() - before < 100 * 2**20


def test_rows_come_a_few_at_a_time() -> None:
    file = io.BytesIO()
    pa.parquet.write_table(table(5_000, "x"), file)
    _, rows = formats.read_rows(file.getvalue(), "parquet", [])
    assert not isinstance(rows, list)
    assert sum(1 for _ in rows) == 5_000


def test_a_classifier_that_says_it_is_huge_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "round-0.safetensors"
    small = build_classifier(SHAPE)
    small.architecture = replace(SHAPE, height=28_000, width=28_000)
    save_classifier(small, path)
    built = []
    monkeypatch.setattr(module, "build_classifier", built.append)
    with pytest.raises(InputError, match="is damaged"):
        load_classifier(path)
    assert built == []


def test_a_reward_that_says_it_is_huge_is_not_built(tmp_path: Path) -> None:
    path = tmp_path / "round-1.safetensors"
    header = '[{"kind": "additive", "channels": 2000000000, "scale": "share"}]'
    save_file({"mean": torch.zeros(1)}, path, metadata={"reward": header})
    with pytest.raises(InputError, match="is damaged"):
        load_ensemble(path)


def test_a_picture_of_billions_of_pixels_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """50 kilobytes of a PNG may stand for 400 million pixels."""
    side = 20_000

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    packed = zlib.compress(bytes(side * (1 + side // 8)))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    assert len(png) < 2**17
    (tmp_path / "bomb.png").write_bytes(png)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"bomb\.png cannot be read as a picture \(DecompressionBombError"):
        decode(tmp_path / "bomb.png", "RGB")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 2**10


def test_weights_that_were_packed_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.load would: 200 kilobytes became 200 megabytes."""
    path, plain = tmp_path / "weights.pth", io.BytesIO()
    torch.save({"classifier.1.weight": torch.zeros(1_000_000)}, plain)
    with zipfile.ZipFile(plain) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for each in whole.infolist():
            packed.writestr(each.filename, whole.read(each))
    assert path.stat().st_size < 2**16
    monkeypatch.setattr(weights_files.torch, "load", None)
    with pytest.raises(InputError, match=r"weights\.pth holds [\d,]+ bytes and says that it stands for 4,0"):
        pretrained("squeezenet1_1", path)


def test_a_tensor_whose_numbers_are_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"classifier.1.weight": torch.zeros(1).expand(10**10)}, path)
    assert path.stat().st_size < 2**13
    with pytest.raises(InputError, match=r"classifier\.1\.weight says that it is of shape \(10000000000,\)"):
        pretrained("squeezenet1_1", path)


DEEP = 100_000
READERS: dict[str, Callable[[Path], object]] = {
    "study.toml": read_settings,
    "task.toml": lambda path: read_recipe(path, TaskRecipe(task="digits", train_images=20)),
    "results.json": read_results,
    "sweep.json": read_summary,
    "provenance.json": lambda path: read_provenance(path.parent),
    "preprocessor_config.json": lambda path: read_preprocessing(path, None, "network"),
    "round-1.stopped.json": read_stopped,
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_nested_without_end_is_refused(name: str, tmp_path: Path) -> None:
    """Python's readers go down as deep as the file does, and its stack ends before."""
    deep = "[" * DEEP + "]" * DEEP
    texts = [f'{{"format": {deep}}}', deep, '{"a":' * DEEP + "1" + "}" * DEEP]
    if name.endswith(".toml"):
        texts = [f"rounds = {deep}", "lime = " + "{a = " * 500 + "1" + "}" * 500, ".".join(["lime"] * 5000) + " = 1"]
    for text in texts:
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=name):
            READERS[name](tmp_path / name)
