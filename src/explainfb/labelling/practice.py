"""Examples on which people learn what is asked of them, before they are asked it.

They are made of the study's kind of pictures, and of the weights of its own explanations where it has some. What they
teach is to tell a clean explanation from a noisy one and to say that both are bad; they show neither the study's
shortcut nor a judgement on what it asks about. A study may have examples of its own, or none: `practice.toml`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from explainfb.core.errors import InputError
from explainfb.core.files import parse_toml
from explainfb.core.names import is_fit_text
from explainfb.core.types import ANSWERS_TO, Answer, ExplanationKey, FloatArray
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import explanation_of, explanations_path, load_explanations
from explainfb.labelling.practice_pictures import (
    PICTURES,
    clean_weights,
    drawn_pictures,
    noisy_weights,
    one_piece,
    own_pictures,
    stimulus_of,
)
from explainfb.labelling.stimuli import Stimulus
from explainfb.labelling.wording import Wording
from explainfb.questions.ranking import decode
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task

PRACTICE = "practice.toml"
"""Its name in a study's folder."""
NAMES = ("clean and noisy", "both good", "both bad")
"""What the examples that come along are called in the database."""
DRAWN_WEIGHT = 0.06
"""The strongest weight where no explanation is at hand, in units of probability."""
Find = Callable[[ExplanationKey, int], Stimulus]
"""The explanation of this key that this round asked about."""


@dataclass(frozen=True, eq=False)
class Example:
    """Two explanations, and what whoever asks would say of them."""

    name: str
    left: Stimulus
    right: Stimulus
    answer: Answer
    because: str
    """What to tell whoever answered, after `answer`."""
    left_is_good: bool
    """What to expect of a rating of the left one alone."""
    several: tuple[Stimulus, ...] = ()
    """What is shown where the best and the worst of several are asked for."""
    good: tuple[bool, ...] = ()
    """Which of these are good."""

    def shown(self, question: str) -> tuple[Stimulus, ...]:
        """What of it this question shows."""
        if question == "rank":
            return self.several
        return (self.left, self.right) if question == "compare" else (self.left,)

    def agrees(self, answer: Answer, said: str | None = None) -> bool:
        """Whether people and we say the same: where both are good, no difference is the same."""
        if answer is Answer.RANKED:
            best, worst = decode(said)
            return self.good[best] and not self.good[worst]
        if answer in (Answer.YES, Answer.NO):
            return (answer is Answer.YES) == self.left_is_good
        return answer is self.answer or (self.answer is Answer.BOTH_GOOD and answer is Answer.EQUAL)


@dataclass(frozen=True, eq=False)
class Practice:
    """The example that the instructions explain, and those that people answer."""

    worked: Example
    examples: tuple[Example, ...]

    def is_over(self, done: frozenset[str]) -> bool:
        """Whether every example was answered; `done` names those that were."""
        return all(example.name in done for example in self.examples)


def make_practice(
    task: Task, settings: StudySettings, words: Wording, explanations: Sequence[Explanation] = ()
) -> Practice:
    """The practice that comes along; `explanations` of the study lend it their weights."""
    pictures = own_pictures(task, settings) or drawn_pictures(task, settings, words)
    rows = [np.abs(each.weights) * each.stands_out for each in explanations[:PICTURES]]
    rows = [row for row in rows if np.count_nonzero(row) >= 3] or [DRAWN_WEIGHT * 0.7 ** np.arange(12.0)]
    said = words.practice

    def clean(number: int, place: int = 0) -> Stimulus:
        weights = clean_weights(pictures[number], rows[number % len(rows)])
        return stimulus_of(pictures[number], alone(number, weights, place, lies_on_thing=True))

    def noisy(number: int, place: int = 0) -> Stimulus:
        weights = noisy_weights(pictures[number], rows[number % len(rows)], seed=settings.seed + number)
        return stimulus_of(pictures[number], alone(number, weights, place, lies_on_thing=False))

    def alone(number: int, weights: FloatArray, place: int, *, lies_on_thing: bool) -> FloatArray:
        if settings.queries.compared == "explanations":
            return weights
        return one_piece(pictures[number], weights, place, lies_on_thing=lies_on_thing)

    if settings.asked == "rank":
        return _ranking(clean, noisy, settings.queries.ranked)
    # two superpixels are of one picture, whole explanations of two
    other, place = (1, 0) if settings.queries.compared == "explanations" else (0, 1)
    worked = Example("worked example", clean(0), noisy(0), Answer.LEFT, said.left_better, True)
    examples = (
        Example(NAMES[0], noisy(1), clean(1), Answer.RIGHT, said.right_better, False),
        Example(NAMES[1], clean(2), clean(2 + other, place), Answer.BOTH_GOOD, said.both_good, True),
        Example(NAMES[2], noisy(4), noisy(4 + other, place), Answer.BOTH_BAD, said.both_bad, False),
    )
    return Practice(worked, examples)


def _ranking(clean: Callable[[int], Stimulus], noisy: Callable[[int], Stimulus], count: int) -> Practice:
    """One good explanation among noisy ones, and one noisy one among good ones; `count` are shown at once."""

    def one(place: int, *, good: bool) -> tuple[bool, ...]:
        """Which are good: the one at this place is other than the rest."""
        return tuple((each == place) == good for each in range(count))

    def example(name: str, good: tuple[bool, ...]) -> Example:
        several = tuple((clean if fine else noisy)(number) for number, fine in enumerate(good))
        return Example(name, several[0], several[1], Answer.RANKED, "", good[0], several, good)

    worked = example("worked example", one(1, good=True))
    examples = (
        example(NAMES[0], one(3, good=True)),
        example(NAMES[1], one(3, good=False)),
    )
    return Practice(worked, examples)


def read_practice(folder: Path, usual: Practice, find: Find, *, pairs: bool = True) -> Practice:
    """The examples that `practice.toml` in the study's folder names; `usual` without that file.

    Without `pairs`, one explanation is shown at a time. Raises `InputError` naming the file where it cannot be read or
    names an explanation that is not there.
    """
    path = folder / PRACTICE
    if not path.is_file():
        return usual
    try:
        found = parse_toml(path.read_text(encoding="utf-8"))
        return replace(usual, examples=_examples_of(found, usual, find, pairs))
    except (OSError, ValueError, InputError) as error:
        raise InputError(f"{path} cannot be used: {error} docs/people.md shows what it may hold.") from error


def check_practice(folder: Path, settings: StudySettings) -> None:
    """Raise `InputError` as `read_practice` does, without the pictures, which need not be there."""

    def find(key: ExplanationKey, round_number: int) -> Stimulus:
        try:
            explanations = load_explanations(explanations_path(folder, round_number))
            # gold ones are made of the real one of the round's own classifier
            explanation_of(explanations, replace(key, classifier=f"round-{round_number - 1}") if key.gold else key)
        except KeyError as error:
            raise InputError(f"round {round_number} has no explanation {key}.") from error
        return nothing

    nothing = Stimulus.__new__(Stimulus)
    several = (nothing,) if settings.asked == "rank" else ()
    usual = Practice(Example("worked example", nothing, nothing, Answer.LEFT, "", True, several), ())
    read_practice(folder, usual, find, pairs=settings.question == "compare")


def _examples_of(found: dict[str, Any], usual: Practice, find: Find, pairs: bool) -> tuple[Example, ...]:
    unknown = sorted(found.keys() - {"practice", "example"})
    if unknown or not isinstance(found.get("practice", True), bool):
        raise InputError(f"expected practice = true or false, and [[example]]s; found {', '.join(unknown) or found}.")
    if not found.get("practice", True):
        return ()
    rows = found.get("example")
    if rows is None:
        return usual.examples
    if usual.worked.several:
        raise InputError("--question rank has the examples that come along, or with practice = false none.")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"each example begins with a line [[example]], in double brackets; found example = {rows!r}.")
    return tuple(_example_of(number, row, find, pairs) for number, row in enumerate(rows, 1))


def _example_of(number: int, row: dict[str, Any], find: Find, pairs: bool) -> Example:
    kinds = {"left": str, "right": str, "answer": str, "because": str, "round": int}
    wrong = [name for name, kind in kinds.items() if type(row.get(name, 1)) is not kind]
    if wrong or row.keys() - kinds.keys():
        raise InputError(
            f"example {number} needs left, right, answer and because, each a text, and may have a round, a number; "
            f"found {', '.join(f'{name} = {value!r}' for name, value in row.items())[:200]}."
        )
    if not is_fit_text(row["because"]):
        raise InputError(f"example {number}: because has characters that command a terminal or turn text round.")
    # of one explanation, to call both alike says nothing
    allowed = ANSWERS_TO["compare"] if pairs else (Answer.LEFT, Answer.RIGHT, Answer.BOTH_GOOD, Answer.BOTH_BAD)
    if row["answer"] not in allowed:
        raise InputError(f"example {number}: an answer is one of {', '.join(allowed)}; found {row['answer']!r}.")
    answer = Answer(row["answer"])
    try:
        keys = [ExplanationKey.parse(row[side]) for side in ("left", "right")]
    except ValueError as error:
        raise InputError(f"example {number}: an explanation is such as round-0/12 ({error}).") from error
    if pairs and keys[0] == keys[1]:
        raise InputError(f"example {number} has {keys[0]} on both sides; give two explanations.")
    left, right = (find(key, row.get("round", 1)) for key in keys)
    return Example(f"example {number}", left, right, answer, row["because"], answer in (Answer.LEFT, Answer.BOTH_GOOD))
