"""A made-up study with realistic numbers and pictures, for the tests and for looking at the page.

`python tests/results_example.py FILE.html` writes the page.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from explainfb.core.types import FloatArray, Interval, RobustAccuracy, ThreatModel
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.superpixels import grid
from explainfb.report import GalleryItem, ReportData, RewardMaps, write_report
from explainfb.results.measures import CLEAN, ECE, SHIFTED, SHORTCUT_SHARE, Measure, robust_accuracy_under
from explainfb.results.records import (
    ArmDifference,
    ArmResult,
    Compute,
    Faithfulness,
    PreferenceResults,
    ReliabilityBins,
    RoundResult,
    StudyResults,
    in_order,
)
from explainfb.study.arms.registry import describe

LINF = (0.025, 0.05, 0.1, 0.15)
L2 = (0.5, 1.0, 2.0)
MODELS = [ThreatModel("linf", epsilon) for epsilon in LINF] + [ThreatModel("l2", epsilon) for epsilon in L2]
ARMS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # clean, shifted, ece, share; robust accuracy at LINF then L2
    "before": ((0.962, 0.416, 0.452, 0.35), (0.36, 0.30, 0.23, 0.15, 0.33, 0.24, 0.11)),
    "cross_entropy": ((0.966, 0.298, 0.621, 0.44), (0.26, 0.213, 0.137, 0.08, 0.24, 0.15, 0.06)),
    "random_answers": ((0.951, 0.261, 0.558, 0.41), (0.22, 0.17, 0.113, 0.07, 0.2, 0.13, 0.05)),
    "feedback": ((0.958, 0.899, 0.031, 0.04), (0.85, 0.79, 0.56, 0.31, 0.82, 0.66, 0.27)),
    "no_shortcut": ((0.973, 0.95, 0.013, 0.01), (0.94, 0.93, 0.83, 0.66, 0.94, 0.87, 0.55)),
}
COMPUTE = {
    "before": Compute(64_000, 64_000),
    "cross_entropy": Compute(61_400, 61_400),
    "random_answers": Compute(1_058_000, 614_000),
    "feedback": Compute(1_058_000, 614_000),
    "no_shortcut": Compute(64_000, 64_000),
}
SETTINGS: dict[str, object] = {
    "annotator": "simulated", "error_rate": 0.1, "rounds": 4, "comparisons_per_round": 250, "classifier": "lenet",
    "superpixels": "grid", "superpixel_count": 49, "masks": "kernelshap", "mask_count": 256, "fill": "data",
    "reward": "additive", "reward_members": 3, "strength": 0.7, "steps_per_round": 240, "device": "cpu",
    "attacked_images": 300, "train_images": None, "wait_for_annotators": False,
}  # fmt: skip
ENVIRONMENT = {
    "explainfb": "0.1.0", "python": "3.12.4", "torch": "2.15.0", "torchvision": "0.29.0", "numpy": "2.4.1",
    "foolbox": "3.3.4", "machine": "x86_64, 2 cores, Linux 6.8",
}  # fmt: skip
ROUNDS = (
    RoundResult(1, answers=250, held_out=60, reward_accuracy=Interval(0.71, 0.6, 0.82)),
    RoundResult(2, answers=500, held_out=120, reward_accuracy=Interval(0.735, 0.66, 0.81)),
    RoundResult(3, answers=750, held_out=180, reward_accuracy=Interval(0.764, 0.7, 0.826)),
    RoundResult(4, answers=1000, held_out=240, reward_accuracy=Interval(0.772, 0.716, 0.824)),
)


def interval(value: float, half: float) -> Interval:
    return Interval(value, round(max(0.0, value - half), 4), round(min(1.0, value + half), 4))


def robust(model: ThreatModel, accuracy: float, n: int = 300) -> RobustAccuracy:
    half = 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5
    attacks = {"pgd": accuracy, "minimum_norm": accuracy + 0.01, "boundary": accuracy + 0.03, "noise": 0.99}
    return RobustAccuracy(model, interval(accuracy, half), n, attacks)


def reliability(ece: float, n: int, bins: int = 15) -> ReliabilityBins:
    """Bins that lean to over-confidence by about `ece`, and are empty at the low end."""
    centres = (np.arange(bins) + 0.5) / bins
    weight = np.where(centres < 0.2, 0.0, np.exp(4 * (centres - 1)))
    count = np.round(n * weight / weight.sum()).astype(int).tolist()
    seen = np.clip(centres - ece * centres**0.5, 0, 1)
    confidence, accuracy = (
        tuple(round(float(value), 3) if images else None for value, images in zip(values, count, strict=True))
        for values in (centres, seen)
    )
    return ReliabilityBins(confidence, accuracy, tuple(count))


FAITHFULNESS = Faithfulness(
    20,
    deletion=Interval(0.024, 0.02, 0.031),
    insertion=Interval(0.974, 0.961, 0.985),
    infidelity=Interval(0.029, 0.018, 0.042),
    sensitivity=Interval(1.152, 0.911, 1.205),
)


def arm_result(name: str, n: int = 899) -> ArmResult:
    (clean, shifted, ece, share), robustness = ARMS[name]
    return ArmResult(
        arm=describe(name),
        n=n,
        clean_accuracy=interval(clean, 0.012),
        shifted_accuracy=interval(shifted, 0.031),
        ece=interval(ece, 0.02),
        shortcut_share=interval(share, 0.015),
        reliability=reliability(ece, n),
        robust_accuracy=tuple(robust(model, accuracy) for model, accuracy in zip(MODELS, robustness, strict=True)),
        compute=COMPUTE[name],
        faithfulness=FAITHFULNESS,
    )


def arm_difference(name: str) -> ArmDifference:
    halves = {CLEAN: 0.011, SHIFTED: 0.037, ECE: 0.03, SHORTCUT_SHARE: 0.02}
    halves |= {robust_accuracy_under(model): 0.055 for model in MODELS}
    here, there = (numbers + robustness for numbers, robustness in (ARMS["feedback"], ARMS[name]))
    found = {}
    for (measure, half), a, b in zip(halves.items(), here, there, strict=True):
        found[measure.key] = Interval(round(a - b, 4), round(a - b - half, 4), round(a - b + half, 4))
    return ArmDifference(found)


def example_results() -> StudyResults:
    results = StudyResults(
        task="digits-decoy",
        seed=0,
        command="explainfb run --study studies/decoy --rounds 4 --comparisons-per-round 250 --seed 0",
        settings=SETTINGS,
        environment=ENVIRONMENT,
        preferences=PreferenceResults(1000, ("simulated",), ROUNDS),
        arms={name: arm_result(name) for name in ARMS},
        differences={name: arm_difference(name) for name in ARMS if name != "feedback"},
        seconds={"train": 21.4, "explain": 12.9, "feedback": 96.2, "controls": 61.0, "evaluate": 38.3},
    )
    return with_flag(results, "feedback", MODELS[3], "black_box_beats_white_box")


def with_arm(results: StudyResults, name: str, **changes: Any) -> StudyResults:
    """The same study, but for what was measured on one of its arms."""
    return replace(results, arms={**results.arms, name: replace(results.arms[name], **changes)})


def with_twins(results: StudyResults, *names: str, of: str = "before") -> StudyResults:
    """The same study with further arms, on which the same was measured as on another one."""
    twins = [replace(results.arms[of], arm=describe(name)) for name in names]
    compared = dict.fromkeys(names, results.differences[of])
    return replace(
        results, arms=in_order([*results.arms.values(), *twins]), differences={**results.differences, **compared}
    )


def with_flag(results: StudyResults, name: str, model: ThreatModel, flag: str) -> StudyResults:
    """The same study, but for a robust accuracy that failed a check."""
    rows = results.arms[name].robust_accuracy
    flagged = tuple(replace(row, flags=(flag,)) if row.threat_model == model else row for row in rows)
    return with_arm(results, name, robust_accuracy=flagged)


def with_difference(results: StudyResults, name: str, measure: Measure, found: Interval | None) -> StudyResults:
    """The same study, but for the difference to one arm in one measure; None where it was not compared."""
    kept = {key: value for key, value in results.differences[name].by_measure.items() if key != measure.key}
    changed = ArmDifference(kept if found is None else kept | {measure.key: found})
    return replace(results, differences={**results.differences, name: changed})


def without_arms(results: StudyResults, *names: str) -> StudyResults:
    """The same study without these arms."""
    arms = {name: arm for name, arm in results.arms.items() if name not in names}
    differences = {name: each for name, each in results.differences.items() if name not in names}
    return replace(results, arms=arms, differences=differences)


def without_shortcut(results: StudyResults) -> StudyResults:
    """The same study on a task that has no shortcut."""
    results = without_arms(results, "no_shortcut")
    for name in results.arms:
        results = with_arm(results, name, shifted_accuracy=None, shortcut_share=None)
    for name in results.differences:
        for measure in (SHIFTED, SHORTCUT_SHARE):
            results = with_difference(results, name, measure, None)
    return results


def _explanation(target: int, probability: float, weights: FloatArray) -> Explanation:
    return Explanation(target, probability, grid(28, 28, 49), weights, intercept=0.1, fit=0.8)


def example_report_data(items: int = 8, seed: int = 0) -> ReportData:
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
        computed_on="the mean over 200 validation images",
    )
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return ReportData(class_names=names, gallery=tuple(gallery), reward_maps=maps)


if __name__ == "__main__":
    write_report(example_results(), example_report_data(), Path(sys.argv[1]))
