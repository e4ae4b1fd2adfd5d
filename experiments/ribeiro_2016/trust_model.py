"""Can I trust this model? Section 5.4: which of two forests that validate alike generalises, told from explanations.

    python -m experiments.ribeiro_2016.trust_model --data-dir DATA/books

Ten words that mean nothing are added to the reviews: each to a tenth of the blame and a fifth of the praise among the
training and validation reviews, and to a tenth of either among the test reviews. Forests are grown until two of them
agree in validation accuracy within .1 % and differ by at least 5 % on the test reviews. A simulated user looks at the
explanations of a few validation reviews, learns which of the added words each forest uses, counts the predictions that
she then distrusts, and chooses the forest with the fewer. Where both have as many she tosses a coin, which counts as
half right. trust_model.json in --out has the share of right choices against how many explanations she saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import tyro
from sklearn.ensemble import RandomForestClassifier

from experiments.kept import Line, lines, share
from experiments.page import write_json
from experiments.ribeiro_2016.reviews import Reviews, bags_of, read_reviews, split_rows
from experiments.ribeiro_2016.rivals import greedy_words
from experiments.ribeiro_2016.settings import TextSettings
from experiments.ribeiro_2016.text_lime import Neighbourhood, draw_masks
from experiments.ribeiro_2016.text_models import Trees, rows_of
from explainfb import submodular_pick
from explainfb.core.errors import InputError
from explainfb.core.seeding import derive, numpy_generator
from explainfb.core.types import IntArray

NOISE = 10
NOISE_RATES = (0.1, 0.2)
"""How often an added word is in a review that blames, and in one that praises."""
ALIKE, APART = 0.001, 0.05
"""Of validation accuracy at most, and of test accuracy at least."""
SEEN = (1, 5, 10, 15, 20, 25, 30)
METHODS = ("SP-LIME", "RP-LIME", "SP-greedy", "RP-greedy")
RANDOM_PICKS = 10
"""Over so many random picks of a pair's explanations the choices are averaged."""


@dataclass(frozen=True, kw_only=True)
class Settings(TextSettings):
    """How many pairs, and how each is explained."""

    seeds: int = 1
    """Of the split into training and test reviews; every pair draws its own added words, validation and forests."""
    pairs: int = 20
    """Pairs of forests for each seed; 800 in the paper."""
    samples: int = 15_000
    forests: int = 300
    """That are grown at most to find a pair."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two forests that validate alike."""

    models: tuple[Trees, Trees]
    test_accuracies: tuple[float, float]
    documents: list[IntArray]
    """The words of each validation review."""
    noise: frozenset[int]
    """Columns of the added words."""


def with_noise(bag: Any, labels: IntArray, rates: Sequence[float], rng: np.random.Generator) -> Any:
    """The bag with ten further columns: each added word is in the share of reviews that its label's rate says."""
    added = np.zeros((len(labels), NOISE))
    for column in range(NOISE):
        for label, rate in enumerate(rates):
            rows = np.flatnonzero(labels == label)
            added[rng.permutation(rows)[: int(rate * len(rows))], column] = 1
    return scipy.sparse.hstack([bag, added]).tocsr()


def find_pair(reviews: Reviews, seed: int, number: int, forests: int) -> Pair:
    """Raises `InputError` where so many forests have no such pair."""
    bags, rng = bags_of(reviews, seed), numpy_generator(seed, "pair", number)
    dirty = with_noise(bags.train, bags.train_labels, NOISE_RATES, rng)
    tested = with_noise(bags.test, bags.test_labels, NOISE_RATES[:1] * 2, rng)
    fitted, held = split_rows(bags.train_labels, seed, "validation", number)
    grown: list[tuple[float, float, Trees]] = []
    for index in range(forests):
        estimator = RandomForestClassifier(
            n_estimators=30, max_depth=5, random_state=derive(seed, "forest", number, index) % 2**31
        )
        model = Trees(estimator, dirty[fitted], bags.train_labels[fitted])
        validation = estimator.score(dirty[held], bags.train_labels[held])
        test = estimator.score(tested, bags.test_labels)
        for other_validation, other_test, other in grown:
            if abs(validation - other_validation) <= ALIKE and abs(test - other_test) >= APART:
                words = bags.train.shape[1]
                documents = rows_of(dirty[held])
                return Pair((other, model), (other_test, test), documents, frozenset(range(words, words + NOISE)))
        grown.append((validation, test, model))
    raise InputError(f"No two of {forests} forests validate alike and test 5 % apart; raise --forests.")


@dataclass(frozen=True, eq=False)
class Explained:
    """All validation reviews explained for one forest by one method."""

    words: list[IntArray]
    weights: list[Any]
    """Of each explanation's words; ones for greedy, which has none."""
    totals: list[float] | None
    """What LIME's local model says of each review; None for greedy."""

    def matrix(self, columns: int) -> Any:
        rows = np.repeat(np.arange(len(self.words)), [len(each) for each in self.words])
        entries = (np.concatenate(self.weights), (rows, np.concatenate(self.words)))
        return scipy.sparse.csr_matrix(entries, shape=(len(self.words), columns))

    def distrusted(self, seen: Sequence[int], noise: frozenset[int]) -> int:
        """How many predictions a user distrusts who found the added words in the explanations that she has seen."""
        found = {int(word) for row in seen for word in self.words[row] if int(word) in noise}
        count = 0
        for row, words in enumerate(self.words):
            bad = np.isin(words, list(found))
            if self.totals is None:
                count += bool(bad.any())
            else:
                left = self.totals[row] - float(self.weights[row][bad].sum())
                count += (left > 0.5) != (self.totals[row] > 0.5)
        return count


def explain_all(pair: Pair, settings: Settings, rng: np.random.Generator) -> dict[str, tuple[Explained, Explained]]:
    """Both forests on the same perturbed copies of each review."""
    lime: tuple[Explained, Explained] = (Explained([], [], []), Explained([], [], []))
    greedy: tuple[Explained, Explained] = (Explained([], [], None), Explained([], [], None))
    for words in pair.documents:
        neighbourhood = Neighbourhood(draw_masks(len(words), settings.samples, rng))
        for index, model in enumerate(pair.models):
            predict = model.of(words)
            local = neighbourhood.fit(predict(neighbourhood.masks), settings.words)
            lime[index].words.append(words[local.words])
            lime[index].weights.append(local.weights)
            totals = lime[index].totals
            assert totals is not None
            totals.append(local.intercept + float(local.weights.sum()))
            places = greedy_words(predict, len(words), settings.words)
            greedy[index].words.append(words[places])
            greedy[index].weights.append(np.ones(len(places)))
    return {"LIME": lime, "greedy": greedy}


def choices(pair: Pair, settings: Settings, rng: np.random.Generator) -> dict[str, list[float]]:
    """Of each method whether the better forest is chosen, in [0, 1], for each number of explanations seen."""
    explained = explain_all(pair, settings, rng)
    columns = max(pair.noise) + 1
    found: dict[str, list[float]] = {}
    for name, both in explained.items():
        orders = [submodular_pick(each.matrix(columns), max(SEEN)).indices for each in both]
        found[f"SP-{name}"] = [right(pair, both, [order[:seen] for order in orders]) for seen in SEEN]
        random = [rng.permutation(len(pair.documents)).tolist() for _ in range(RANDOM_PICKS)]
        found[f"RP-{name}"] = [
            float(np.mean([right(pair, both, [order[:seen]] * 2) for order in random])) for seen in SEEN
        ]
    return found


def right(pair: Pair, both: tuple[Explained, Explained], seen: Sequence[Sequence[int]]) -> float:
    """1 where the forest that tests better has fewer distrusted predictions, 0 where it has more, else a half."""
    first, second = (each.distrusted(rows, pair.noise) for each, rows in zip(both, seen, strict=True))
    if first == second:
        return 0.5
    return float((first < second) == (pair.test_accuracies[0] > pair.test_accuracies[1]))


def measure(settings: Settings) -> Line:
    """The share of right choices; pairs that are there already are not made again."""
    reviews = read_reviews(settings.data_dir)

    def make(key: str) -> Line:
        seed, number = (int(part) for part in key.split("/"))
        pair = find_pair(reviews, seed, number, settings.forests)
        found = choices(pair, settings, numpy_generator(seed, "explain pair", number))
        return {"test": list(pair.test_accuracies), "right": found}

    keys = [f"{seed}/{number}" for seed in settings.all_seeds for number in range(settings.pairs)]
    told = list(lines(settings.out / "trust_model.jsonl", settings.told("pairs", "forests"), keys, make))
    return {"domain": reviews.domain, "settings": settings.told(), "seen": list(SEEN)} | {
        "right": {
            name: [share([line["right"][name][at] for line in told]) for at in range(len(SEEN))] for name in METHODS
        }
    }


def main(settings: Settings) -> None:
    results = measure(settings)
    write_json(results, settings.out / "trust_model.json")
    for name, values in results["right"].items():
        print(name, [round(value["mean"], 2) for value in values])


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
