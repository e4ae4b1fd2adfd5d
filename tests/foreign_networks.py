"""Networks as people write them, small: each has a habit that a toolkit stumbles over."""

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE, CLASSES = 28, 10
WithAuxiliary = namedtuple("WithAuxiliary", ["logits", "aux_logits"])


@dataclass
class ModelOutput:
    """As those of transformers: a record whose `loss` is there for those who give labels."""

    loss: Tensor | None
    logits: Tensor


class Body(nn.Module):
    """Strided convolutions with batch normalisation."""

    def __init__(self, *, inplace: bool = False, affine: bool = True) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 4, 5, stride=3), nn.BatchNorm2d(4, affine=affine)
        self.act = nn.ReLU(inplace=inplace)

    def forward(self, x: Tensor) -> Tensor:
        assert len(x) > 0, "an empty batch"
        found: Tensor = self.act(self.norm(self.first(x)))
        return found


class Plain(nn.Module):
    """`x.view(x.size(0), -1)`, which no empty batch survives."""

    def __init__(self, classes: int = CLASSES, **body: bool) -> None:
        super().__init__()
        self.body, self.head = Body(**body), nn.Linear(4 * 8 * 8, classes)

    def forward(self, x: Tensor) -> object:
        x = self.body(x)
        return self.head(x.view(x.size(0), -1))


class InPlace(Plain):
    """Changes what it is fed, and its own activations, in place."""

    def __init__(self) -> None:
        super().__init__(inplace=True)

    def forward(self, x: Tensor) -> object:
        x.mul_(2).sub_(1)
        return super().forward(x)


class Buffers(Plain):
    """Normalises by buffers of its own, and counts its batches in one."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor(0.3))
        self.register_buffer("batches", torch.tensor(0))

    def forward(self, x: Tensor) -> object:
        self.batches += 1
        return super().forward(x - self.centre)


class Dropout(Plain):
    def forward(self, x: Tensor) -> object:
        x = F.dropout(self.body(x), 0.3, self.training)
        return self.head(x.flatten(1))


class InDictionary(Plain):
    def forward(self, x: Tensor) -> object:
        return {"out": super().forward(x), "features": self.body(x)}


class InRecord(Plain):
    def forward(self, x: Tensor) -> object:
        return ModelOutput(None, super().forward(x))  # type: ignore[arg-type]


class InTuple(Plain):
    def forward(self, x: Tensor) -> object:
        return super().forward(x), self.body(x)


class Auxiliary(Plain):
    """As GoogLeNet and Inception: a second head in training mode alone."""

    def __init__(self) -> None:
        super().__init__()
        self.auxiliary = nn.Linear(4 * 8 * 8, CLASSES)

    def forward(self, x: Tensor) -> object:
        logits = super().forward(x)
        return WithAuxiliary(logits, self.auxiliary(self.body(x).flatten(1))) if self.training else logits


class Tied(Plain):
    """One weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.again = nn.Linear(4 * 8 * 8, CLASSES)
        self.again.weight = self.head.weight

    def forward(self, x: Tensor) -> object:
        return super().forward(x) + self.again(self.body(x).flatten(1))  # type: ignore[operator]


class Attention(nn.Module):
    """Patches as tokens, a class token, layer normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(1, 8, 7, stride=7), nn.Parameter(torch.zeros(1, 1, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], 1)
        logits: Tensor = self.head(self.block(tokens)[:, 0])
        return logits


class HalfPrecision(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.bfloat16()


class Double(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.double()


def frozen_body(affine: bool) -> nn.Module:
    """Someone else's body, and a head that is to be trained."""
    network = Plain(affine=affine)
    network.body.requires_grad_(False)
    return network


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "view": Plain,
    "in place": InPlace,
    "buffers": Buffers,
    "dropout": Dropout,
    "dictionary": InDictionary,
    "record": InRecord,
    "tuple": InTuple,
    "auxiliary head": Auxiliary,
    "tied": Tied,
    "attention": Attention,
    "bfloat16": HalfPrecision,
    "double": Double,
    "frozen body": lambda: frozen_body(affine=True),
    "frozen body without scales": lambda: frozen_body(affine=False),
    "lazy": lambda: nn.Sequential(nn.LazyConv2d(4, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES)),
}
