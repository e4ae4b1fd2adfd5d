"""How two papers trained on the grey shortcut, and what they report."""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch

Arm = Literal["cross_entropy", "rrr", "no_shortcut"]
RecipeName = Literal["mlp", "mlp-in-passes", "mlp-with-decay", "mlp-in-double", "cnn", "cnn-in-passes", "cnn-fashion"]
FULL, FEW = 60_000, 10_000
"""Training images in the papers, and with --quick."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a paper trained, by Adam at a constant rate on pixels of 0 to 255, and the accuracies that it reports."""

    source: str
    task: str
    classifier: str
    epochs: int
    quick_epochs: int
    rrr_strength: float
    """λ of RRR beside the mean cross-entropy, where the penalty is a mean over the batch too."""
    deviation: float | None = None
    """Of the normal distribution that every weight and bias is drawn from; None leaves PyTorch's own."""
    published: dict[Arm, float]
    logged: dict[Arm, tuple[float, ...]] = field(default_factory=dict)
    """What all runs that the paper's repository has on record ended at, those that were published among them."""
    batch_size: int = 256
    learning_rate: float = 1e-3
    in_passes: bool = False
    """Whether every pass has every image once, by cross-entropy alone; otherwise batches are drawn."""
    shuffled: bool = False
    """Whether each pass has an order of its own, and not that of the images; in passes."""
    weight_decay: float = 0.0
    """Times the sum of all squared weights and biases, beside a cross-entropy summed over the batch; in passes."""
    precision: torch.dtype = torch.float32
    """Of weights and pixels; in passes."""


ROSS = Recipe(
    source="Ross et al. 2017",
    task="mnist-decoy",
    classifier="mlp",
    epochs=64,
    quick_epochs=64,
    rrr_strength=1000.0,
    deviation=0.1,
    published={"cross_entropy": 0.5155, "rrr": 0.9607, "no_shortcut": 0.9611},
    logged={
        "cross_entropy": (0.5481, 0.552, 0.5155),
        "rrr": (0.9631, 0.9604, 0.9607),
        "no_shortcut": (0.9578, 0.9611),
    },
)
ROSS_IN_PASSES = replace(ROSS, in_passes=True, published={"cross_entropy": 0.5155})
ROSS_WITH_DECAY = replace(ROSS_IN_PASSES, weight_decay=1e-4)
ROSS_IN_DOUBLE = replace(ROSS_WITH_DECAY, precision=torch.float64)
FRIEDRICH = Recipe(
    source="Friedrich et al. 2023",
    task="mnist-decoy",
    classifier="pooled_lenet",
    epochs=50,
    quick_epochs=10,
    rrr_strength=10.0 * 256,
    published={"cross_entropy": 0.789, "rrr": 0.988},
)
FRIEDRICH_IN_PASSES = replace(FRIEDRICH, in_passes=True, shuffled=True, published={"cross_entropy": 0.789})
FRIEDRICH_FASHION = replace(FRIEDRICH, task="fashion-mnist-decoy", published={"cross_entropy": 0.583, "rrr": 0.894})
RECIPES: dict[RecipeName, Recipe] = {
    "mlp": ROSS,
    "mlp-in-passes": ROSS_IN_PASSES,
    "mlp-with-decay": ROSS_WITH_DECAY,
    "mlp-in-double": ROSS_IN_DOUBLE,
    "cnn": FRIEDRICH,
    "cnn-in-passes": FRIEDRICH_IN_PASSES,
    "cnn-fashion": FRIEDRICH_FASHION,
}
