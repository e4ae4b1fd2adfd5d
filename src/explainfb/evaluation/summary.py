"""What was measured, in the shape of results.json, with intervals and paired differences."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from torch import Tensor

from explainfb.core.types import FloatArray, Interval, RobustAccuracy
from explainfb.evaluation.evaluator import Evaluation
from explainfb.statistics.calibration import calibration_difference, calibration_error, reliability
from explainfb.statistics.intervals import accuracy_interval, bootstrap_interval, difference_interval


def as_results(evaluation: Evaluation, *, seed: int) -> dict[str, Any]:
    """The evaluation as results.json holds it."""
    labels, logits = evaluation.labels, evaluation.test_logits
    probabilities = logits.double().softmax(1)
    measures: dict[str, Interval | None] = {
        "clean_accuracy": accuracy_interval(_correct(evaluation.clean_logits, labels), seed=seed),
        "shifted_accuracy": None
        if evaluation.shifted_logits is None
        else accuracy_interval(_correct(evaluation.shifted_logits, labels), seed=seed),
        "ece": calibration_error(probabilities, labels, seed=seed),
        "shortcut_share": None
        if evaluation.shortcut_shares is None
        else bootstrap_interval(evaluation.shortcut_shares, seed=seed),
    }
    bins = reliability(probabilities, labels)
    return {
        **{name: None if value is None else value.estimate for name, value in measures.items()},
        "n": len(labels),
        "intervals": {name: None if value is None else [value.low, value.high] for name, value in measures.items()},
        "reliability": {
            "confidence": _none_for_nan(bins.confidence),
            "accuracy": _none_for_nan(bins.accuracy),
            "count": [int(count) for count in bins.count],
        },
        "robust_accuracy": [_robust_as_results(robust) for robust in evaluation.robust],
    }


def differences(after: Evaluation, other: Evaluation, *, seed: int) -> dict[str, Any]:
    """What `after` is better or worse by than `other`, paired over the test images, with 95 % intervals."""
    labels = after.labels
    here, there = (evaluation.test_logits.double().softmax(1) for evaluation in (after, other))
    found: dict[str, Interval | None] = {
        "clean_accuracy": _accuracy_difference(after.clean_logits, other.clean_logits, labels, seed),
        "shifted_accuracy": None,
        "ece": calibration_difference(here, there, labels, seed=seed),
        "shortcut_share": None,
    }
    if after.shifted_logits is not None and other.shifted_logits is not None:
        found["shifted_accuracy"] = _accuracy_difference(after.shifted_logits, other.shifted_logits, labels, seed)
    if after.shortcut_shares is not None and other.shortcut_shares is not None:
        found["shortcut_share"] = difference_interval(after.shortcut_shares, other.shortcut_shares, seed=seed)
    plain = {name: None if interval is None else asdict(interval) for name, interval in found.items()}
    return plain | {"robust_accuracy": _robust_differences(after, other, seed)}


def _robust_differences(after: Evaluation, other: Evaluation, seed: int) -> list[dict[str, Any]]:
    """One for each threat model that both were attacked under."""
    there = {robust.threat_model: robust for robust in other.robust}
    return [
        asdict(robust.threat_model)
        | asdict(
            difference_interval(
                np.array(robust.survived, dtype=np.float64),
                np.array(there[robust.threat_model].survived, dtype=np.float64),
                seed=seed,
            )
        )
        for robust in after.robust
        if robust.threat_model in there
    ]


def _accuracy_difference(after: Tensor, other: Tensor, labels: Tensor, seed: int) -> Interval:
    return difference_interval(_correct(after, labels), _correct(other, labels), seed=seed)


def _correct(logits: Tensor, labels: Tensor) -> FloatArray:
    correct: FloatArray = (logits.argmax(1) == labels).double().numpy()
    return correct


def _none_for_nan(values: Sequence[float] | FloatArray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _robust_as_results(robust: RobustAccuracy) -> dict[str, Any]:
    return {
        "norm": robust.threat_model.norm,
        "epsilon": robust.threat_model.epsilon,
        "accuracy": robust.accuracy.estimate,
        "low": robust.accuracy.low,
        "high": robust.accuracy.high,
        "n": robust.n,
        "attacks": robust.attacks,
        "attack_images": robust.attack_images,
        "reliable": robust.reliable,
        "flags": list(robust.flags),
        **({"cross_check": asdict(robust.cross_check)} if robust.cross_check else {}),
    }
