"""Explanations as people are shown them: pictures, their text, and nothing that tells which classifier made them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np

from explainfb.core.errors import InputError
from explainfb.core.types import GOOD, ExplanationKey, FloatArray
from explainfb.explanations import plots
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import Explanations, explanation_of, explanations_path, load_explanations
from explainfb.labelling.wording import Wording
from explainfb.preferences.gold import gold_explanation
from explainfb.rewards.settings import Scale
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task

View = Literal["overlay", "only", "original"]
VIEWS: tuple[View, ...] = ("overlay", "only", "original")
PLACES = (("top_left", "top", "top_right"), ("left", "centre", "right"), ("bottom_left", "bottom", "bottom_right"))
"""What `PlaceWords` calls the ninths of a picture."""
KEPT_ROUNDS = 8
"""Rounds whose explanations stay in memory."""
KEPT_PICTURES = 512
"""Drawn pictures that stay in memory: those of this and of the next question of sixty people, a few kilobytes each, or
for photographs a hundred."""


@dataclass(frozen=True, eq=False)
class Stimulus:
    """An explanation, the image that it explains, and the name of the class that it explains."""

    image: FloatArray
    """(C, H, W) in [0, 1], one channel or three."""
    explanation: Explanation
    class_name: str
    drawn: Callable[[View, float, float], str] | None = None
    """Gives a picture of it that was drawn before; None where nothing is kept."""

    @property
    def percent(self) -> str:
        """The classifier's probability of the class in percent, such as `83`."""
        return f"{100 * self.explanation.probability:.0f}"

    @property
    def is_tiny(self) -> bool:
        """Whether its pixels are to be seen one by one, not smoothed."""
        return int(self.image.shape[1]) < plots.PHOTO

    @property
    def is_part(self) -> bool:
        """Whether one superpixel is shown alone, so that no other is stronger or weaker."""
        return int(np.count_nonzero(self.explanation.weights)) == 1

    @property
    def quality(self) -> str:
        """How far it is to be trusted, in a line."""
        return self.explanation.quality

    @property
    def original(self) -> str:
        """A data URI of the image alone."""
        return self.picture("original", scale=1.0)

    def picture(self, view: View, *, scale: float, strength: float = 1.0) -> str:
        """A data URI of the explanation; ±`scale` is the full colour and `strength` in [0, 1] how much colour."""
        if self.drawn is not None:
            return self.drawn(view, scale if view == "overlay" else 1.0, strength if view == "overlay" else 1.0)
        if view == "original":
            return plots.picture(self.image)
        if view == "only":
            return plots.supporting(self.image, self.explanation)
        return plots.overlay(self.image, self.explanation, scale, strength=strength)

    def describe(self, words: Wording) -> str:
        """In words, for those who cannot see the picture: where the weight lies, and on which side it speaks."""
        said = words.stimuli
        shares = regional_shares(self.explanation)
        strongest = np.argsort(-np.abs(shares), axis=None)[:3]
        parts = [
            (said.part_for if shares[row, column] > 0 else said.part_against).format(
                place=getattr(words.places, PLACES[row][column]), percent=f"{100 * abs(shares[row, column]):.0f}"
            )
            for row, column in zip(*np.unravel_index(strongest, shares.shape), strict=True)
            if abs(shares[row, column]) >= 0.01
        ]
        return said.reasons.format(class_name=self.class_name, parts="; ".join(parts) or said.nothing)


def regional_shares(explanation: Explanation) -> FloatArray:
    """(3, 3): the weight in each ninth of the image as a share of all absolute weight, negative where it is against.

    As in the pictures, only what stands out from its error counts. The weight of a superpixel is spread evenly over its
    pixels.
    """
    sizes = np.bincount(explanation.segments.ravel())
    weights = np.where(explanation.stands_out, explanation.weights, 0.0)
    density = (weights / sizes)[explanation.segments]
    total = float(np.abs(weights).sum())
    rows = np.array_split(density, 3, axis=0)
    sums = np.array([[part.sum() for part in np.array_split(row, 3, axis=1)] for row in rows])
    return sums / total if total > 0 else sums


def scales(left: Stimulus, right: Stimulus, settings: StudySettings) -> tuple[float, float]:
    """What the full colour stands for on the left and on the right, in units of probability."""
    if colour_scale(settings) == "probability":
        shared = plots.row_scale(left.explanation, right.explanation)
        return shared, shared
    return plots.row_scale(left.explanation), plots.row_scale(right.explanation)


def colour_scale(settings: StudySettings) -> Scale:
    """`probability` where both sides share a scale, `share` where each has its own."""
    if settings.colours == "reward":
        return settings.reward.scale
    return "probability" if settings.colours == "shared" else "share"


class Stimuli:
    """The explanations of a study's rounds, read from its folder when they are first asked for."""

    def __init__(self, folder: Path, task: Task) -> None:
        self._task = task

        def load(round_number: int) -> Explanations:
            return load_explanations(explanations_path(folder, round_number))

        def draw(key: ExplanationKey, round_number: int, view: View, scale: float, strength: float) -> str:
            return self._stimulus(key, round_number).picture(view, scale=scale, strength=strength)

        # one cache for each study, which goes with it
        self._explanations = lru_cache(KEPT_ROUNDS)(load)
        self._drawn = lru_cache(KEPT_PICTURES)(draw)

    def stimulus(self, key: ExplanationKey, round_number: int) -> Stimulus:
        """The explanation called `key` that round `round_number` asks about; what is drawn of it is kept.

        Raises `InputError` when the study's folder does not hold it.
        """
        return replace(self._stimulus(key, round_number), drawn=partial(self._drawn, key, round_number))

    def _stimulus(self, key: ExplanationKey, round_number: int) -> Stimulus:
        found = self._gold_explanation(key, round_number) if key.gold else self._explanation_of(key, round_number)
        image = self._task.train.images[key.image].double().numpy()
        return Stimulus(image, found, self._task.class_names[found.target])

    def _gold_explanation(self, key: ExplanationKey, round_number: int) -> Explanation:
        """Made from what the round's own classifier explains of the image."""
        real = self._explanation_of(ExplanationKey(f"round-{round_number - 1}", key.image), round_number)
        relevance = self._task.train.relevance
        if relevance is None:
            raise InputError("This study has gold comparisons and its task no relevance masks; restore the masks.")
        whole = gold_explanation(real, relevance[key.image].numpy(), good=key.classifier == GOOD)
        return whole if key.superpixel is None else whole.only(key.superpixel)

    def _explanation_of(self, key: ExplanationKey, round_number: int) -> Explanation:
        try:
            return explanation_of(self._explanations(round_number), key)
        except KeyError as error:
            raise InputError(
                f"Round {round_number} has no explanation {key}; the study's folder and database differ."
            ) from error
