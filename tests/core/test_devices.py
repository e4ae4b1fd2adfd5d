"""The device that is asked for is the one that is there."""

import pytest
import torch

from explainfb.core.devices import resolve_device
from explainfb.core.errors import InputError


def test_auto_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [resolve_device(name).type for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [resolve_device(name).type for name in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(InputError, match="finds no CUDA device here; use --device auto or cpu"):
        resolve_device("cuda")
    with pytest.raises(InputError, match="Unknown device 'gpu'; expected one of auto, cpu, cuda"):
        resolve_device("gpu")  # type: ignore[arg-type]
