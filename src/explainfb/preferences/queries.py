"""Which comparisons to ask: candidates, and the choice among them."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, comb

import numpy as np
import torch

from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import Asked, BoolArray, Comparison, ExplanationKey, IntArray
from explainfb.explanations.explanation import Explanation
from explainfb.preferences.settings import QuerySettings
from explainfb.questions import QUESTIONS, Question, question_of
from explainfb.rewards.compared import Compared
from explainfb.rewards.ensemble import RewardEnsemble

STRONGEST_ASKED = 0.5
"""In this share of the pairs of superpixels one is the strongest: what a classifier rests on is asked about most."""


def held_out_images(count: int, share: float, seed: int) -> BoolArray:
    """(count,) which training images are held out; the same in every round."""
    held_out = np.zeros(count, dtype=np.bool_)
    chosen = numpy_generator(seed, "held-out images").permutation(count)[: max(3, round(share * count))]
    held_out[chosen] = True
    return held_out


def check_enough(
    images: int, comparisons: int, settings: QuerySettings, asked: Asked = "compare", superpixels: int = 49
) -> None:
    """Raise `InputError` when `images` training images do not give a round its different items of the question asked.

    Of single explanations there are as many as images, of two or more enough where there are enough pairs; of
    `superpixels` of one explanation, as many as there are pairs of the strongest.
    """
    held_out, shows = max(3, round(settings.held_out * images)), question_of(asked, settings.ranked).shows
    judged = max(1, round(comparisons * settings.held_out))
    fitted = images - held_out
    if settings.compared == "superpixels":
        pairs, drawn = comb(min(settings.strongest, superpixels), 2), max(3, round(comparisons * settings.held_out))
        of_fitted, of_held_out = min(fitted, max(3, comparisons - drawn)), min(held_out, drawn)
        too_few = fitted < 3 or of_fitted * pairs < comparisons - judged or of_held_out * pairs < judged
    elif shows == 1:
        too_few = fitted < comparisons - judged or held_out < judged
    else:
        too_few = fitted < 3 or comb(fitted, shows) < 2 * comparisons or comb(held_out, shows) < 2 * judged
    if too_few:
        raise InputError(
            f"{images} training images are too few for {comparisons} different comparisons a round; "
            "ask for fewer with --comparisons-per-round, or use more training images."
        )


@dataclass(frozen=True, eq=False)
class Pool:
    """The images of one round, and the classifiers whose explanations of them are compared."""

    round: int
    """From 1."""
    current: str
    """The classifier that is to be improved."""
    earlier: str | None
    """One of an earlier round, with other weights; None where there is none."""
    fitted: IntArray
    """Images whose comparisons the reward is fitted to."""
    held_out: IntArray
    """Images whose comparisons it is judged by."""

    @property
    def images(self) -> IntArray:
        return np.concatenate([self.fitted, self.held_out])

    @property
    def keys(self) -> list[ExplanationKey]:
        """Every explanation that may be compared."""
        names = [self.current] if self.earlier is None else [self.current, self.earlier]
        return [ExplanationKey(name, int(image)) for name in names for image in self.images]


def draw_pool(
    round_number: int,
    comparisons: int,
    held_out: BoolArray,
    settings: QuerySettings,
    seed: int,
    earlier_rounds: Sequence[int],
    shows: int = 2,
) -> Pool:
    """`settings.images` for each comparison, a share of them held-out ones; fewer where there are not enough.

    There are more where these would not give twice as many different comparisons as are asked. Where one is shown at a
    time, each is asked about: there are exactly as many of either as are asked. One of `earlier_rounds` is drawn, whose
    classifier's explanations are compared with those of the current one.
    """
    generator = numpy_generator(seed, "pool", round_number)
    drawn = earlier_rounds[int(generator.integers(len(earlier_rounds)))] if earlier_rounds else None
    earlier = None if drawn is None else f"round-{drawn}"
    least = {1: 1, 2: 3}.get(shows, shows + 2)  # of several, enough for different groups
    judged = max(least, round(comparisons * settings.held_out))
    fitted = _images(comparisons - judged, settings, max(3, least), shows)
    return Pool(
        round=round_number,
        current=f"round-{round_number - 1}",
        earlier=earlier,
        fitted=generator.permutation(np.flatnonzero(~held_out))[:fitted],
        held_out=generator.permutation(np.flatnonzero(held_out))[: _images(judged, settings, least, shows)],
    )


def _images(comparisons: int, settings: QuerySettings, least: int, shows: int) -> int:
    """How many images, at least `least`, are explained for so many comparisons of `shows` of them."""
    fewer = max(least, round(settings.images * comparisons))
    while fewer < comparisons and settings.compared == "explanations" and comb(fewer, shows) < 2 * comparisons:
        fewer += 1
    return fewer


def what_is_shown(
    pool: Pool, explanations: Mapping[ExplanationKey, Explanation], settings: QuerySettings, comparisons: int = 0
) -> list[ExplanationKey]:
    """What may be compared: the pool's explanations, or the strongest superpixels of each of the current classifier's.

    Of an explanation of which fewer than two superpixels stand out, it is the two of the largest weight; more, where
    two of each image would not give the `comparisons` that are wanted.
    """
    if settings.compared == "explanations":
        return pool.keys
    judged = max(1, round(comparisons * settings.held_out))
    each = max(ceil((comparisons - judged) / len(pool.fitted)), ceil(judged / len(pool.held_out)))
    least = next(count for count in itertools.count(2) if comb(count, 2) >= each)
    found = []
    for key in (ExplanationKey(pool.current, int(image)) for image in pool.images):
        top = explanations[key].top(settings.strongest)
        if len(top) < least:
            top = np.argsort(-np.abs(explanations[key].weights), kind="stable")[:least]
        found += [replace(key, superpixel=int(one)) for one in top]
    return found


def choose_comparisons(
    pool: Pool,
    count: int,
    *,
    ensemble: RewardEnsemble | None,
    explained: Compared,
    keys: Sequence[ExplanationKey],
    settings: QuerySettings,
    seed: int,
    question: Question = QUESTIONS["compare"],
) -> list[Comparison]:
    """`count` comparisons of the pool, or items of another question, held-out ones among them, in a random order.

    With a bound on how often an image is asked, candidates above it wait for images that were asked less.
    `explained` are what `what_is_shown` gives for the pool, in the order of `keys`. Held-out comparisons are never
    filtered; the others are the candidates on which the ensemble's members disagree most, or the first ones where there
    is no ensemble yet.
    """
    generator = numpy_generator(seed, "comparisons", pool.round)
    judged = max(1, round(count * settings.held_out))
    wanted = count - judged

    def draw(images: IntArray, number: int) -> list[Comparison]:
        if settings.compared == "superpixels":
            return _pairs_of_superpixels(pool, keys, images, number, generator)
        return _candidates(pool, images, number, settings, generator, question)

    candidates = draw(pool.fitted, wanted * settings.candidates)
    if settings.strategy == "disagreement" and ensemble is not None:
        # stable, because NumPy's default sort may order equal values differently on another processor
        order = np.argsort(-_disagreement(ensemble, explained, keys, candidates), kind="stable")
        candidates = [candidates[index] for index in order]
    if settings.most_per_image is None:
        chosen = candidates[:wanted] + draw(pool.held_out, judged)
    else:
        judging = draw(pool.held_out, judged * settings.candidates)
        most = settings.most_per_image
        chosen = _spread(candidates, wanted, most) + _spread(judging, judged, most)
    if len(chosen) < count:
        raise InputError(
            f"{len(pool.images)} images give {len(chosen)} different comparisons and {count} were asked for; "
            "ask for fewer with --comparisons-per-round, or use more training images."
        )
    # mixed, or the held-out comparisons would all be answered last
    return [chosen[index] for index in generator.permutation(len(chosen))]


def _candidates(
    pool: Pool,
    images: IntArray,
    count: int,
    settings: QuerySettings,
    generator: np.random.Generator,
    question: Question,
) -> list[Comparison]:
    """Up to `count` different comparisons, each with its sides drawn by a coin, or items of another question."""

    def pair() -> Comparison:
        first, second = (int(image) for image in generator.choice(images, 2, replace=False))
        if pool.earlier is not None and generator.random() < settings.same_image:
            return _by_a_coin([ExplanationKey(name, first) for name in (pool.current, pool.earlier)], pool, generator)
        return _by_a_coin([ExplanationKey(pool.current, image) for image in (first, second)], pool, generator)

    def group() -> Comparison:
        keys = []
        for image in generator.choice(images, question.shows, replace=False):
            old = pool.earlier is not None and generator.random() < settings.same_image / 2
            keys.append(ExplanationKey((old and pool.earlier) or pool.current, int(image)))
        return Comparison.about(keys, pool.round, asked=question.name)

    if len(images) < question.shows:
        return []
    return _different(count, pair if question.shows == 2 else group)


def _pairs_of_superpixels(
    pool: Pool, keys: Sequence[ExplanationKey], images: IntArray, count: int, generator: np.random.Generator
) -> list[Comparison]:
    """Up to `count` different comparisons of two superpixels of one image, each with its sides drawn by a coin.

    `keys` has those of each image from the strongest to the weakest.
    """
    of_image: dict[int, list[ExplanationKey]] = defaultdict(list)
    for key in keys:
        of_image[key.image].append(key)
    asked = [of_image[image] for image in images.tolist() if image in of_image]

    def pair() -> Comparison:
        alone = asked[int(generator.integers(len(asked)))]
        first = 0 if generator.random() < STRONGEST_ASKED else int(generator.integers(len(alone)))
        second = (first + int(generator.integers(1, len(alone)))) % len(alone)
        return _by_a_coin([alone[first], alone[second]], pool, generator)

    return _different(count, pair) if asked else []


def _by_a_coin(pair: Sequence[ExplanationKey], pool: Pool, generator: np.random.Generator) -> Comparison:
    """A comparison of the two, of which a coin says which is on the left."""
    left = int(generator.integers(2))
    return Comparison(pair[left], pair[1 - left], pool.round)


def _different(count: int, draw: Callable[[], Comparison]) -> list[Comparison]:
    """Up to `count` of what `draw` gives, each once: the same explanations on other sides are the same question."""
    found: dict[frozenset[ExplanationKey], Comparison] = {}
    for _ in range(20 * count):  # not for ever: of few images, all that is different is soon found
        if len(found) == count:
            break
        drawn = draw()
        found.setdefault(frozenset(drawn.shown), drawn)
    return list(found.values())


def _spread(candidates: Sequence[Comparison], count: int, most: int) -> list[Comparison]:
    """The first `count` candidates in which no image is for more than the `most`-th time, while there are such.

    Where there are not, those come next whose images were asked least.
    """
    asked: Counter[int] = Counter()
    chosen: list[Comparison] = []
    left: list[Comparison] = []
    for candidate in candidates:
        images = {key.image for key in candidate.shown}
        if len(chosen) < count and all(asked[image] < most for image in images):
            chosen.append(candidate)
            asked.update(images)
        else:
            left.append(candidate)
    while len(chosen) < count and left:
        uses = [sorted(asked[image] for image in {key.image for key in each.shown}) for each in left]
        least = left.pop(min(range(len(left)), key=uses.__getitem__))
        chosen.append(least)
        asked.update({key.image for key in least.shown})
    return chosen


@torch.no_grad()
def _disagreement(
    ensemble: RewardEnsemble,
    explained: Compared,
    keys: Sequence[ExplanationKey],
    candidates: Sequence[Comparison],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(K,) variance over the members of the probability that the left one is better (Christiano et al. 2017).

    Of a single explanation, that it is better than the mean; of several, summed over each being the best.
    """
    place = {key: index for index, key in enumerate(keys)}
    rewards = ensemble.each(explained)
    if candidates and candidates[0].asked != "compare":
        shown = rewards[:, [[place[key] for key in candidate.shown] for candidate in candidates]]  # (members, K, k)
        chances = torch.sigmoid(shown) if shown.shape[2] == 1 else shown.softmax(2)
        return chances.var(0, correction=0).sum(1).double().cpu().numpy()
    left = rewards[:, [place[candidate.left] for candidate in candidates]]
    right = rewards[:, [place[candidate.right] for candidate in candidates]]
    return torch.sigmoid(left - right).var(0, correction=0).double().cpu().numpy()
