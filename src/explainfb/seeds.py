"""Randomness with an address: every draw has a stream of its own, named by what it is for.

Nothing here or elsewhere touches a global random state, so a result never depends on what was drawn before it.
"""

import hashlib

import numpy as np
import torch


def derive(seed: int, *names: object) -> int:
    """A seed in [0, 2⁶³) for the stream called `names`; the same on every machine and in every process."""
    address = "/".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, *names: object) -> torch.Generator:
    """A CPU generator for the stream called `names`."""
    return torch.Generator().manual_seed(derive(seed, *names))


def numpy_generator(seed: int, *names: object) -> np.random.Generator:
    """A NumPy generator for the stream called `names`."""
    return np.random.default_rng(derive(seed, *names))
