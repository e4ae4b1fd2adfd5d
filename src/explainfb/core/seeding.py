"""Randomness with an address: every draw has a stream of its own, named by what it is for.

Nothing here or elsewhere leaves a trace in a global random state, so a result never depends on what was drawn before.
PyTorch is imported when a stream of its own is asked for: the store draws without it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from explainfb.core.fields import whole_number

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: object) -> int:
    """A seed in [0, 2⁶³) for the stream called `names`; the same on every machine and in every process."""
    # 1.0 and True would name streams of their own
    number = seed if type(seed) is int else whole_number(seed, "A seed")
    # not Python's `hash`, which is salted anew in each process
    address = "/".join(str(name) for name in (number, *names))
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, *names: object) -> "torch.Generator":
    """A CPU generator for the stream called `names`."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *names))


def numpy_generator(seed: int, *names: object) -> np.random.Generator:
    """A NumPy generator for the stream called `names`."""
    return np.random.default_rng(derive(seed, *names))


@contextmanager
def torch_globally(seed: int, *names: object, device: "str | torch.device" = "cpu") -> Iterator[None]:
    """Inside, torch's own global generators on the CPU and on `device` are the stream called `names`.

    For initialisers and dropout, which take no generator. Afterwards the generators are as they were before.
    """
    import torch

    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(derive(seed, *names))
        if device.type == "cuda":
            with torch.cuda.device(device):  # `manual_seed` seeds the current device alone
                torch.cuda.manual_seed(derive(seed, *names))
        yield
