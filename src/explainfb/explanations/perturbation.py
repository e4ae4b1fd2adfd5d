"""Perturbing an image: which superpixels are hidden, and what is put in their place.

Masks say which, and how much each weighs in the regression. What is put in their place decides what an explanation can
show. `zero` and `mean` show whether what is there matters. `data`, the same place in other training images (the
background distribution of Lundberg & Lee 2017), also shows what something foreign in that place would do.
"""

from collections.abc import Sequence
from functools import cache
from itertools import combinations
from math import comb
from typing import get_args

import torch
import torch.nn.functional as F
from scipy.linalg import hadamard
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.explanations.settings import Fill, Sampling
from explainfb.explanations.superpixels import pool

KERNEL_WIDTH = 0.25
ENUMERATED = 2000
"""Of up to so many masks of one size, none is drawn twice before all were."""


def draw_masks(count: int, superpixels: int, sampling: Sampling, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(count, superpixels) masks of 0 (hidden) and 1 (shown), float32, and their (count,) float64 weights π(z).

    - `lime` draws every entry by a coin and shows everything in the first mask, as the paper's code does; a mask's
      weight is sqrt(exp(−D² / 0.25²)), D its cosine distance to the unperturbed image.
    - `kernelshap` draws the number k of shown superpixels with probability ∝ 1/(k(d−k)) and then which ones, and
      appends the complement of every mask (Lundberg & Lee 2017; Covert & Lee 2021). The kernel is in how masks are
      drawn: all weigh the same.
    - `leverage` has the same estimand from masks that are spread evenly over the numbers k, which is in proportion to
      their leverage in the regression (Musco & Witter 2024), a number's weight ∝ 1/(k(d−k)) shared by its masks. Where
      there are few masks of a number none is drawn twice before all were.
    - `hadamard` has the estimand and the kernel of `lime`, from masks that are balanced against each other: the rows of
      Hadamard matrices, each with columns and signs drawn anew, and their complements (folded over). Every single mask
      is as likely as by the coin, and in each matrix every three superpixels show all eight combinations equally often,
      so that neither another superpixel nor an interaction of two passes for a weight.

    The last three need an even `count`.
    """
    if sampling == "lime":
        # float32, because a mask is multiplied with pixels and regressed on
        masks = torch.randint(2, (count, superpixels), generator=generator, dtype=torch.float32)
        masks[0] = 1
        return masks, lime_kernel(masks)
    if count % 2:
        raise InputError(f"{sampling} masks come in pairs; the number of masks must be even, found {count}.")
    if sampling == "leverage":
        half, weights = _leverage_masks(count // 2, superpixels, generator)
        return torch.cat([half, 1 - half]), torch.cat([weights, weights])
    if sampling == "hadamard":
        half = _hadamard_masks(count // 2, superpixels, generator)
        masks = torch.cat([half, 1 - half])
        return masks, lime_kernel(masks)
    sizes = torch.arange(1, superpixels)
    chances = 1.0 / (sizes * (superpixels - sizes))
    shown = sizes[torch.multinomial(chances, count // 2, replacement=True, generator=generator)]
    half = _random_subsets(shown, superpixels, generator)
    return torch.cat([half, 1 - half]), torch.ones(count, dtype=torch.float64)


def in_pairs(parts: Sequence[Tensor], sampling: Sampling) -> Tensor:
    """What is known of masks drawn in several parts, (n, …) each, with all complements in the second half again."""
    if len(parts) == 1 or sampling == "lime":
        return torch.cat(list(parts))
    halves = [part.chunk(2) for part in parts]
    return torch.cat([half[which] for which in range(2) for half in halves])


def _hadamard_masks(count: int, superpixels: int, generator: torch.Generator) -> Tensor:
    """(count, superpixels) rows of Hadamard matrices, as many matrices as that takes."""
    order = 1 << superpixels.bit_length()  # Sylvester's, the smallest with a column more than there are superpixels
    shown = torch.from_numpy(hadamard(order)) > 0
    drawn = []
    for _ in range(-(-count // order)):
        columns = 1 + torch.randperm(order - 1, generator=generator)[:superpixels]  # the first column is constant
        rows = torch.randperm(order, generator=generator)
        flipped = torch.randint(2, (superpixels,), generator=generator, dtype=torch.bool)
        drawn.append(shown[rows][:, columns] ^ flipped)
    return torch.cat(drawn)[:count].float()


def _random_subsets(shown: Tensor, superpixels: int, generator: torch.Generator) -> Tensor:
    """(n, superpixels) masks that show `shown` (n,) superpixels each, every choice equally likely."""
    # the order of random keys is a random permutation; float64, so that two keys are hardly ever equal
    keys = torch.rand(len(shown), superpixels, generator=generator, dtype=torch.float64)
    order = torch.from_numpy(keys.numpy().argsort(1))  # NumPy sorts short rows several times faster than torch
    first_shown = (torch.arange(superpixels) < shown[:, None]).float()
    return torch.empty_like(first_shown).scatter_(1, order, first_shown)


def _leverage_masks(pairs: int, superpixels: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`pairs` masks of at most half of the superpixels, and the weight of each; their complements are to be added."""
    sizes = range(1, superpixels // 2 + 1)
    # of masks with exactly half shown, one and its complement are the same pair
    there = [comb(superpixels, k) if 2 * k < superpixels else comb(superpixels, k) // 2 for k in sizes]
    # a size below the half stands for its complement's size as well
    kernel = [(2 if 2 * k < superpixels else 1) / (k * (superpixels - k)) for k in sizes]
    wanted = _shares(pairs, [2 if 2 * k < superpixels else 1 for k in sizes], there, generator)
    # among very many masks chance hardly ever draws one twice
    rare = [most <= max(ENUMERATED, 4 * count) for most, count in zip(there, wanted, strict=True)]
    few = [(k, count) for k, count, is_rare in zip(sizes, wanted, rare, strict=True) if is_rare]
    often = [k for k, count, is_rare in zip(sizes, wanted, rare, strict=True) if not is_rare for _ in range(count)]
    masks = [_distinct_subsets(k, count, superpixels, generator) for k, count in few]
    masks.append(_random_subsets(torch.tensor(often, dtype=torch.int64), superpixels, generator))
    order = sorted(range(len(rare)), key=lambda place: not rare[place])  # as the masks stand
    weights = torch.tensor(
        [kernel[place] / wanted[place] for place in order for _ in range(wanted[place])], dtype=torch.float64
    )
    return torch.cat(masks), weights * pairs / weights.sum()  # 1 on average, so that the ridge means the same


def _shares(total: int, parts: Sequence[int], most: Sequence[int], generator: torch.Generator) -> list[int]:
    """How many of `total` each place gets, in proportion to `parts` and at most `most`, and the same again where they
    are more than that; remainders by lot."""
    given = [0] * len(parts)
    whole, left = divmod(total, sum(most))
    while left:
        open_places = [place for place in range(len(parts)) if given[place] < most[place]]
        share = left / sum(parts[place] for place in open_places)
        exact = torch.tensor([share * parts[place] for place in open_places], dtype=torch.float64).cumsum(0)
        # systematic sampling: every place gets its exact share up or down, and on average the share itself
        start = torch.rand(1, generator=generator, dtype=torch.float64)
        edges = torch.cat([exact.new_zeros(1), exact[:-1], exact.new_tensor([left])])
        counts = ((edges + start).floor().diff()).long().tolist()
        for place, count in zip(open_places, counts, strict=True):
            taken = min(count, most[place] - given[place])
            given[place] += taken
            left -= taken
    return [whole * limit + count for limit, count in zip(most, given, strict=True)]


@cache
def _every_subset(shown: int, superpixels: int) -> Tensor:
    """(n, shown) every choice of `shown` superpixels; of exactly half of them, one of each pair of complements."""
    every = torch.tensor(list(combinations(range(superpixels), shown)))
    return every[: len(every) // 2] if 2 * shown == superpixels else every  # complements stand in reverse


def _distinct_subsets(shown: int, count: int, superpixels: int, generator: torch.Generator) -> Tensor:
    """`count` masks that show `shown` superpixels, none drawn again before all were."""
    every = _every_subset(shown, superpixels)
    rounds = -(-count // len(every))
    order = torch.cat([torch.randperm(len(every), generator=generator) for _ in range(rounds or 1)])
    chosen = every[order[:count]]
    return torch.zeros(count, superpixels).scatter_(1, chosen, 1.0)


def lime_kernel(masks: Tensor) -> Tensor:
    """(N,) float64 weights sqrt(exp(−D² / 0.25²)) of masks (N, d), D the cosine distance to the unperturbed image."""
    shown = masks.sum(1).double() / masks.shape[1]
    distance = 1 - shown.sqrt()  # the cosine of z and 1 is |z| / (sqrt|z| sqrt d)
    return torch.exp(-(distance**2) / KERNEL_WIDTH**2).sqrt()


def draw_padded_masks(
    count: int, superpixels: Sequence[int], sampling: Sampling, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Masks (B, count, d) and their weights π (B, count) for B images with these numbers of superpixels.

    d is the largest of the numbers. A superpixel that an image does not have is always shown, so its weight is 0.
    """
    drawn = [draw_masks(count, own, sampling, generator) for own in superpixels]
    padded = [F.pad(masks, (0, max(superpixels) - masks.shape[1]), value=1.0) for masks, _ in drawn]
    return torch.stack(padded), torch.stack([weights for _, weights in drawn])


class Perturber:
    """Hides superpixels of images.

    `zero` is black; `mean` the mean colour of each superpixel, as in the `lime` package; `blur` the image without
    detail finer than an eighth of it; `noise` uniform in [0, 1]; `data` the same place in a background image. The last
    two are drawn anew for each mask.
    """

    def __init__(self, images: Tensor, segments: Tensor, fill: Fill, background: Tensor | None = None) -> None:
        """images (B, C, H, W) in [0, 1]; segments (B, H, W); background (M, C, H, W), which only `data` needs."""
        if fill not in get_args(Fill):
            raise InputError(f"Unknown fill {fill!r}; expected one of {', '.join(get_args(Fill))}.")
        if fill == "data":
            _check_background(background, images)
        self.images = images
        self.background = background
        self.fill = fill
        self.pixels = segments.flatten(1)  # (B, H·W)
        self.fixed = _fixed_fill(fill, images, segments)

    def __call__(self, masks: Tensor, generator: torch.Generator, chosen: Tensor | None = None) -> Tensor:
        """(B, N, C, H, W): the images under masks (B, N, d), with what is 0 in a mask hidden.

        `chosen` (B, N) says which background image is behind each mask; None draws them.
        """
        if chosen is None:
            chosen = self.draw(masks.shape[1], generator)
        return self.show(masks, chosen)

    def draw(self, count: int, generator: torch.Generator) -> Tensor | None:
        """What is drawn anew for each of `count` masks: background images by number (B, count) for the fill `data`,
        pixels (B, count, C, H, W) for `noise`, nothing for others."""
        batch, *shape = self.images.shape
        # on the CPU wherever the images are, so that every device hides with the same pixels
        if self.fill == "noise":
            return torch.rand(batch, count, *shape, generator=generator)
        if self.background is None or self.fill != "data":
            return None
        return torch.randint(len(self.background), (batch, count), generator=generator)

    def show(self, masks: Tensor, drawn: Tensor | None) -> Tensor:
        """(B, N, C, H, W): the images under masks (B, N, d) with what `draw` gave behind them."""
        batch, count = masks.shape[:2]
        pixels = self.pixels.unsqueeze(1).expand(-1, count, -1)
        shown = masks.to(self.images).gather(2, pixels).view(batch, count, 1, *self.images.shape[2:])
        images = self.images.unsqueeze(1)
        # exact where shown is 0 or 1, and one new tensor where z ⊙ x + (1 − z) ⊙ b needs several
        if self.fixed is not None:
            return torch.lerp(self.fixed, images, shown)
        assert drawn is not None
        if self.fill == "noise":
            return torch.lerp(drawn.to(self.images), images, shown)
        assert self.background is not None
        behind = self.background.index_select(0, drawn.flatten().to(self.background.device))
        return behind.view(batch, count, *self.images.shape[1:]).to(self.images).lerp_(images, shown)


def _check_background(background: Tensor | None, images: Tensor) -> None:
    if background is None or not len(background):
        raise InputError("The fill 'data' needs background images; give some training images as background.")
    if background.shape[1:] != images.shape[1:]:
        raise InputError(
            f"Background images must have the shape {tuple(images.shape[1:])} of the images explained; "
            f"found {tuple(background.shape[1:])}."
        )


def _fixed_fill(fill: Fill, images: Tensor, segments: Tensor) -> Tensor | None:
    """The same for every mask: (B, 1, C, H, W) or a shape that broadcasts to it; None where it is drawn for each."""
    match fill:
        case "zero":
            return images.new_zeros(1, 1, 1, 1, 1)
        case "mean":
            means = pool(images, segments, int(segments.max()) + 1)  # (B, C, d)
            index = segments.flatten(1).unsqueeze(1).expand(-1, images.shape[1], -1)  # (B, C, H·W)
            return means.gather(2, index).view_as(images).unsqueeze(1)
        case "blur":
            import torchvision.transforms.functional as TF  # takes seconds to load, and is wanted here alone

            side = min(images.shape[2:]) / 8
            size = 2 * max(1, round(side)) + 1
            rows = TF.gaussian_blur(images, [1, size], sigma=side / 2)  # one direction at a time is far faster
            both: Tensor = TF.gaussian_blur(rows, [size, 1], sigma=side / 2)
            return both.unsqueeze(1)
        case "noise" | "data":
            return None
