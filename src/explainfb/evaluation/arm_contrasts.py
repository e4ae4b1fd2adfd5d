"""One arm of a study against the others, over seeds and images."""

from collections.abc import Mapping, Sequence

import numpy as np

from explainfb.core.errors import InputError
from explainfb.core.types import FloatArray, RobustAccuracy
from explainfb.evaluation.evaluator import Evaluation
from explainfb.statistics.calibration import calibration_error, calibration_noise
from explainfb.statistics.contrasts import Contrast, contrast, corrected

ECE = "calibration error"


def contrast_arms(
    reference: Sequence[Evaluation],
    others: Mapping[str, Sequence[Evaluation]],
    measures: Sequence[str] | None = None,
) -> list[Contrast]:
    """`reference`, one evaluation a seed, against the same seeds of every other arm, largest first.

    In every measure, or in those of `measures` that both have: the fewer are tested, the less the correction costs.
    Raises `InputError` when an arm has another number of seeds.
    """
    found = []
    for arm, evaluations in others.items():
        if len(evaluations) != len(reference):
            raise InputError(f"{arm} has {len(evaluations)} seeds and what it is compared with {len(reference)}.")
        pairs = list(zip(map(_outcomes, reference), map(_outcomes, evaluations), strict=True))
        wanted = pairs[0][0] if measures is None else measures
        shared = [name for name in wanted if all(name in here and name in there for here, there in pairs)]
        doubted = {name for evaluation in (*reference, *evaluations) for name in _doubtful(evaluation)}
        noise = {ECE: max(_noise(reference), _noise(evaluations))} if ECE in shared else {}
        found += [
            contrast(
                arm,
                name,
                [(here[name], there[name]) for here, there in pairs],
                reliable=name not in doubted,
                noise=noise.get(name, 0.0),
            )
            for name in shared
        ]
    return sorted(corrected(found), key=lambda each: -abs(each.difference))


def _outcomes(evaluation: Evaluation) -> dict[str, FloatArray]:
    """What is compared: a value for each image, 0 or 1, or for the calibration error a single one."""
    labels = evaluation.labels
    measured = {"clean accuracy": evaluation.clean_logits, "shifted accuracy": evaluation.shifted_logits}
    found: dict[str, FloatArray] = {
        name: (logits.argmax(1) == labels).double().numpy() for name, logits in measured.items() if logits is not None
    }
    error = calibration_error(evaluation.test_logits.double().softmax(1), labels, seed=0, resamples=1)
    found[ECE] = np.array([error.estimate])
    for robust in evaluation.robust:
        found[_name(robust)] = np.array(robust.survived, dtype=np.float64)
    return found


def _noise(evaluations: Sequence[Evaluation]) -> float:
    """What noise adds to calibration errors at most, mean over the seeds."""
    each = [calibration_noise(one.test_logits.double().softmax(1), one.labels, seed=0) for one in evaluations]
    return float(np.mean(each))


def _doubtful(evaluation: Evaluation) -> set[str]:
    """The robust accuracies that failed an honesty check."""
    return {_name(robust) for robust in evaluation.robust if not robust.reliable}


def _name(robust: RobustAccuracy) -> str:
    return f"robust accuracy, {robust.threat_model.norm} {robust.threat_model.epsilon:g}"
