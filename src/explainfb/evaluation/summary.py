"""What was measured on a classifier, as results hold it: with intervals, and paired differences to another one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from explainfb.core.types import FloatArray, Interval
from explainfb.evaluation.evaluator import Evaluation
from explainfb.results.measures import (
    CLEAN,
    ECE,
    FAITHFULNESS,
    SHIFTED,
    SHORTCUT_SHARE,
    WORST_GROUP,
    robust_accuracy_under,
)
from explainfb.results.records import ArmDescription, ArmDifference, ArmResult, Compute, Faithfulness, ReliabilityBins
from explainfb.robustness.attacked_model import wrong_outputs
from explainfb.statistics.calibration import calibration_difference, calibration_error, reliability
from explainfb.statistics.intervals import (
    accuracy_interval,
    bootstrap_interval,
    difference_interval,
    worst_group_difference,
    worst_group_interval,
)


def summarise(evaluation: Evaluation, arm: ArmDescription, *, seed: int, compute: Compute | None = None) -> ArmResult:
    """What was measured on `arm`, with 95 % intervals over the test images; `seed` draws the bootstrap's samples."""
    labels, shifted, shares = evaluation.test_labels, evaluation.shifted_logits, evaluation.shortcut_shares
    probabilities = evaluation.test_logits.double().softmax(1)
    return ArmResult(
        arm=arm,
        n=len(labels),
        clean_accuracy=accuracy_interval(_correct(evaluation.clean_logits, evaluation.labels), seed=seed),
        shifted_accuracy=None if shifted is None else accuracy_interval(_correct(shifted, labels), seed=seed),
        ece=calibration_error(probabilities, labels, seed=seed),
        shortcut_share=None if shares is None else bootstrap_interval(shares, seed=seed),
        reliability=_bins(probabilities, labels),
        # which images survived is kept in the evaluation's own file, from which arms are contrasted
        robust_accuracy=tuple(replace(robust, survived=()) for robust in evaluation.robust),
        compute=compute,
        worst_group_accuracy=_worst_group(evaluation),
        faithfulness=_faithfulness(evaluation, seed),
    )


def _faithfulness(evaluation: Evaluation, seed: int) -> Faithfulness | None:
    found = evaluation.faithfulness
    if found is None:
        return None
    intervals = {measure.key: bootstrap_interval(found[measure.key], seed=seed) for measure in FAITHFULNESS}
    return Faithfulness(len(found[FAITHFULNESS[0].key]), **intervals)


def _worst_group(evaluation: Evaluation) -> Interval | None:
    if evaluation.groups is None:
        return None
    correct = _correct(evaluation.test_logits, evaluation.test_labels)
    return worst_group_interval(correct, evaluation.test_labels.numpy(), evaluation.groups.numpy())


def difference(feedback: Evaluation, other: Evaluation, *, seed: int) -> ArmDifference:
    """`feedback` minus `other`, paired over the test images, with 95 % intervals; what only one has is left out."""
    labels = feedback.test_labels
    here, there = (evaluation.test_logits.double().softmax(1) for evaluation in (feedback, other))
    found = {
        CLEAN.key: _accuracy_difference(feedback.clean_logits, other.clean_logits, feedback.labels, seed),
        ECE.key: calibration_difference(here, there, labels, seed=seed),
    }
    if feedback.shifted_logits is not None and other.shifted_logits is not None:
        found[SHIFTED.key] = _accuracy_difference(feedback.shifted_logits, other.shifted_logits, labels, seed)
    if feedback.groups is not None and other.groups is not None:
        found[WORST_GROUP.key] = worst_group_difference(
            _correct(feedback.test_logits, labels),
            _correct(other.test_logits, labels),
            labels.numpy(),
            feedback.groups.numpy(),
            seed=seed,
        )
    if feedback.shortcut_shares is not None and other.shortcut_shares is not None:
        shares = difference_interval(feedback.shortcut_shares, other.shortcut_shares, seed=seed)
        found[SHORTCUT_SHARE.key] = shares
    return ArmDifference(found | _robust_differences(feedback, other, seed))


def _robust_differences(feedback: Evaluation, other: Evaluation, seed: int) -> dict[str, Interval]:
    """One for each threat model that both were attacked under."""
    there = {robust.threat_model: robust for robust in other.robust}
    return {
        robust_accuracy_under(robust.threat_model).key: difference_interval(
            np.array(robust.survived, dtype=np.float64),
            np.array(there[robust.threat_model].survived, dtype=np.float64),
            seed=seed,
        )
        for robust in feedback.robust
        if robust.threat_model in there
    }


def _accuracy_difference(feedback: Tensor, other: Tensor, labels: Tensor, seed: int) -> Interval:
    return difference_interval(_correct(feedback, labels), _correct(other, labels), seed=seed)


def _correct(logits: Tensor, labels: Tensor) -> FloatArray:
    correct: FloatArray = (~wrong_outputs(logits, labels)).double().numpy()
    return correct


def _bins(probabilities: Tensor, labels: Tensor) -> ReliabilityBins:
    bins = reliability(probabilities, labels)
    return ReliabilityBins(
        _none_for_nan(bins.confidence), _none_for_nan(bins.accuracy), tuple(int(count) for count in bins.count)
    )


def _none_for_nan(values: Sequence[float] | FloatArray) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)
