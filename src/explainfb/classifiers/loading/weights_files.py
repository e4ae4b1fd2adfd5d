"""Weights from safetensors, state dicts and checkpoints, without running any code that lies in them."""

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from explainfb.core.errors import InputError

UNREADABLE = (
    *(SafetensorError, pickle.UnpicklingError, RuntimeError, OSError, EOFError),
    *(ValueError, LookupError, TypeError, AttributeError, AssertionError, zipfile.BadZipFile),
)
"""What torch and safetensors raise on files that are cut short, garbled or of another kind."""
MOST_SPREAD = 2**28
"""Bytes that a tensor may stand for whose file holds fewer, as one that was expanded does."""
IN_CHECKPOINTS = ("state_dict", "model_state_dict", "model", "model_ema", "net", "network", "weights")
"""What training scripts call the weights in the dictionaries that they save, the likeliest first."""


def with_names_of(expected: set[str], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without what was put before every name: `module.` by DataParallel, `_orig_mod.` by torch.compile."""
    first = next(iter(expected & set(tensors)), None)
    if first is not None:
        return tensors
    prefixes = {name.removesuffix(known) for name in tensors for known in expected if name.endswith("." + known)}
    matching = max(prefixes, key=lambda prefix: sum(prefix + known in tensors for known in expected), default="")
    return {name.removeprefix(matching): tensor for name, tensor in tensors.items()}


def _state_dict_in(found: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by name of what a file holds: a state dict, or a checkpoint that has one in it."""
    if _is_state_dict(found):
        return dict(found)
    if isinstance(found, Mapping):
        inside = {str(name): value for name, value in found.items() if _is_state_dict(value)}
        named = [name for name in IN_CHECKPOINTS if name in inside]
        if named or len(inside) == 1:
            return dict(inside[named[0] if named else next(iter(inside))])
        held = f", but {', '.join(map(repr, found))}" if found else ""
    else:
        held = f", but a {type(found).__name__}"
    raise InputError(
        f"{path} holds no state dict, tensors by name{held}; save `network.state_dict()` and give that file."
    )


def _is_state_dict(found: Any) -> bool:
    return isinstance(found, Mapping) and bool(found) and all(isinstance(tensor, Tensor) for tensor in found.values())


def _check_honest(path: Path) -> None:
    """Raise `InputError` for a file that would unpack into more than it is: torch.save does not pack."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as packed:
        says = sum(each.file_size for each in packed.infolist())
    if says > (there := path.stat().st_size):
        raise InputError(
            f"{path} holds {there:,} bytes and says that it stands for {says:,}; torch.save writes no such file. "
            "Unpack what packed it, or save the weights anew."
        )


def _check_kinds(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise `InputError` for numbers that a network would take for others: copied into its weights, the quantised lose
    their scale and the complex a half."""
    for name, tensor in tensors.items():
        whole = not tensor.is_floating_point() and name.rpartition(".")[2] in ("weight", "bias")
        if whole or tensor.is_complex() or tensor.is_quantized or tensor.layout is not torch.strided:
            kind = str(tensor.layout if tensor.layout is not torch.strided else tensor.dtype).removeprefix("torch.")
            raise InputError(f"{path}: {name} is of {kind}; expected plain floating-point weights, such as float32.")


def _check_spread(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise `InputError` for a tensor of a few numbers that says that it is of billions."""
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if size > max(tensor.untyped_storage().nbytes(), MOST_SPREAD):
            raise InputError(
                f"{path}: {name} says that it is of shape {tuple(tensor.shape)}, and its numbers are not there; "
                "save `network.state_dict()` and give that file."
            )


def read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"No weights at {path}; expected a .pth state dict or a .safetensors file.")
    try:
        if path.suffix == ".safetensors":
            found: Any = safetensors.torch.load_file(path)
        else:
            _check_honest(path)
            # a namespace holds values and no code; training scripts save their arguments in one beside the weights
            with (
                warnings.catch_warnings(action="ignore"),  # torch warns of pickles that it then refuses
                torch.serialization.safe_globals([argparse.Namespace]),
            ):
                # a pickle may run any code when it is loaded
                found = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        other = re.search(r"GLOBAL ([\w.]+) was not an allowed global", str(error))
        why = f"it holds a {other[1]}, whose code would be run" if other else type(error).__name__
        raise InputError(
            f"{path} cannot be read as weights ({why}); expected a state dict in .pth or .safetensors, such as "
            "torch.save(network.state_dict(), FILE) writes."
        ) from error
    weights = _state_dict_in(found, path)
    _check_kinds(weights, path)
    _check_spread(weights, path)
    return weights
