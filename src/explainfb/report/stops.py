"""What did not run to its end, arm by arm: the messages of results.json's `stopped`, taken apart."""

import re
from dataclasses import dataclass

from explainfb.results.format1 import Results, arms

NOT_FOLLOWED = "The reward was not followed"
"""How the message of a round begins whose reward was no better founded than a coin's, so that nothing was done."""
MESSAGE = re.compile(r"(\w+), round (\d+): (.+)", re.DOTALL)
KEYS = {"feedback": "after", "no_shortcut": "ceiling"}
"""Arms that results.json calls by another name than their messages do."""


def key_of(arm: str) -> str:
    """What results.json calls an arm that messages, settings and times call `arm`."""
    return KEYS.get(arm, arm)


@dataclass(frozen=True)
class Stop:
    """A round that did not run to its end."""

    arm: str
    """Its key in the results; empty where the message does not say."""
    round: int
    """0 where the message does not say."""
    why: str
    """In sentences."""

    @property
    def not_followed(self) -> bool:
        """Whether the reward was doubted, so that the classifier was left as it was in this round."""
        return self.why.startswith(NOT_FOLLOWED)

    @property
    def evidence(self) -> str:
        """How many answers the reward foretold, where it was not followed."""
        return self.why.removeprefix(NOT_FOLLOWED).lstrip(": ")

    def __str__(self) -> str:
        return f"Round {self.round}: {self.why}" if self.round else self.why


def all_stops(results: Results) -> list[Stop]:
    """Every message, by round."""
    known = {arm.key for arm in arms(results)}
    return sorted((_read(message, known) for message in results["stopped"]), key=lambda stop: stop.round)


def _read(message: str, known: set[str]) -> Stop:
    found = MESSAGE.fullmatch(message)
    if found is None:
        return Stop("", 0, message)
    arm = key_of(found[1])
    return Stop(arm, int(found[2]), found[3]) if arm in known else Stop("", 0, message)


def unfinished(results: Results) -> list[str]:
    """What stopped of feedback itself, or of nobody knows what: a reader must see it first."""
    return [str(stop) for stop in all_stops(results) if stop.arm in ("after", "")]


def not_followed(results: Results, arm: str = "after") -> list[Stop]:
    """The rounds of `arm` that left the classifier as it was."""
    return [stop for stop in all_stops(results) if stop.arm == arm and stop.not_followed]


def number_of_rounds(results: Results) -> int:
    """How many rounds there were."""
    return len(results["preferences"]["by_round"])


def about(results: Results, arm: str) -> str:
    """What stopped of a control, in sentences; empty where nothing did."""
    ignored = not_followed(results, arm)
    parts = [str(stop) for stop in all_stops(results) if stop.arm == arm and not stop.not_followed]
    if ignored:
        coin = ", as is to be expected of a coin" if arm == "random_answers" else ""
        parts.insert(0, f"Its reward was not followed in {_share(len(ignored), number_of_rounds(results))}{coin}")
        parts[0] += f"; in the last of them {ignored[-1].evidence}"
    return " ".join(parts)


def _share(some: int, of: int) -> str:
    return "its only round" if some == of == 1 else f"{some} of {of} rounds"
