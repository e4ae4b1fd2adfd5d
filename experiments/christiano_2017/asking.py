"""Which segments are compared, what an oracle answers, and when: rounds of comparisons of one run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from experiments.christiano_2017.segments import Segments, SumOfSteps
from explainfb.core.errors import InputError
from explainfb.core.seeding import derive, numpy_generator
from explainfb.core.types import Comparison, FloatArray
from explainfb.preferences.queries import Pool, choose_comparisons
from explainfb.preferences.settings import Choice, QuerySettings
from explainfb.rewards.dataset import FEWEST_ANSWERS, PreferenceBatch
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.fitting import fit_members
from explainfb.rewards.settings import RewardSettings
from explainfb.rewards.validation import correct_answers

FIRST_SHARE = 0.25
"""Of the comparisons, asked about an untrained agent (the paper's appendix A.1)."""
FALLING = 0.2
"""After so much of the run comparisons come at half the rate at which they began: the paper's 2·10⁶ steps, in runs of
about 10⁷."""


def schedule(comparisons: int, rounds: int) -> list[int]:
    """How many are asked in each round; they sum up to `comparisons`, and the first is before any training.

    Afterwards the rate falls as τ / (t + τ), where t is the share of the run that is over and τ is `FALLING`.
    """
    if rounds == 1:
        return [comparisons]
    first = round(FIRST_SHARE * comparisons)
    rates = FALLING / (np.arange(1, rounds) / rounds + FALLING)
    ends = np.round((comparisons - first) * np.cumsum(rates) / rates.sum()).astype(int)
    return [first, *np.diff(ends, prepend=0).tolist()]


Answered = tuple[Comparison, float]
"""What was asked, and how far the answer says left: 1, 0, or .5 where both are as good."""
Judge = Callable[[Sequence[Comparison], "Preferences"], list[Answered]]
"""Answers comparisons of the segments there; of what it cannot tell, nothing."""


@dataclass(frozen=True)
class Oracle:
    """Knows the true returns."""

    seed: int
    error_rate: float
    """The probability with which it says the opposite; two segments of equal return are called equal."""

    def __call__(self, asked: Sequence[Comparison], preferences: "Preferences") -> list[Answered]:
        return [(item, self.share_left(item, preferences.returns)) for item in asked]

    def share_left(self, item: Comparison, returns: FloatArray) -> float:
        """What it says: the same of the same comparison."""
        more = returns[item.left.image] - returns[item.right.image]
        if abs(more) < 1e-6:
            return 0.5
        errs = numpy_generator(self.seed, "oracle", item.left, item.right).random() < self.error_rate
        return float((more > 0) != errs)


@dataclass
class Preferences:
    """All segments that could be asked about so far, and the answers."""

    strategy: Choice
    reward: RewardSettings
    seed: int
    judge: Judge
    steps: list[Tensor] = field(default_factory=list)
    """(B, T, D) of each round."""
    returns: FloatArray = field(default_factory=lambda: np.zeros(0))
    """(all,) the true ones."""
    held_out: list[bool] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    ensemble: RewardEnsemble | None = None

    @property
    def segments(self) -> Segments:
        return Segments(torch.cat(self.steps))

    def ask(self, segments: Segments, returns: FloatArray, comparisons: int) -> None:
        """A round: `comparisons` of the segments (B,), some of them held out, and an ensemble fitted to all answers."""
        number, already = len(self.steps) + 1, len(self.held_out)
        queries = QuerySettings(strategy=self.strategy)
        judging = np.zeros(len(segments), dtype=np.bool_)
        count = max(8, round(queries.held_out * len(segments)))
        judging[numpy_generator(self.seed, "held-out segments", number).permutation(len(segments))[:count]] = True
        places = np.arange(already, already + len(segments))
        pool = Pool(number, f"round-{number - 1}", None, places[~judging], places[judging])
        self.steps.append(segments.steps)
        self.returns = np.concatenate([self.returns, returns])
        self.held_out += judging.tolist()
        asked = choose_comparisons(
            pool,
            comparisons,
            ensemble=self.ensemble,
            explained=self.segments.take(torch.from_numpy(pool.images)),
            keys=pool.keys,
            settings=queries,
            seed=derive(self.seed, "queries"),
        )
        seen = self.segments
        self.answered += self.judge(asked, self)
        self.ensemble = fit_members(
            seen,
            self.answers(held_out=False),
            build=lambda: SumOfSteps(seen),
            settings=self.reward,
            seed=derive(self.seed, "reward", number),
        )

    def answers(self, *, held_out: bool) -> PreferenceBatch:
        """Those about segments that are held out, or that are not."""
        found = [each for each in self.answered if self.held_out[each[0].left.image] == held_out]
        return PreferenceBatch(
            torch.tensor([item.left.image for item, _ in found], dtype=torch.int64),
            torch.tensor([item.right.image for item, _ in found], dtype=torch.int64),
            torch.tensor([share_left for _, share_left in found], dtype=torch.float32),
        )

    def check(self, answered: Sequence[Answered]) -> None:
        """Raise `InputError` where a reward could not be learned from these."""
        count = sum(not self.held_out[item.left.image] for item, _ in answered)
        if count < FEWEST_ANSWERS:
            raise InputError(
                f"A reward needs at least {FEWEST_ANSWERS} answers that tell something, beside those that it is judged "
                f"by; found {count}. Its round stays open: let people change some under Earlier answers, and run again."
            )

    @property
    def equal(self) -> int:
        """How many answers said that both are as good."""
        return sum(int((~self.answers(held_out=each).decided).sum()) for each in (False, True))

    def accuracy(self) -> tuple[int, int]:
        """How many of the held-out answers that are not equal the ensemble predicts, and of how many."""
        assert self.ensemble is not None
        found = correct_answers(self.ensemble, self.segments, self.answers(held_out=True))
        return int(found.sum()), len(found)
