"""Small files that stand for a great deal: what they say of themselves is read first, and no memory is filled."""

import io
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save_file

from explainfb.classifiers import classifier as module
from explainfb.classifiers.classifier import build_classifier, load_classifier, save_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.export import formats, import_answers
from explainfb.export.columns import ANSWERS
from explainfb.rewards.ensemble import load_ensemble
from explainfb.store import Store

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
