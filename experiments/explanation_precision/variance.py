"""What an output's variance under random masks is made of, and how much of it is known beforehand."""

import numpy as np
import torch
from torch import Tensor

from experiments.explanation_precision.asked import Asked, Case
from explainfb.core.seeding import torch_generator
from explainfb.explanations.lime import fit_linear
from explainfb.explanations.perturbation import draw_masks


def parts_of(case: Case, masks: int, behind: int) -> dict[str, float]:
    """Means over the images of a case, from so many masks with `behind` background images each."""
    found = [_of_image(case, place, masks, behind) for place in range(len(case.images))]
    return {name: round(float(np.mean([each[name] for each in found])), 4) for name in found[0]}


def _of_image(case: Case, place: int, count: int, behind: int) -> dict[str, float]:
    asked, generator = Asked(case, place), torch_generator(0, "variance", case.name, place)
    masks, weights = draw_masks(count, asked.superpixels, "leverage", generator)
    share = weights / weights.sum()
    most = len(case.background)
    chosen = torch.stack([torch.randperm(most, generator=generator)[:behind] for _ in range(count)])
    behind = chosen.shape[1]
    outputs = asked(masks.repeat_interleave(behind, 0), chosen.flatten()).view(count, behind)
    means = outputs.mean(1, keepdim=True)
    within = outputs - means
    background = float(share @ within.square().sum(1)) / (behind - 1)
    fit = fit_linear(masks, means, weights)
    signal = masks.double() @ fit.weights[:, 0]
    rest = means[:, 0] - fit.intercept - signal
    # a mean over few background images varies, and the fit has taken up as many degrees of freedom as superpixels
    freedom = 1 - (masks.shape[1] + 1) / count
    noise = background / behind
    linear = float(share @ (signal - share @ signal).square()) - noise * masks.shape[1] / count
    told = {
        "linear": linear,
        "nonlinear": float(share @ rest.square()) / freedom - noise,
        "background": background,
    }
    return told | _left(case, asked, masks, chosen, within, share)


def _left(case: Case, asked: Asked, masks: Tensor, chosen: Tensor, within: Tensor, share: Tensor) -> dict[str, float]:
    """The share of the background's variance that is left after what is known of a background image."""
    control = case.control(0)
    alone = control.answers[:, asked.target].double()[chosen]
    alone = alone - alone.mean(1, keepdim=True)
    hidden = 1 - masks.double().mean(1, keepdim=True)
    mixtures = control.known(asked.segments)
    with torch.inference_mode():
        plain = case.classifier(asked.image[None]).softmax(1)
    contributions = mixtures.contributions(asked.image[None], plain)[0]
    every = masks.repeat_interleave(chosen.shape[1], 0)
    logits = every @ contributions + mixtures.background_logits(every, chosen.flatten())
    distilled = logits.softmax(1)[:, asked.target].double().view_as(within)
    distilled = distilled - distilled.mean(1, keepdim=True)
    root = share.sqrt()[:, None]

    def left(*covariates: Tensor) -> float:
        columns = torch.stack([(root * each).flatten() for each in covariates], 1)
        told = (root * within).flatten()[:, None]
        rest = told - columns @ torch.linalg.lstsq(columns, told).solution
        return float(rest.square().sum() / told.square().sum())

    differs = (root * (within - distilled)).square().sum() / (root * within).square().sum()
    return {"f(b)": left(alone), "f(b), share hidden": left(alone, alone * hidden), "distilled": float(differs)}
