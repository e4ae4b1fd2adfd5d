"""Stored answers of people who agree, do not, or have habits, made without a database."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from explainfb.core.seeding import numpy_generator
from explainfb.core.types import Answer
from explainfb.preferences.agreement import JUDGEMENTS
from explainfb.store import StoredAnswer, StoredComparison
from store_backends import NOON, comparison

LEFT, RIGHT, EQUAL, BOTH_GOOD, BOTH_BAD, CANT_TELL, *_ = Answer
GOLD = 100_000
"""Comparisons from this number on are gold items whose known answer is right."""


def answered(
    number: int,
    answer: Answer | None,
    annotator: str = "Ann",
    *,
    round: int = 1,
    seconds: float = 3,
    current: bool = True,
    surplus: bool = False,
) -> StoredAnswer:
    item = comparison(number, round=round, gold=RIGHT if number >= GOLD else None)
    return StoredAnswer(
        id=0,
        comparison=StoredComparison(round * 1_000_000 + number, item),
        annotator=annotator,
        answer=answer,
        seed=7,
        shown_left=item.left,
        shown_right=item.right,
        shown_at=NOON,
        responded_at=NOON + timedelta(seconds=seconds),
        recorded_at=NOON,
        app_version="1.0",
        comment=None,
        supersedes=None,
        surplus=surplus,
        current=current,
    )


def table(units: Sequence[Sequence[Answer | None]]) -> list[StoredAnswer]:
    """Row by row the answers to one comparison; the people are the columns."""
    return [
        answered(number, answer, f"person {column}")
        for number, row in enumerate(units)
        for column, answer in enumerate(row)
        if answer is not None
    ]


def crowd(comparisons: int, people: int, noise: float, *, seed: int = 0) -> list[StoredAnswer]:
    """Everyone sees the better side, drawn by chance; at the rate `noise` an answer is drawn by chance instead."""
    draw = numpy_generator(seed, "crowd")
    better = draw.integers(0, 2, comparisons)
    chance = draw.integers(0, 3, (comparisons, people))
    codes = np.where(draw.random((comparisons, people)) < noise, chance, better[:, None])
    return table([[JUDGEMENTS[code] for code in row] for row in codes])
