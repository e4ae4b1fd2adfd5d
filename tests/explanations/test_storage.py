"""Explanations in files, and as a reward sees them."""

from pathlib import Path

import numpy as np
import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import ExplanationKey
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import load_explanations, save_explanations


def explanation(superpixels: int, seed: int) -> Explanation:
    segments = (np.arange(36) * superpixels // 36).reshape(6, 6)
    weights = np.random.default_rng(seed).normal(size=superpixels)
    return Explanation(seed % 3, 0.25 * seed, segments, weights, 0.1 * seed, -0.5 * seed)


EXPLANATIONS = {
    ExplanationKey("round-0", 4): explanation(3, 1),
    ExplanationKey("round-1", 4): explanation(5, 2),
    ExplanationKey("round-1", 0): explanation(2, 3),
}


def test_what_is_saved_is_loaded_to_the_last_bit(tmp_path: Path) -> None:
    save_explanations(EXPLANATIONS, tmp_path / "explanations.safetensors")
    loaded = load_explanations(tmp_path / "explanations.safetensors")
    assert list(loaded) == list(EXPLANATIONS)
    for key, expected in EXPLANATIONS.items():
        found = loaded[key]
        assert np.array_equal(found.weights, expected.weights)
        assert np.array_equal(found.segments, expected.segments)
        for name in ("target", "probability", "intercept", "fit"):
            assert getattr(found, name) == getattr(expected, name)


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "explanations.safetensors"
    with pytest.raises(InputError, match=r"explanations\.safetensors"):
        load_explanations(path)
    save_explanations(EXPLANATIONS, path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"explanations\.safetensors is damaged"):
        load_explanations(path)
