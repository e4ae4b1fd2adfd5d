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
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import ANSWERS_TO, Answer, BoolArray, ExplanationKey, FloatArray, IntArray
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass
from explainfb.explanations.superpixels import grid, segment
from explainfb.labelling.stimuli import Stimulus
from explainfb.labelling.wording import Wording
from explainfb.questions.ranking import decode
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task

PRACTICE = "practice.toml"
"""Its name in a study's folder."""
NAMES = ("clean and noisy", "both good", "both bad")
"""What the examples that come along are called in the database."""
SHAPES = ("circle", "triangle", "cross", "square")
PICTURES = 6
"""So many pictures the worked example and the three others need."""
SCATTERED = 12
"""So many ways of scattering weights are tried; the one with least on the object is taken."""
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


@dataclass(frozen=True, eq=False)
class _Picture:
    """A picture that shows no shortcut, and where the thing is that it shows."""

    image: FloatArray
    """(C, H, W) in [0, 1]."""
    thing: BoolArray
    """(H, W)."""
    class_name: str
    cut: IntArray
    """(H, W) the labels of its superpixels."""


def make_practice(
    task: Task, settings: StudySettings, words: Wording, explanations: Sequence[Explanation] = ()
) -> Practice:
    """The practice that comes along; `explanations` of the study lend it their weights."""
    pictures = _own_pictures(task, settings) or _drawn_pictures(task, settings, words)
    rows = [np.abs(each.weights) * each.stands_out for each in explanations[:PICTURES]]
    rows = [row for row in rows if np.count_nonzero(row) >= 3] or [DRAWN_WEIGHT * 0.7 ** np.arange(12.0)]
    said = words.practice

    def shown(picture: _Picture, weights: FloatArray) -> Stimulus:
        if settings.queries.compared == "superpixels":
            strongest = np.abs(weights).argmax()
            weights = np.where(np.arange(len(weights)) == strongest, weights, 0.0)
        return _stimulus(picture, weights)

    def clean(number: int) -> Stimulus:
        return shown(pictures[number], _clean(pictures[number], rows[number % len(rows)]))

    def noisy(number: int) -> Stimulus:
        row = rows[number % len(rows)]
        return shown(pictures[number], _noisy(pictures[number], row, seed=settings.seed + number))

    if settings.asked == "rank":
        return _ranking(clean, noisy)
    worked = Example("worked example", clean(0), noisy(0), Answer.LEFT, said.left_better, True)
    examples = (
        Example(NAMES[0], noisy(1), clean(1), Answer.RIGHT, said.right_better, False),
        Example(NAMES[1], clean(2), clean(3), Answer.BOTH_GOOD, said.both_good, True),
        Example(NAMES[2], noisy(4), noisy(5), Answer.BOTH_BAD, said.both_bad, False),
    )
    return Practice(worked, examples)


def _ranking(clean: Callable[[int], Stimulus], noisy: Callable[[int], Stimulus]) -> Practice:
    """One good explanation among noisy ones, and one noisy one among good ones."""

    def example(name: str, good: tuple[bool, ...]) -> Example:
        several = tuple((clean if fine else noisy)(number) for number, fine in enumerate(good))
        return Example(name, several[0], several[1], Answer.RANKED, "", good[0], several, good)

    worked = example("worked example", (False, True, False, False, False))
    examples = (
        example(NAMES[0], (False, False, False, True, False)),
        example(NAMES[1], (True, True, True, False, True)),
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


def _own_pictures(task: Task, settings: StudySettings) -> list[_Picture]:
    """Training images as they were before the shortcut was planted; none where nobody knows what that would be."""
    split = task.train_without_shortcut
    if split is None or split.relevance is None:
        return []
    found: list[_Picture] = []
    for index in range(len(split)):
        image, thing = split.images[index], split.relevance[index].numpy()
        if len(found) < PICTURES and thing.any():
            cut = segment(image, settings.lime.superpixels, settings.lime.n_segments)
            name = task.class_names[int(split.labels[index])]
            found.append(_Picture(image.double().numpy(), thing, name, cut))
    return found if len(found) == PICTURES else []


def _drawn_pictures(task: Task, settings: StudySettings, words: Wording) -> list[_Picture]:
    """Drawn shapes, of the size and the colours that the study's pictures have."""
    channels, height, width = task.image_shape
    cut = grid(height, width, max(settings.lime.n_segments, 25))
    found = []
    for number in range(PICTURES):
        shape = SHAPES[number % len(SHAPES)]
        thing = _shape(shape, height, width)
        image = np.full((channels, height, width), 0.2)
        image[:, thing] = np.array([[0.55], [0.75], [0.8]])[-channels:]
        found.append(_Picture(image, thing, getattr(words.practice, shape), cut))
    return found


def _shape(shape: str, height: int, width: int) -> BoolArray:
    """(H, W): where the shape is."""
    size = min(height, width)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    rows, columns = rows - (height - 1) / 2, columns - (width - 1) / 2
    arm, reach = size / 10, size / 3.2
    inside = np.maximum(abs(rows), abs(columns)) < reach
    shapes = {
        "circle": rows**2 + columns**2 < reach**2,
        "triangle": (abs(rows) < reach) & (abs(columns) < (rows + reach) / 2),
        "cross": inside & ((abs(rows) < arm) | (abs(columns) < arm)),
        "square": inside,
    }
    found: BoolArray = shapes[shape]
    return found


def _clean(picture: _Picture, strengths: FloatArray) -> FloatArray:
    """(d,) strong weights where the thing is most to be seen, and none elsewhere."""
    contrast = np.abs(picture.image - np.median(picture.image, axis=(1, 2), keepdims=True)).sum(0)
    sizes = np.bincount(picture.cut.ravel())
    seen = np.bincount(picture.cut.ravel(), weights=(contrast * picture.thing).ravel()) / sizes
    count = max(3, len(sizes) // 6)
    weights = np.zeros(len(sizes))
    weights[np.argsort(-seen, kind="stable")[:count]] = _strongest(strengths, count)
    return weights


def _noisy(picture: _Picture, strengths: FloatArray, *, seed: int) -> FloatArray:
    """(d,) as strong weights of either sign anywhere in the picture."""
    generator = numpy_generator(seed, "practice")
    count = int(picture.cut.max()) + 1
    used = max(4, count // 3)

    def scatter() -> FloatArray:
        weights = np.zeros(count)
        weights[generator.permutation(count)[:used]] = _strongest(strengths, used) * generator.choice([1, 1, -1], used)
        return weights

    found = [scatter() for _ in range(SCATTERED)]
    return min(found, key=lambda weights: relevance_mass(_explanation(picture, weights), picture.thing))


def _strongest(strengths: FloatArray, count: int) -> FloatArray:
    """(count,) the strongest weights of an explanation, none less than half of its strongest."""
    ordered = np.sort(strengths)[::-1]
    found: FloatArray = np.maximum(np.resize(ordered, count), ordered[0] / 2)
    return found


def _explanation(picture: _Picture, weights: FloatArray) -> Explanation:
    return Explanation(0, probability=0.9, segments=picture.cut, weights=weights, intercept=0.1, fit=1.0)


def _stimulus(picture: _Picture, weights: FloatArray) -> Stimulus:
    return Stimulus(picture.image, _explanation(picture, weights), picture.class_name)
