"""Many explanations: in a file, and as a reward model sees them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from explainfb.core.errors import InputError
from explainfb.core.files import RESTORE, check_file, write_tensors
from explainfb.core.types import ExplanationKey, FloatArray
from explainfb.explanations.explanation import Explanation

Explanations = dict[ExplanationKey, Explanation]


def explanations_path(folder: Path, round_number: int) -> Path:
    """Where the study, or the arm, in `folder` keeps what round `round_number` compares."""
    return folder / "explanations" / f"round-{round_number}.safetensors"


def save_explanations(explanations: Mapping[ExplanationKey, Explanation], path: Path) -> None:
    """Write explanations of images of one size, by classifiers called `round-K`, to one safetensors file."""
    items = list(explanations.values())
    tensors = {
        "round": np.array([int(key.classifier.removeprefix("round-")) for key in explanations]),
        "image": np.array([key.image for key in explanations]),
        "target": np.array([item.target for item in items]),
        "probability": np.array([item.probability for item in items]),
        "segments": np.stack([item.segments for item in items]).astype(np.int32),
        "weights": padded([item.weights for item in items]),  # images may have different numbers of superpixels
        "intercept": np.array([item.intercept for item in items]),
        "fit": np.array([item.fit for item in items]),
    }
    if all(item.standard_errors is not None for item in items):
        tensors["standard_errors"] = padded(
            [item.standard_errors for item in items if item.standard_errors is not None]
        )
        tensors["n_samples"] = np.array([item.n_samples or 0 for item in items])
    write_tensors(save_file, tensors, path)


def load_explanations(path: Path) -> Explanations:
    """What `save_explanations` wrote. Raises `InputError` naming the file when it is missing or damaged."""
    if not path.is_file():
        raise InputError(f"No explanations at {path}; run the study; that of a finished round, restore from a copy.")
    check_file(path)
    try:
        stored = load_file(path)
        found: Explanations = {}
        errors, asked = stored.get("standard_errors"), stored.get("n_samples")  # files of before 0.2 have neither
        for row, image in enumerate(stored["image"]):
            segments = stored["segments"][row].astype(np.int64)
            found[ExplanationKey(f"round-{stored['round'][row]}", int(image))] = Explanation(
                target=int(stored["target"][row]),
                probability=float(stored["probability"][row]),
                segments=segments,
                weights=stored["weights"][row, : segments.max() + 1],
                intercept=float(stored["intercept"][row]),
                fit=float(stored["fit"][row]),
                standard_errors=None if errors is None else errors[row, : segments.max() + 1],
                n_samples=None if asked is None else int(asked[row]),
            )
    except (SafetensorError, KeyError, ValueError, InputError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); {RESTORE}.") from error
    return found


def explanation_of(explanations: Mapping[ExplanationKey, Explanation], key: ExplanationKey) -> Explanation:
    """What is shown under `key`: an explanation of `explanations`, or one of its superpixels alone."""
    whole = explanations[key.whole]
    return whole if key.superpixel is None else whole.only(key.superpixel)


def padded(rows: Sequence[FloatArray]) -> FloatArray:
    """(n, longest): each row with zeros after its end."""
    padded = np.zeros((len(rows), max(len(row) for row in rows)))
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded
