"""The measures of a study, declared once: what each is called, how it is written, which way is better."""

import math
from dataclasses import dataclass

from explainfb.core.errors import InputError
from explainfb.core.types import Norm, ThreatModel

NORM_SIGNS: dict[Norm, str] = {"linf": "L∞", "l2": "L2"}
ROBUST = "robust_accuracy"


@dataclass(frozen=True)
class Measure:
    """A number that is measured on every arm."""

    key: str
    """Its one name, in files and in code, such as `shifted_accuracy` or `robust_accuracy linf 0.1`."""
    name: str
    """In a sentence, such as `accuracy on clean images`."""
    short: str
    """In two or three words, for a figure."""
    heading: str
    """Above a column, without its unit, such as `shifted` or `L∞ ε = 0.1`."""
    higher_is_better: bool = True
    in_percent: bool = True
    """Whether it is written in per cent, and its differences in points; calibration errors are plain decimals."""
    threat_model: ThreatModel | None = None
    """Of a robust accuracy."""


CLEAN = Measure("clean_accuracy", "accuracy on clean images", "clean accuracy", "clean")
SHIFTED = Measure("shifted_accuracy", "accuracy on images whose shortcut misleads", "shifted accuracy", "shifted")
WORST_GROUP = Measure(
    "worst_group_accuracy", "accuracy on the worst group of images", "worst-group accuracy", "worst group"
)
ECE = Measure("ece", "the calibration error", "calibration error", "ECE", higher_is_better=False, in_percent=False)
SHORTCUT_SHARE = Measure(
    "shortcut_share",
    "the share of the reasons on the shortcut",
    "shortcut share",
    "shortcut share",
    higher_is_better=False,
)
DELETION = Measure("deletion", "deletion", "deletion", "deletion", higher_is_better=False, in_percent=False)
INSERTION = Measure("insertion", "insertion", "insertion", "insertion", in_percent=False)
INFIDELITY = Measure("infidelity", "infidelity", "infidelity", "infidelity", higher_is_better=False, in_percent=False)
SENSITIVITY = Measure(
    "sensitivity", "sensitivity", "sensitivity", "sensitivity", higher_is_better=False, in_percent=False
)
FAITHFULNESS = (DELETION, INSERTION, INFIDELITY, SENSITIVITY)
"""How true explanations are to their classifier. Arms are not contrasted in them: a classifier that is less sure has
less deletion and less insertion, and is no better or worse for it."""
MEASURES = (CLEAN, SHIFTED, WORST_GROUP, ECE, SHORTCUT_SHARE)
"""All but robust accuracies, of which there is one for each threat model: `robust_accuracy_under`."""


def robust_accuracy_under(threat_model: ThreatModel) -> Measure:
    """Robust accuracy under this threat model."""
    norm, epsilon = threat_model.norm, threat_model.epsilon
    where = f"{NORM_SIGNS[norm]} ε = {size_of(epsilon)}"
    return Measure(
        f"{ROBUST} {norm} {_exact(epsilon)}",
        f"robust accuracy at {where}",
        f"robust accuracy, {where}",
        where,
        threat_model=threat_model,
    )


def size_of(epsilon: float) -> str:
    """`0.1`, and for a size that is no short number but a few levels of 8-bit pictures, `8/255`."""
    levels = round(255 * epsilon)
    if 1 <= levels <= 32 and math.isclose(255 * epsilon, levels) and float(f"{epsilon:.3g}") != epsilon:
        return f"{levels}/255"
    return f"{epsilon:g}"


def _exact(epsilon: float) -> str:
    """`0.1`, `1`, `0.03137254901960784`: as short as it can be while it is read as the same number."""
    return short if float(short := f"{epsilon:g}") == epsilon else repr(float(epsilon))


def measure_of(key: str) -> Measure:
    """The measure whose key this is. Raises `InputError` for a key that is none."""
    known = {measure.key: measure for measure in MEASURES}
    if key in known:
        return known[key]
    match key.split(" "):
        case [name, ("linf" | "l2") as norm, epsilon] if name == ROBUST:
            return robust_accuracy_under(ThreatModel(norm, float(epsilon)))
    raise InputError(f"There is no measure {key!r}; expected {', '.join(known)} or such as '{ROBUST} linf 0.1'.")
