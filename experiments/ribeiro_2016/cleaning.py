"""Can people improve a classifier by explanations? Section 6.3: words that are called untrustworthy are taken out.

    python -m experiments.ribeiro_2016.cleaning --data-dir DATA/books

Twenty words that mean nothing are planted in the training and validation reviews, ten of them more often in praise and
ten more often in blame, as headers and names were in the paper's newsgroups; in the test reviews, the world outside,
they are as often in either. A simulated person looks at ten explanations of ten words, picked by SP-LIME or at random,
and marks words to be taken out; the classifier is trained without them, explained anew, and shown again, three times. A
person of quality q judges each word that she sees rightly with probability q: 1 knows, .5 tosses a coin. cleaning.json
in --out has the accuracy outside after each round, by pick and by quality.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse
import tyro
from sklearn.linear_model import LogisticRegression

from experiments.kept import Line, interval, lines
from experiments.page import write_json
from experiments.ribeiro_2016.reviews import bags_of, read_reviews
from experiments.ribeiro_2016.settings import TextSettings
from experiments.ribeiro_2016.text_lime import Neighbourhood, draw_masks
from experiments.ribeiro_2016.text_models import Linear, rows_of
from explainfb import submodular_pick
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import IntArray

PLANTED = 20
OFTEN, SELDOM = 0.3, 0.05
"""How often a planted word is in reviews of its class, and in the others; outside it is in each class half as often as
in both together."""
ROUNDS = 3
PICKS = ("SP-LIME", "RP-LIME")


@dataclass(frozen=True, kw_only=True)
class Settings(TextSettings):
    """Who cleans, and what each sees."""

    people: int = 5
    """For each seed, pick and quality; each goes through three rounds alone."""
    qualities: tuple[float, ...] = (1.0, 0.9, 0.7, 0.5)
    """How often a person judges a word rightly."""
    shown: int = 10
    """Explanations in a round."""
    among: int = 100
    """Validation reviews that are explained to pick from."""
    samples: int = 1000


@dataclass(frozen=True, eq=False)
class World:
    """Contaminated reviews of one seed, and what they are to be judged by."""

    train: Any
    train_labels: IntArray
    outside: Any
    outside_labels: IntArray
    documents: list[IntArray]
    """Words of the validation reviews."""
    planted: frozenset[int]


def plant(bag: Any, labels: IntArray, often: float, seldom: float, rng: np.random.Generator) -> Any:
    """The bag with twenty further columns, the first ten `often` in blame and the others `often` in praise."""
    own = np.arange(PLANTED)[None] // (PLANTED // 2) == labels[:, None]
    added = rng.random((len(labels), PLANTED)) < np.where(own, often, seldom)
    return scipy.sparse.hstack([bag, added.astype(np.float64)]).tocsr()


def make_world(settings: Settings, seed: int) -> World:
    bags, rng = bags_of(read_reviews(settings.data_dir), seed), numpy_generator(seed, "plant")
    dirty = plant(bags.train, bags.train_labels, OFTEN, SELDOM, rng)
    outside = plant(bags.test, bags.test_labels, (OFTEN + SELDOM) / 2, (OFTEN + SELDOM) / 2, rng)
    order = rng.permutation(len(bags.train_labels))
    fitted, held = np.sort(order[settings.among :]), order[: settings.among]
    words = bags.train.shape[1]
    return World(
        dirty[fitted],
        bags.train_labels[fitted],
        outside,
        bags.test_labels,
        rows_of(dirty[held]),
        frozenset(range(words, words + PLANTED)),
    )


def without(bag: Any, removed: frozenset[int]) -> Any:
    """The bag with these columns empty."""
    keep = np.ones(bag.shape[1])
    keep[list(removed)] = 0
    cleaned = (bag @ scipy.sparse.diags(keep)).tocsr()
    cleaned.eliminate_zeros()
    return cleaned


def trained(world: World, removed: frozenset[int]) -> tuple[Linear, float]:
    """A classifier without these words, and its accuracy outside."""
    model = Linear(LogisticRegression(max_iter=1000), without(world.train, removed), world.train_labels)
    return model, float(model.estimator.score(without(world.outside, removed), world.outside_labels))


def explanations(world: World, model: Linear, removed: frozenset[int], settings: Settings, seed: int) -> Any:
    """(among, V) sparse: LIME's weights of each validation review without the removed words."""
    matrix = scipy.sparse.lil_matrix((len(world.documents), world.train.shape[1]))
    for row, document in enumerate(world.documents):
        words = np.array([word for word in document if int(word) not in removed], dtype=np.int64)
        near = Neighbourhood(draw_masks(len(words), settings.samples, numpy_generator(seed, "cleaning", row)))
        local = near.fit(model.of(words)(near.masks), settings.words)
        matrix[row, words[local.words]] = local.weights
    return matrix.tocsr()


def picked(weights: Any, way: str, shown: int, rng: np.random.Generator) -> list[int]:
    if way == "SP-LIME":
        return [*submodular_pick(weights, shown).indices]
    return [int(row) for row in rng.permutation(weights.shape[0])[:shown]]


def marked(words: Sequence[int], planted: frozenset[int], quality: float, rng: np.random.Generator) -> set[int]:
    """What a person of this quality would take out of the words that she sees."""
    right = rng.random(len(words)) < quality
    return {word for word, knows in zip(words, right, strict=True) if (word in planted) == bool(knows)}


def measure(settings: Settings) -> Line:
    """Accuracies outside, by round; what is there already is not made again."""

    @lru_cache(maxsize=1)
    def world_of(seed: int) -> tuple[World, Linear, float, Any]:
        world = make_world(settings, seed)
        model, accuracy = trained(world, frozenset())
        return world, model, accuracy, explanations(world, model, frozenset(), settings, seed)

    def make(key: str) -> Line:
        seed, way, quality, person = key.split("/")
        world, model, accuracy, weights = world_of(int(seed))
        rng = numpy_generator(int(seed), "cleaner", way, quality, person)
        removed: frozenset[int] = frozenset()
        accuracies = [accuracy]
        for done in range(ROUNDS):
            seen = np.unique(weights[picked(weights, way, settings.shown, rng)].indices).tolist()
            removed |= marked(seen, world.planted, float(quality), rng)
            model, accuracy = trained(world, removed)
            accuracies.append(accuracy)
            if done + 1 < ROUNDS:
                weights = explanations(world, model, removed, settings, int(seed))
        return {"accuracies": accuracies, "removed": len(removed), "planted": len(removed & world.planted)}

    keys = [
        f"{seed}/{way}/{quality}/{person}"
        for seed in settings.all_seeds
        for way in PICKS
        for quality in settings.qualities
        for person in range(settings.people)
    ]
    told = list(lines(settings.out / "cleaning.jsonl", settings.told("people", "qualities"), keys, make))
    ceilings = []
    for seed in settings.all_seeds:
        world = make_world(settings, seed)
        ceilings.append(trained(world, world.planted)[1])
    domain = settings.data_dir.resolve().name
    return {"domain": domain, "settings": settings.told(), "all planted words out": interval(ceilings)} | {
        "accuracy": {
            way: {str(quality): by_round(told, way, str(quality)) for quality in settings.qualities} for way in PICKS
        },
    }


def by_round(told: Sequence[Line], way: str, quality: str) -> Line:
    """The mean accuracy over people after 0, 1, 2 and 3 rounds with its interval over seeds, and what was taken out."""
    by_seed: dict[str, list[Line]] = {}
    for line in told:
        seed, line_way, line_quality, _ = line["key"].split("/")
        if (line_way, line_quality) == (way, quality):
            by_seed.setdefault(seed, []).append(line)
    means = np.array([np.mean([line["accuracies"] for line in each], axis=0) for each in by_seed.values()])
    counts = {
        name: interval([float(np.mean([line[name] for line in each])) for each in by_seed.values()])
        for name in ("removed", "planted")
    }
    return {"rounds": [interval(means[:, done]) for done in range(ROUNDS + 1)]} | counts


def main(settings: Settings) -> None:
    results = measure(settings)
    write_json(results, settings.out / "cleaning.json")
    for way, qualities in results["accuracy"].items():
        for quality, found in qualities.items():
            print(way, quality, [round(value["mean"], 3) for value in found["rounds"]])


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
