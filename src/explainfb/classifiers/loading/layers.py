"""The parts of a network: its head, which gives the logits, and the blocks before it; which of them are trained."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from explainfb.classifiers.settings import LAST_BLOCKS, check_train
from explainfb.core.errors import InputError


def head_of(network: nn.Module, classes: int) -> str | None:
    """The name of the layer that gives the logits: the last linear layer or convolution that is `classes` wide, or one
    wide where there are two classes; None where there is none."""
    widths = (classes, 1) if classes == 2 else (classes,)
    found = None
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.shape[0] in widths:
            found = name
    return found


def with_classes(network: nn.Module, old: int, new: int) -> nn.Module:
    """`network` itself with a head of `new` classes in place of one of `old`, drawn from torch's global generator.

    Raises `InputError` where no layer is the head.
    """
    name = head_of(network, old)
    if name is None:
        raise InputError(
            f"No linear layer or convolution of {type(network).__name__} gives its {old} logits, so its classes cannot "
            "be exchanged; give a builder that takes the number of classes."
        )
    before = network.get_submodule(name)
    if isinstance(before, nn.Linear):
        layer: nn.Module = nn.Linear(before.in_features, new, bias=before.bias is not None)
    else:
        assert isinstance(before, nn.Conv2d)
        options = {"stride": before.stride, "padding": before.padding, "bias": before.bias is not None}
        layer = nn.Conv2d(before.in_channels, new, before.kernel_size, **options)  # type: ignore[arg-type]
    weight = before.weight
    assert isinstance(weight, Tensor)
    layer = layer.to(weight.device, weight.dtype)
    if not name:  # the network is the layer
        return layer
    above, _, last = name.rpartition(".")
    setattr(network.get_submodule(above), last, layer)
    return network


def blocks_of(network: nn.Module, head: str | None) -> list[tuple[nn.Module, ...]]:
    """The network's parts that have weights, first to last, without its head.

    What only holds other parts in a row, or more than half of all weights, is taken apart; a residual block, a
    transformer's layer or a single convolution is not. A normalisation belongs to the part before it.
    """
    whole = sum(parameter.numel() for parameter in network.parameters())
    left_out = None if head is None else network.get_submodule(head)

    def parts(module: nn.Module) -> Iterator[nn.Module]:
        for child in module.children():
            size = sum(parameter.numel() for parameter in child.parameters())
            if child is left_out or size == 0:
                continue
            row = isinstance(child, nn.Sequential | nn.ModuleList) and _layers(child) > 1
            if any(True for _ in child.children()) and (row or 2 * size > whole):
                yield from parts(child)
            else:
                yield child

    blocks: list[tuple[nn.Module, ...]] = []
    for part in parts(network):
        if blocks and not _layers(part):
            blocks[-1] = (*blocks[-1], part)
        else:
            blocks.append((part,))
    return blocks


def _layers(module: nn.Module) -> int:
    """How many matrices or kernels of weights it has: a normalisation has none."""
    return sum(parameter.ndim > 1 for parameter in module.parameters())


def freeze(network: nn.Module, train: str, classes: int) -> None:
    """Freeze what `train` leaves out: all but the head, or all but the head and the last blocks; nothing for `all`.

    What is frozen already stays so. Raises `InputError` where there is no head, or there are fewer blocks.
    """
    check_train(train)
    if train == "all":
        return
    head = head_of(network, classes)
    if head is None:
        raise InputError(f"No layer of {type(network).__name__} gives its {classes} logits; only 'all' can be trained.")
    free = {id(parameter) for parameter in network.get_submodule(head).parameters()}
    if found := LAST_BLOCKS.fullmatch(train):
        blocks, count = blocks_of(network, head), int(found[1])
        if not 1 <= count <= len(blocks):
            raise InputError(f"{type(network).__name__} has {len(blocks)} blocks beside its head; found {train!r}.")
        free |= {id(parameter) for block in blocks[-count:] for part in block for parameter in part.parameters()}
    for parameter in network.parameters():
        if id(parameter) not in free:
            parameter.requires_grad_(False)


def parameter_groups(
    network: nn.Module, classes: int, learning_rate: float, body_rate: float
) -> list[dict[str, list[nn.Parameter] | float]]:
    """For an optimiser: the free parameters, those of the body at `body_rate` times the learning rate of the head."""
    free = [parameter for parameter in network.parameters() if parameter.requires_grad]
    head = head_of(network, classes) if body_rate != 1 else None
    if head is None:
        return [{"params": free, "lr": learning_rate}]
    of_head = {id(parameter) for parameter in network.get_submodule(head).parameters()}
    groups = [
        ([parameter for parameter in free if id(parameter) not in of_head], learning_rate * body_rate),
        ([parameter for parameter in free if id(parameter) in of_head], learning_rate),
    ]
    return [{"params": parameters, "lr": rate} for parameters, rate in groups if parameters]


@torch.no_grad()
def gives_the_logits(network: nn.Module, head: str, images: Tensor, logits: Tensor) -> bool:
    """Whether what the layer `head` returns is what the network returned for the same images, pooled or not."""
    seen: list[Tensor] = []
    hook = network.get_submodule(head).register_forward_hook(lambda _, __, out: seen.append(out))
    try:
        network(images)
    finally:
        hook.remove()
    if not seen:
        return False
    out = seen[-1].flatten(2).mean(2) if seen[-1].ndim == 4 else seen[-1]
    # a convolution's map may go through a rectifier before it is pooled, so its shape alone is compared
    return out.ndim == 2 and (seen[-1].ndim == 4 or torch.allclose(out[:, -1], logits[:, -1], atol=1e-4, rtol=1e-3))
