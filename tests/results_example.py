"""A made-up study with realistic numbers and pictures, for the tests and for looking at the page.

`python tests/results_example.py FILE.html` writes the page.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from explainfb.core.types import Explanation, FloatArray
from explainfb.explanations.superpixels import grid
from explainfb.report import GalleryItem, ReportData, RewardMaps, write_report

LINF = (0.025, 0.05, 0.1, 0.15)
L2 = (0.5, 1.0, 2.0)
ARMS: dict[str, dict[str, Any]] = {
    # clean, shifted, ece, share, robust accuracy at LINF then L2
    "before": {"numbers": (0.962, 0.416, 0.452, 0.35), "robust": (0.36, 0.30, 0.23, 0.15, 0.33, 0.24, 0.11)},
    "after": {"numbers": (0.958, 0.899, 0.031, 0.04), "robust": (0.85, 0.79, 0.56, 0.31, 0.82, 0.66, 0.27)},
    "cross_entropy": {"numbers": (0.966, 0.298, 0.621, 0.44), "robust": (0.26, 0.213, 0.137, 0.08, 0.24, 0.15, 0.06)},
    "random_answers": {"numbers": (0.951, 0.261, 0.558, 0.41), "robust": (0.22, 0.17, 0.113, 0.07, 0.2, 0.13, 0.05)},
    "ceiling": {"numbers": (0.973, 0.95, 0.013, 0.01), "robust": (0.94, 0.93, 0.83, 0.66, 0.94, 0.87, 0.55)},
}


def interval(value: float, half: float) -> list[float]:
    return [round(max(0.0, value - half), 4), round(min(1.0, value + half), 4)]


def robust(values: tuple[float, ...], n: int = 300) -> list[dict[str, Any]]:
    cases = [("linf", epsilon) for epsilon in LINF] + [("l2", epsilon) for epsilon in L2]
    rows = []
    for (norm, epsilon), accuracy in zip(cases, values, strict=True):
        low, high = interval(accuracy, 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5)
        attacks = {"pgd": accuracy, "minimum_norm": accuracy + 0.01, "boundary": accuracy + 0.03, "noise": 0.99}
        rows.append(
            {"norm": norm, "epsilon": epsilon, "accuracy": accuracy, "low": low, "high": high, "n": n}
            | {"attacks": attacks, "reliable": True, "flags": []}
        )
    return rows


def reliability(accuracy: float, ece: float, n: int, bins: int = 15) -> dict[str, list[Any]]:
    """Bins that lean to over-confidence by about `ece`, and are empty at the low end."""
    centres = (np.arange(bins) + 0.5) / bins
    weight = np.where(centres < 0.2, 0.0, np.exp(4 * (centres - 1)))
    count = np.round(n * weight / weight.sum()).astype(int)
    seen = np.clip(centres - ece * centres**0.5, 0, 1)
    full = count > 0
    return {
        "confidence": [round(float(c), 3) if f else None for c, f in zip(centres, full, strict=True)],
        "accuracy": [round(float(a), 3) if f else None for a, f in zip(seen, full, strict=True)],
        "count": count.tolist(),
    }


def evaluation(name: str, n: int = 899) -> dict[str, Any]:
    clean, shifted, ece, share = ARMS[name]["numbers"]
    half = {"clean_accuracy": 0.012, "shifted_accuracy": 0.031, "ece": 0.02, "shortcut_share": 0.015}
    values = {"clean_accuracy": clean, "shifted_accuracy": shifted, "ece": ece, "shortcut_share": share}
    return {
        "n": n,
        **values,
        "intervals": {key: interval(value, half[key]) for key, value in values.items()},
        "reliability": reliability(shifted, ece, n),
        "robust_accuracy": robust(ARMS[name]["robust"]),
    }


def difference(estimate: float, half: float) -> dict[str, float]:
    return {"estimate": round(estimate, 4), "low": round(estimate - half, 4), "high": round(estimate + half, 4)}


def differences(name: str) -> dict[str, Any]:
    after, other = ARMS["after"], ARMS[name]
    keys = ("clean_accuracy", "shifted_accuracy", "ece", "shortcut_share")
    halves = (0.011, 0.037, 0.03, 0.02)
    parts: dict[str, Any] = {
        key: difference(a - b, half)
        for key, a, b, half in zip(keys, after["numbers"], other["numbers"], halves, strict=True)
    }
    radii = [("linf", epsilon) for epsilon in LINF] + [("l2", epsilon) for epsilon in L2]
    parts["robust_accuracy"] = [
        {"norm": norm, "epsilon": epsilon, **difference(a - b, 0.055)}
        for (norm, epsilon), a, b in zip(radii, after["robust"], other["robust"], strict=True)
    ]
    return parts


def example_results() -> dict[str, Any]:
    results: dict[str, Any] = {
        "task": "digits-decoy",
        "seed": 0,
        "command": "explainfb run --study studies/decoy --rounds 4 --comparisons-per-round 250",
        "settings": {
            "annotator": "simulated", "error_rate": 0.1, "rounds": 4, "comparisons": 250, "classifier": "lenet",
            "superpixels": "grid", "superpixel_count": 49, "masks": "kernelshap", "mask_count": 256, "fill": "data",
            "reward": "additive", "reward_members": 3, "strength": 0.7, "steps_per_round": 240, "device": "cpu",
            "attacked_images": 300, "train_images": None, "wait_for_annotators": False,
        },
        "environment": {
            "explainfb": "0.1.0", "python": "3.12.4", "torch": "2.15.0", "torchvision": "0.29.0", "numpy": "2.4.1",
            "foolbox": "3.3.4", "machine": "x86_64, 2 cores, Linux 6.8",
        },
        "preferences": {
            "answers": 1000,
            "annotators": ["simulated"],
            "reward_accuracy": 0.772,
            "reward_accuracy_interval": [0.716, 0.824],
            "by_round": [
                {"round": 1, "answers": 250, "held_out": 60, "reward_accuracy": 0.71, "low": 0.6, "high": 0.82},
                {"round": 2, "answers": 500, "held_out": 120, "reward_accuracy": 0.735, "low": 0.66, "high": 0.81},
                {"round": 3, "answers": 750, "held_out": 180, "reward_accuracy": 0.764, "low": 0.7, "high": 0.826},
                {"round": 4, "answers": 1000, "held_out": 240, "reward_accuracy": 0.772, "low": 0.716, "high": 0.824},
            ],
        },
        "before": evaluation("before"),
        "after": evaluation("after"),
        "ceiling": evaluation("ceiling"),
        "controls": {name: evaluation(name) for name in ("cross_entropy", "random_answers")},
        "differences": {name: differences(name) for name in ("before", "cross_entropy", "random_answers", "ceiling")},
        "budget": {
            "before": {"forward": 64_000, "backward": 64_000}, "ceiling": {"forward": 64_000, "backward": 64_000},
            "after": {"forward": 1_058_000, "backward": 614_000},
            "cross_entropy": {"forward": 61_400, "backward": 61_400},
            "random_answers": {"forward": 1_058_000, "backward": 614_000},
        },
        "seconds": {"train": 21.4, "explain": 12.9, "feedback": 96.2, "controls": 61.0, "evaluate": 38.3},
        "stopped": [],
    }  # fmt: skip
    flagged = results["after"]["robust_accuracy"][3]
    flagged["reliable"], flagged["flags"] = False, ["black_box_beats_white_box"]
    return results


def without_shortcut(results: dict[str, Any]) -> dict[str, Any]:
    """The same study on a task that has no shortcut."""
    for arm in (results["before"], results["after"], *results["controls"].values()):
        arm["shifted_accuracy"] = arm["shortcut_share"] = None
        arm["intervals"]["shifted_accuracy"] = arm["intervals"]["shortcut_share"] = None
    results.pop("ceiling", None)
    results["differences"].pop("ceiling", None)
    for parts in results["differences"].values():
        parts["shifted_accuracy"] = parts["shortcut_share"] = None
    return results


def _explanation(target: int, probability: float, weights: FloatArray) -> Explanation:
    return Explanation(target, probability, grid(28, 28, 49), weights, intercept=0.1, fit=0.8)


def example_material(items: int = 8, seed: int = 0) -> ReportData:
    """Digits with a white patch on the border; the reasons move from the patch to the digit."""
    generator = np.random.default_rng(seed)
    digits = load_digits()
    gallery, segments = [], grid(28, 28, 49)
    for index in range(items):
        label = int(digits.target[index])
        image = np.zeros((28, 28))
        image[2:26, 2:26] = np.kron(digits.images[index] / 16, np.ones((3, 3)))
        wrong = int(generator.integers(10))
        top, left = (0, 24 * (wrong % 2)) if wrong < 5 else (24, 12 * (wrong % 3))
        image[top : top + 4, left : left + 4] = 1
        ink = np.array([image[segments == s].mean() for s in range(49)])
        patch = np.zeros(49)
        patch[segments[top, left]] = 1
        before = -0.42 * patch + 0.06 * generator.normal(size=49)
        after = 0.3 * ink * (1 - patch) * (0.4 + generator.random(49)) + 0.015 * generator.normal(size=49)
        gallery.append(
            GalleryItem(
                image=image[None],
                label=label,
                before=_explanation(label, 0.2, before),
                after=_explanation(label, 0.93, after),
                predicted_before=wrong,
                confidence_before=float(0.75 + 0.24 * generator.random()),
                predicted_after=label,
                confidence_after=float(0.8 + 0.19 * generator.random()),
            )
        )
    rows, columns = np.mgrid[:28, :28]
    edge = np.minimum.reduce([rows, columns, 27 - rows, 27 - columns])
    maps = RewardMaps(
        should_count=np.clip(edge / 9, 0, 1) + 0.05 * generator.normal(size=(28, 28)),
        should_not_count=np.clip(1 - edge / 5, 0, 1) + 0.05 * np.abs(generator.normal(size=(28, 28))),
        image=None,
        computed_on="the mean over 200 validation images",
    )
    steps = np.arange(240)
    curves = {f"round {k}": (1.2 / k * np.exp(-steps / 60) - 0.1 * k).tolist() for k in (1, 2, 3, 4)}
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return ReportData(class_names=names, gallery=tuple(gallery), reward_maps=maps, loss_curves=curves)


if __name__ == "__main__":
    write_report(example_results(), example_material(), Path(sys.argv[1]))
