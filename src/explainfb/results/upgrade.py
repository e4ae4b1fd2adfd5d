"""results.json as it was before it had a format (format 1) → format 2.

What was called `after` is `feedback`, what was called `ceiling` is `no_shortcut`, and both stand among the arms;
intervals have one encoding; settings have their new names; why a round stopped, then a sentence, is taken apart.
Nothing but this module reads a sentence: old files have nothing else.
"""

import re
import shlex
from math import comb
from typing import Any

from explainfb.core.renamed import RENAMED_SETTINGS

Json = dict[str, Any]
RENAMED_ARMS = {"after": "feedback", "ceiling": "no_shortcut"}
DESCRIPTIONS: dict[str, tuple[str, str, str]] = {
    "before": ("before", "the classifier as it was trained, before any feedback", "before"),
    "feedback": (
        "feedback",
        "the same classifier, fine-tuned to follow the reward learned from the answers",
        "feedback",
    ),
    "no_shortcut": (
        "no shortcut (ceiling)",
        "trained on the same images without the shortcut: the most that feedback could give back",
        "ceiling",
    ),
    "cross_entropy": ("cross-entropy only", "the same steps on the same images, without a reward", "control"),
    "random_exchange": (
        "random exchange",
        "the same exchange, and penalty if any, of random superpixels: nobody is asked",
        "control",
    ),
    "random_answers": (
        "random answers",
        "the same loop with a coin giving the answers, whose reward is followed if it predicts any",
        "control",
    ),
    "wrong_masks": ("wrong masks", "the same loop with an annotator who prefers the wrong region", "control"),
    "oracle_reward": ("oracle reward", "the annotator's own utility in place of a learned reward", "reference"),
    "rrr": (
        "pixel masks (RRR)",
        "right for the right reasons: told the irrelevant pixels of every training image (Ross et al. 2017)",
        "reference",
    ),
    "input_gradient": (
        "input gradient penalty",
        "a penalty on the input gradient (Ross & Doshi-Velez 2018)",
        "reference",
    ),
    "adversarial_training": (
        "adversarial training",
        "trained on its own adversarial examples (Madry et al. 2018)",
        "reference",
    ),
}
"""Label, meaning and role of an arm, as they were when results did not hold them; any other arm was a control."""
ORDER = ("before", "control", "reference", "feedback", "ceiling")
MEASURED = ("clean_accuracy", "shifted_accuracy", "ece", "shortcut_share")
STOPPED = re.compile(r"(\w+), round (\d+): (.+)", re.DOTALL)
NOT_FINITE = re.compile(r"Fine-tuning stopped at step (\d+): the loss or its gradient was not finite\.")
NOT_FOLLOWED = re.compile(
    r"The reward was not followed: (?:it|the best of its (\d+) members) foretells (\d+) of (\d+) (?:held-out )?"
    r"answers.*"
)
"""Of held-out answers alone in the first version, then of all that a reward model was not fitted to."""
NO_TEST = re.compile(r"The reward was not followed[:.]? ?(.*)", re.DOTALL)


def upgraded(old: Json) -> Json:
    """A dictionary of format 1 as one of format 2; `old` is left as it is.

    Raises `KeyError`, `TypeError` or `AttributeError` where `old` lacks what every file of format 1 has.
    """
    found = {arm: old[arm] for arm in ("before", *RENAMED_ARMS) if arm in old} | old["controls"]
    arms = {_arm(name): _evaluation(evaluation) for name, evaluation in found.items()}
    described = {name: description_of(name) for name in arms}
    names = sorted(arms, key=lambda name: ORDER.index(described[name]["role"]))
    return {
        "format": 2,
        **{name: old[name] for name in ("task", "seed")},
        "command": renamed_command(old["command"]),
        "settings": {RENAMED_SETTINGS.get(name, name): value for name, value in old["settings"].items()},
        "environment": old["environment"],
        "preferences": _preferences(old["preferences"]),
        "arms": {name: arms[name] for name in names},
        "arm_descriptions": {name: described[name] for name in names},
        "differences": {_arm(name): _differences(each) for name, each in old["differences"].items()},
        "compute": {_arm(name): counts for name, counts in old.get("budget", {}).items()},
        "seconds": old["seconds"],
        "stopped": [_stop(message, arms) for message in old["stopped"]],
    }


def upgraded_stop(message: str) -> Json:
    """A sentence of format 1 about a round, such as a loop kept beside the round's classifier, as a record of format 2.

    What is no such sentence becomes a record without arm and round, whose reason is unknown.
    """
    found = STOPPED.fullmatch(message.strip())
    if found is None:
        return {"arm": "", "round": 0, "reason": "unknown", "message": message}
    return {"arm": _arm(found[1]), "round": int(found[2]), **_reason(found[3])}


def _arm(name: str) -> str:
    return RENAMED_ARMS.get(name, name)


def description_of(name: str) -> Json:
    """What the arm of this name was, of which old files have nothing but the name."""
    label, meaning, role = DESCRIPTIONS.get(name, (name.replace("_", " "), "", "control"))
    return {"label": label, "meaning": meaning, "role": role}


def _interval(estimate: float | None, ends: list[float] | None) -> Json | None:
    """Where an old file has a number without its interval, nothing is known: the interval is all of [0, 1]."""
    if estimate is None:
        return None
    low, high = ends or (0.0, 1.0)
    return {"estimate": estimate, "low": low, "high": high}


def _evaluation(old: Json) -> Json:
    return old | {
        "intervals": {name: _interval(old[name], old["intervals"][name]) for name in MEASURED},
        "robust_accuracy": [row | {"flags": _flags(row)} for row in old["robust_accuracy"]],
    }


def _flags(row: Json) -> list[str]:
    if row["reliable"]:
        return []
    # today a number is unreliable because of its flags, so there must be one
    return row["flags"] or ["Not reliable, for a reason that was not recorded."]


def _differences(old: Json) -> Json:
    return {name: old.get(name) for name in MEASURED} | {"robust_accuracy": old.get("robust_accuracy", [])}


def _preferences(old: Json) -> Json:
    accuracy = old["reward_accuracy"]
    return old | {
        "reward_accuracy_interval": _interval(accuracy, old["reward_accuracy_interval"]),
        "by_round": [_round(row) for row in old["by_round"]],
    }


def _round(old: Json) -> Json:
    ends = None if old["low"] is None or old["high"] is None else [old["low"], old["high"]]
    kept = {name: old[name] for name in ("round", "answers", "held_out", "reward_accuracy")}
    return kept | {"interval": _interval(old["reward_accuracy"], ends)}


def renamed_command(old: str) -> str:
    """The command with the options' new names."""
    options = {_option(before): _option(now) for before, now in RENAMED_SETTINGS.items()}
    return shlex.join(options.get(word, word) for word in shlex.split(old))


def _option(setting: str) -> str:
    return "--" + setting.replace("_", "-")


def _stop(message: str, arms: Json) -> Json:
    found = upgraded_stop(message)
    if found["arm"] in arms:
        return found
    return {"arm": "", "round": 0, "reason": "unknown", "message": message}


def _reason(text: str) -> Json:
    if found := NOT_FINITE.fullmatch(text):
        return {"reason": "not_finite", "step": int(found[1])}
    if found := NOT_FOLLOWED.fullmatch(text):
        members = {} if found[1] is None else {"members": int(found[1])}
        right, asked = int(found[2]), int(found[3])
        p_value = min(1.0, int(found[1] or 1) * _coin_p_value(right, asked))
        return {"reason": "not_followed", "test": {"right": right, "asked": asked, "p_value": p_value}, **members}
    if found := NO_TEST.fullmatch(text):
        return {"reason": "not_followed", **({"message": found[1]} if found[1] else {})}
    return {"reason": "unknown", "message": text}


def _coin_p_value(right: int, asked: int) -> float:
    """The probability of predicting at least `right` of `asked` coins, which a sentence does not say."""
    return sum(comb(asked, number) for number in range(right, asked + 1)) / (1 << asked)
