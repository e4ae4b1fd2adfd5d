"""The methods that are compared: this project's, the published LeverageSHAP, captum's KernelShap and shap's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import comb
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from experiments.explanation_precision.asked import CHUNK, Asked, Case
from explainfb.core.errors import InputError
from explainfb.core.seeding import derive, numpy_generator, torch_generator, torch_globally
from explainfb.core.types import FloatArray
from explainfb.explanations.settings import Sampling

FIXED = (1, 2, 4, 8, 16)
"""How many background images shap may have behind every mask; the best number is chosen."""
LEAST_MASKS = 100
"""With fewer masks than that, two a superpixel, a number of background images is not tried: the fit may be singular."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """One explanation, and what it cost."""

    weights: FloatArray
    passes: int
    """Forward passes, the image's own and its share of what is paid once included."""
    errors: FloatArray | None = None
    reliability: float | None = None


Method = Callable[[Case, int, int, int], Estimate]
"""Explains an image of a case, by its place, with so many passes at most, from a seed."""


def ours(
    case: Case, place: int, passes: int, seed: int, *, sampling: Sampling, control: bool = False, shared: bool = False
) -> Estimate:
    """This project's, `shared`: with the passes that the control variate asks once spread over explanations."""
    masks = (passes - 1 - shared * case.shared) // 2 * 2
    found = case.explain(place, masks, sampling, seed, control=control)
    return Estimate(found.weights, masks + 1 + shared * case.shared, found.standard_errors, found.reliability)


def leverage_shap(case: Case, place: int, passes: int, seed: int) -> Estimate:
    """Musco & Witter 2024: pairs without replacement, the sum of all values exact, one background image a mask."""
    asked, generator = Asked(case, place), numpy_generator(seed, "leverage shap", case.name, place)
    d, fixed = asked.superpixels, 1 + case.shared_backgrounds
    sizes = np.arange(1, d // 2 + 1)
    there = np.array([comb(d, int(k)) / (2 if 2 * k == d else 1) for k in sizes])
    sides = np.where(2 * sizes == d, 1.0, 2.0)
    level = _level((passes - fixed) / 2, sides, there)
    chances = np.minimum(1, sides * level / there)
    subsets, weights = [], []
    for k, most, chance in zip(sizes, there, chances, strict=True):
        count = generator.binomial(int(most), chance)
        subsets += _distinct(int(k), count, d, generator)
        weights += [1 / (chance * comb(d, int(k)) * k * (d - k))] * count
    half = np.array(subsets, dtype=np.float32)
    masks, weighed = np.concatenate([half, 1 - half]), np.tile(weights, 2)
    chosen = torch.from_numpy(generator.integers(len(case.background), size=len(masks)))
    outputs = asked(torch.from_numpy(masks), chosen).numpy()
    shown = masks.sum(1, keepdims=True) / d
    rest = outputs - asked.empty - shown[:, 0] * (asked.plain - asked.empty)
    root = np.sqrt(weighed)
    solved = np.linalg.lstsq(root[:, None] * (masks - shown), root * rest)[0]
    return Estimate(solved - solved.mean() + (asked.plain - asked.empty) / d, len(masks) + fixed)


def _level(pairs: float, sides: FloatArray, there: FloatArray) -> float:
    """How many masks of each number of superpixels make `pairs` in all, found by bisection."""
    low, high = 0.0, float(pairs)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(there, sides * middle).sum() < pairs else (low, middle)
    return high


def _distinct(shown: int, count: int, superpixels: int, generator: np.random.Generator) -> list[FloatArray]:
    """`count` different masks that show `shown` superpixels."""
    found: dict[bytes, FloatArray] = {}
    while len(found) < count:
        mask = np.zeros(superpixels)
        mask[generator.permutation(superpixels)[:shown]] = 1
        pair = min(mask.tobytes(), (1 - mask).tobytes())  # of exactly half, a mask and its complement are one pair
        found.setdefault(pair if 2 * shown == superpixels else mask.tobytes(), mask)
    return list(found.values())


def captum(case: Case, place: int, passes: int, seed: int) -> Estimate:
    """captum's KernelShap of the masks themselves; a background image is drawn for every one that it asks about."""
    asked, generator = Asked(case, place), torch_generator(seed, "captum", case.name, place)
    fixed = 1 + case.shared_backgrounds

    def forward(masks: Tensor) -> Tensor:
        return _with_ends(asked, masks.float(), generator)

    with torch_globally(seed, "captum masks", case.name, place):
        found = (
            _package("captum.attr")
            .KernelShap(forward)
            .attribute(
                torch.ones(1, asked.superpixels),
                baselines=torch.zeros(1, asked.superpixels),
                feature_mask=torch.arange(asked.superpixels)[None],
                n_samples=passes - fixed + 2,  # it asks about everything and nothing among them
                perturbations_per_eval=CHUNK,
            )
        )
    return Estimate(found[0].double().numpy(), asked.passes + fixed)


def shap_drawn(case: Case, place: int, passes: int, seed: int) -> Estimate:
    """shap's KernelExplainer with a background image drawn for every mask."""
    asked, generator = Asked(case, place), torch_generator(seed, "shap", case.name, place)
    fixed = 1 + case.shared_backgrounds

    def forward(masks: FloatArray) -> FloatArray:
        drawn: FloatArray = _with_ends(asked, torch.from_numpy(masks).float(), generator).numpy()
        return drawn

    own = np.ones((1, asked.superpixels))
    weights = _shap(forward, 0 * own, own, passes - fixed, derive(seed, "shap masks", case.name, place))
    return Estimate(weights, asked.passes + fixed)


def _with_ends(asked: Asked, masks: Tensor, generator: torch.Generator) -> Tensor:
    """Of the masks that show all or nothing the exact answers, which are not asked for again."""
    shown = masks.sum(1)
    outputs = torch.where(shown == 0, asked.empty, asked.plain).double()
    some = (shown > 0) & (shown < masks.shape[1])
    if some.any():
        chosen = torch.randint(len(asked.case.background), (int(some.sum()),), generator=generator)
        outputs[some] = asked(masks[some], chosen)
    return outputs


def shap_fixed(case: Case, place: int, passes: int, seed: int, *, behind: int) -> Estimate:
    """shap's KernelExplainer as it is used: each mask is asked about with every one of `behind` background images."""
    asked, generator = Asked(case, place), torch_generator(seed, "shap", case.name, place)
    drawn = torch.randperm(len(case.background), generator=generator)[:behind]

    def forward(sources: FloatArray) -> FloatArray:
        """Of rows (N, d) that say for each superpixel where it is from: 0 the image, i the i-th background image."""
        behind_each = torch.from_numpy(sources.max(1).astype(int) - 1).clamp_min(0)
        found: FloatArray = asked(torch.from_numpy(sources == 0).float(), drawn[behind_each]).numpy()
        return found

    data = np.arange(1.0, behind + 1)[:, None].repeat(asked.superpixels, 1)
    masks = (passes - behind - 1) // behind
    own = np.zeros((1, asked.superpixels))
    weights = _shap(forward, data, own, masks, derive(seed, "shap masks", case.name, place))
    return Estimate(weights, asked.passes)


def _shap(
    forward: Callable[[FloatArray], FloatArray], data: FloatArray, own: FloatArray, masks: int, seed: int
) -> FloatArray:
    state = np.random.get_state()  # noqa: NPY002  # shap draws from the global state
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        explainer = _package("shap").KernelExplainer(forward, data)
        found: FloatArray = explainer.shap_values(own, nsamples=masks, l1_reg=False, silent=True)[0]
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return found


def _package(name: str) -> ModuleType:
    """Raises `InputError` where it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"{error}; pip install captum shap, or leave their methods out of --methods.") from error


METHODS: Mapping[str, Method] = {
    "control variate": partial(ours, sampling="leverage", control=True, shared=True),
    "control variate, masks alone": partial(ours, sampling="leverage", control=True),
    "leverage": partial(ours, sampling="leverage"),
    "kernelshap": partial(ours, sampling="kernelshap"),
    "lime": partial(ours, sampling="lime"),
    "LeverageSHAP": leverage_shap,
    "captum": captum,
    "shap": shap_drawn,
}
"""`shap, fixed` is added with the number of background images that does best."""
