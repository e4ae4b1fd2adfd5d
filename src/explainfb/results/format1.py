"""results.json: what a study measured, checked against the schema whenever it is read or written."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole

Results = dict[str, Any]
Evaluation = dict[str, Any]
Role = Literal["before", "control", "reference", "after", "ceiling"]

LABELS = {
    "before": "before",
    "after": "after feedback",
    "ceiling": "no shortcut (ceiling)",
    "cross_entropy": "cross-entropy only",
    "random_exchange": "random exchange",
    "random_answers": "random answers",
    "wrong_masks": "wrong masks",
    "oracle_reward": "oracle reward",
    "rrr": "pixel masks (RRR)",
    "input_gradient": "input gradient penalty",
    "adversarial_training": "adversarial training",
}
REFERENCES = {"oracle_reward", "rrr", "input_gradient", "adversarial_training", "no_shortcut"}
"""Other methods to stand beside. They know more or do something else, so that losing to one says nothing about whether
it was the answers that helped; every other name is a control, which must be beaten."""
MEANINGS = {
    "before": "the classifier as it was trained, before any feedback",
    "after": "the same classifier, fine-tuned to follow the reward learned from the answers",
    "ceiling": "trained on the same images without the shortcut: the most that feedback could give back",
    "cross_entropy": "the same steps on the same images, without a reward",
    "random_exchange": "the same exchange, and penalty if any, of random superpixels: nobody is asked",
    "random_answers": "the same loop with a coin giving the answers, whose reward is followed if it foretells any",
    "wrong_masks": "the same loop with an annotator who prefers the wrong region",
    "oracle_reward": "the annotator's own utility in place of a learned reward",
    "rrr": "right for the right reasons: told the irrelevant pixels of every training image (Ross et al. 2017)",
    "input_gradient": "a penalty on the input gradient (Ross & Doshi-Velez 2018)",
    "adversarial_training": "trained on its own adversarial examples (Madry et al. 2018)",
}


@dataclass(frozen=True)
class Arm:
    """One row of the results: a classifier and what was measured on it."""

    key: str
    """`before`, `after`, `ceiling` or the name of a control."""
    role: Role
    evaluation: Evaluation

    @property
    def label(self) -> str:
        """The arm in a few words."""
        return LABELS.get(self.key, self.key.replace("_", " "))

    @property
    def meaning(self) -> str:
        """What was done to this arm, in one line; empty for an arm of the user's own."""
        return MEANINGS.get(self.key, "")


def arms(results: Results) -> list[Arm]:
    """Every arm in the order of the table: before, the controls, other methods, after, the ceiling."""
    found = [Arm("before", "before", results["before"])]
    beside = results["controls"].items()
    found += [Arm(name, "control", evaluation) for name, evaluation in beside if name not in REFERENCES]
    found += [Arm(name, "reference", evaluation) for name, evaluation in beside if name in REFERENCES]
    found.append(Arm("after", "after", results["after"]))
    if "ceiling" in results:
        found.append(Arm("ceiling", "ceiling", results["ceiling"]))
    return found


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of results.json."""
    text = resources.files("explainfb").joinpath("schemas", "results.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def check_results(results: object) -> None:
    """Raise `InputError` naming the first place that breaks the schema, or whose interval or bins make no sense."""
    found = best_match(Draft202012Validator(schema()).iter_errors(results))
    if found is not None:
        raise InputError(f"Results do not fit their schema at {_place(*found.absolute_path)}: {_short(found.message)}.")
    for problem in _contradictions(results, ()):
        raise InputError(f"Results contradict themselves at {problem}.")


def write_results(results: Results, path: Path) -> None:
    """Check `results` and write them to `path`; a reader sees the old file or the new one, never half of one.

    Raises `InputError` when they break the schema or hold NaN or infinity; `path` is then left as it was.
    """
    check_results(results)
    text = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_results(path: Path) -> Results:
    """The results in the file `path`.

    Raises `InputError` naming the file when it is missing, is no JSON or breaks the schema.
    """
    if not path.is_file():
        raise InputError(f"No results at {path}; run the study first.")
    try:
        results: Results = json.loads(path.read_text(encoding="utf-8"))
        check_results(results)
    except (ValueError, InputError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and run the study again.") from error
    return results


def _place(*path: object) -> str:
    return ".".join(str(part) for part in path) or "the top"


def _short(message: str) -> str:
    return message if len(message) <= 160 else "… " + message[-160:]


def _contradictions(value: object, path: tuple[object, ...]) -> Iterator[str]:
    """What a schema cannot say: numbers are finite, an interval's ends are in order, bins are as many everywhere."""
    if isinstance(value, float) and not abs(value) < float("inf"):
        yield f"{_place(*path)}: {value} is not a finite number"
    if isinstance(value, dict):
        if path[:1] != ("settings",):
            yield from _disordered(value, path)
        for name, inner in value.items():
            yield from _contradictions(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _contradictions(inner, (*path, index))


def _disordered(record: dict[str, Any], path: tuple[object, ...]) -> Iterator[str]:
    name = path[-1] if path else None
    pairs: dict[str, Any] = {"low and high": [record.get("low"), record.get("high")]}
    pairs |= record if name == "intervals" else {"reward_accuracy_interval": record.get("reward_accuracy_interval")}
    for key, pair in pairs.items():
        if pair and None not in pair and pair[0] > pair[1]:
            yield f"{_place(*path, key)}: {pair[0]} exceeds {pair[1]}"
    if name == "reliability" and len({len(bins) for bins in record.values()}) > 1:
        yield f"{_place(*path)}: confidence, accuracy and count need as many bins"
