"""One arm of a study against the others, over seeds and images."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.types import FloatArray
from explainfb.evaluation.evaluator import Evaluation
from explainfb.results.measures import CLEAN, ECE, SHIFTED, Measure, robust_accuracy_under
from explainfb.robustness.attacked_model import wrong_outputs
from explainfb.statistics.calibration import calibration_error, calibration_noise
from explainfb.statistics.contrasts import Contrast, contrast, corrected


def contrast_arms(
    reference: Sequence[Evaluation],
    others: Mapping[str, Sequence[Evaluation]],
    measures: Sequence[Measure] | None = None,
) -> list[Contrast]:
    """`reference`, one evaluation a seed, against the same seeds of every other arm, largest first.

    In every measure, or in those of `measures` that both have: the fewer are tested, the less the correction costs.
    Raises `InputError` when an arm has another number of seeds.
    """
    found = []
    for arm, evaluations in others.items():
        if len(evaluations) != len(reference):
            raise InputError(f"{arm} has {len(evaluations)} seeds and what it is compared with {len(reference)}.")
        found += _against(reference, arm, evaluations, measures)
    # corrected once for all arms together: many tests of one study find something by chance
    return sorted(corrected(found), key=lambda each: -abs(each.difference))


def _against(
    reference: Sequence[Evaluation], arm: str, evaluations: Sequence[Evaluation], measures: Sequence[Measure] | None
) -> list[Contrast]:
    pairs = list(zip(map(_outcomes, reference), map(_outcomes, evaluations), strict=True))
    wanted = pairs[0][0] if measures is None else measures
    shared = [measure for measure in wanted if all(measure in here and measure in there for here, there in pairs)]
    unreliable = {measure for evaluation in (*reference, *evaluations) for measure in _unreliable(evaluation)}
    noise = {ECE: max(_noise(reference), _noise(evaluations))} if ECE in shared else {}
    return [
        contrast(
            arm,
            measure.key,
            [(here[measure], there[measure]) for here, there in pairs],
            reliable=measure not in unreliable,
            noise=noise.get(measure, 0.0),
        )
        for measure in shared
    ]


def _outcomes(evaluation: Evaluation) -> dict[Measure, FloatArray]:
    """What is compared: a value for each image, 0 or 1, or for the calibration error a single one."""
    labels = evaluation.test_labels
    found: dict[Measure, FloatArray] = {CLEAN: _correct(evaluation.clean_logits, evaluation.labels)}
    if evaluation.shifted_logits is not None:
        found[SHIFTED] = _correct(evaluation.shifted_logits, labels)
    # one resample, because only the estimate is wanted
    error = calibration_error(evaluation.test_logits.double().softmax(1), labels, seed=0, resamples=1)
    found[ECE] = np.array([error.estimate])
    for robust in evaluation.robust:
        found[robust_accuracy_under(robust.threat_model)] = np.array(robust.survived, dtype=np.float64)
    return found


def _correct(logits: Tensor, labels: Tensor) -> FloatArray:
    correct: FloatArray = (~wrong_outputs(logits, labels)).double().numpy()
    return correct


def _noise(evaluations: Sequence[Evaluation]) -> float:
    """What noise adds to calibration errors at most, mean over the seeds."""
    each = [calibration_noise(one.test_logits.double().softmax(1), one.test_labels, seed=0) for one in evaluations]
    return float(np.mean(each))


def _unreliable(evaluation: Evaluation) -> set[Measure]:
    """The robust accuracies that failed a sanity check."""
    return {robust_accuracy_under(robust.threat_model) for robust in evaluation.robust if not robust.reliable}
