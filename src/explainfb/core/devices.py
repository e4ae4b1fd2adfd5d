"""Where networks run."""

from typing import Literal, get_args

import torch

from explainfb.core.errors import InputError

DeviceName = Literal["auto", "cpu", "cuda"]


def resolve_device(name: DeviceName = "auto") -> torch.device:
    """The device called `name`; `auto` is CUDA where there is one, else the CPU.

    Raises `InputError` for `cuda` on a machine without it and for any other name.
    """
    if name not in get_args(DeviceName):
        raise InputError(f"Unknown device {name!r}; expected one of {', '.join(get_args(DeviceName))}.")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError(
            "--device cuda was asked for, but PyTorch finds no CUDA device here; use --device auto or cpu."
        )
    return torch.device("cuda" if there and name != "cpu" else "cpu")
