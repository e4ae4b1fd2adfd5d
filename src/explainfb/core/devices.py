"""Where networks run. PyTorch is imported when a device is asked for: commands that need none start without it."""

import os
from typing import TYPE_CHECKING, Literal, get_args

from explainfb.core.errors import InputError

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda"]


def resolve_device(name: DeviceName = "auto") -> "torch.device":
    """The device called `name`; `auto` is CUDA where there is one, else the CPU.

    Raises `InputError` for `cuda` on a machine without it and for any other name.
    """
    if name not in get_args(DeviceName):
        raise InputError(f"Unknown device {name!r}; expected one of {', '.join(get_args(DeviceName))}.")
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError(
            "--device cuda was asked for, but PyTorch finds no CUDA device here; use --device auto or cpu."
        )
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def cores() -> int:
    """How many cores this process was given: those it may run on, or fewer where OMP_NUM_THREADS says so."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(there, int(told)) if told.isdecimal() and int(told) else there


def use_one_thread() -> None:
    """From here on this process computes on one thread of the CPU.

    Several threads would add up the same numbers in an order that depends on how many there are, and the last bit of a
    sum with it; a study is to give the same numbers on every machine.
    """
    import torch

    torch.set_num_threads(1)
