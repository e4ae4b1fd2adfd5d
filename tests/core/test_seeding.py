import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explainfb.core.seeding import derive, numpy_generator, torch_generator, torch_globally


def test_a_stream_is_the_same_in_every_process_and_version() -> None:
    code = "from explainfb.core.seeding import derive; print(derive(7, 'train', 3))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) == derive(7, "train", 3) == 1707331500321738691


@given(st.integers(0, 2**40), st.lists(st.text(), max_size=3))
def test_seeds_fit_into_torch_and_numpy(seed: int, names: list[str]) -> None:
    derived = derive(seed, *names)
    assert 0 <= derived < 2**63
    torch.Generator().manual_seed(derived)
    np.random.default_rng(derived)


def test_streams_of_other_names_and_seeds_differ() -> None:
    addresses = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", "b"), (0, "ab"), (0, 1), (0, 11), (0, 1, 1)]
    assert len({derive(*address) for address in addresses}) == len(addresses)


def test_generators_repeat_and_do_not_share_their_state() -> None:
    first, again = torch_generator(0, "x"), torch_generator(0, "x")
    torch.rand(5, generator=torch_generator(0, "y"))
    assert torch.equal(torch.rand(9, generator=first), torch.rand(9, generator=again))
    assert np.array_equal(numpy_generator(0, "x").random(9), numpy_generator(0, "x").random(9))
    assert not np.array_equal(numpy_generator(0, "x").random(9), numpy_generator(0, "y").random(9))


def test_the_global_state_is_the_stream_inside_and_untouched_outside() -> None:
    """After an error too."""
    before, inside = torch.random.get_rng_state(), []

    def draw_and_fail() -> None:
        with torch_globally(3, "dropout"):
            inside.append(torch.rand(4))
            raise KeyError

    with pytest.raises(KeyError):
        draw_and_fail()
    assert torch.equal(inside[0], torch.rand(4, generator=torch_generator(3, "dropout")))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_global_state_of_cuda_comes_back() -> None:
    torch.rand(1, device="cuda")
    before = torch.cuda.get_rng_state()
    draws = []
    for _ in range(2):
        with torch_globally(3, device="cuda"):
            draws.append(torch.rand(4, device="cuda").cpu())
    assert torch.equal(*draws)
    assert torch.equal(torch.cuda.get_rng_state(), before)
