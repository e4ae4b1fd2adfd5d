"""Are explanations faithful to the model? Section 5.2: how many of the words that a classifier uses does each find?

    python -m experiments.ribeiro_2016.faithful --data-dir DATA/books

Two classifiers that can be read, a sparse logistic regression and a decision tree, each using at most ten words of any
document, say which words of a test document they truly used; an explanation of ten words should name them. Documents in
which a classifier uses no word are left out, as there is nothing to find. faithful.json in --out has the share of the
used words that each explanation names (recall), by seed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse
import tyro

from experiments.kept import Line, interval, lines
from experiments.page import write_json
from experiments.ribeiro_2016.reviews import Bags, bags_of, read_reviews
from experiments.ribeiro_2016.rivals import Parzen, greedy_words, random_words
from experiments.ribeiro_2016.settings import TextSettings
from experiments.ribeiro_2016.text_lime import Neighbourhood, draw_masks
from experiments.ribeiro_2016.text_models import (
    Linear,
    TextModel,
    Trees,
    rows_of,
    small_tree,
    sparse_logistic,
    words_on_path,
)
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import IntArray

PUBLISHED, LARGEST, TEN = "LIME, published program", "LIME, largest weights", "greedy, always ten words"
METHODS = ("random", "Parzen", "greedy", TEN, "LIME", PUBLISHED, LARGEST)
"""LIME is the package `lime` and selects words by K-lasso, as the paper says. *Published program*: its fit is that of
the program published with the paper. *Largest weights*: words are selected as `lime` does where nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Settings(TextSettings):
    """What is explained."""

    documents: int = 400
    """Test documents that are explained for each seed; all of them in the paper."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """The classifiers of one seed, and their Parzen windows."""

    bags: Bags
    documents: list[IntArray]
    models: dict[str, TextModel]
    parzen: dict[str, Parzen]


def used_words(model: TextModel, words: IntArray) -> set[int]:
    """Columns of the bag that the classifier truly uses of a document with these words."""
    if isinstance(model, Trees):
        return words_on_path(model, words)
    return {int(word) for word in words if model.estimator.coef_[0, word] != 0}


@dataclass(frozen=True, eq=False)
class Document:
    """A test document with its perturbed copies, the same for all classifiers."""

    words: IntArray
    """Columns of the bag."""
    lime: Neighbourhood
    published: Neighbourhood


def explained(model: TextModel, parzen: Parzen, document: Document, most: int, random: IntArray) -> dict[str, IntArray]:
    """Places of a document's words that each method names."""
    predict, words = model.of(document.words), len(document.words)
    outputs = predict(document.lime.masks)
    return {
        "random": random,
        "Parzen": parzen.explain(document.words, most)[1],
        "greedy": greedy_words(predict, words, most),
        TEN: greedy_words(predict, words, most, stop=False),
        "LIME": document.lime.fit(outputs, most).words,
        PUBLISHED: document.published.fit(outputs, most).words,
        LARGEST: document.lime.fit(outputs, most, by="highest_weights").words,
    }


def measure(settings: Settings) -> Line:
    """The recall of every method on every classifier; lines that are there already are not made again."""
    reviews = read_reviews(settings.data_dir)

    @lru_cache(maxsize=1)
    def prepared(seed: int) -> Prepared:
        bags = bags_of(reviews, seed)
        every = scipy.sparse.vstack([bags.train, bags.test]).tocsr()
        models: dict[str, Linear | Trees] = {
            "logistic regression": sparse_logistic(bags.train, bags.train_labels, every, settings.words),
            "decision tree": small_tree(bags.train, bags.train_labels, every, seed, settings.words),
        }
        parzen = {name: Parzen(model, bags.train, bags.train_labels) for name, model in models.items()}
        return Prepared(bags, rows_of(bags.test), {**models}, parzen)

    def make(key: str) -> Line:
        seed, row = (int(part) for part in key.split("/"))
        ready = prepared(seed)
        words = ready.documents[row]
        used = {name: used_words(model, words) for name, model in ready.models.items()}
        if not any(used.values()):
            return {"recall": {}}
        rng = numpy_generator(seed, "faithful", row)
        random, masks = random_words(len(words), settings.words, rng), draw_masks(len(words), settings.samples, rng)
        document = Document(words, Neighbourhood(masks), Neighbourhood(masks, published=True))
        found = {}
        for name, model in ready.models.items():
            if used[name]:
                named = explained(model, ready.parzen[name], document, settings.words, random)
                found[name] = {"used": len(used[name])} | {
                    method: round(len(used[name] & {*words[places].tolist()}) / len(used[name]), 4)
                    for method, places in named.items()
                }
        return {"recall": found}

    test = len(bags_of(reviews, settings.first_seed).test_labels)
    keys = [f"{seed}/{row}" for seed in settings.all_seeds for row in range(min(settings.documents, test))]
    told = lines(settings.out / "faithful.jsonl", settings.told("documents"), keys, make)
    return {"domain": reviews.domain, "settings": settings.told(), "recall": summary(list(told))}


def summary(told: Iterable[Line]) -> Line:
    """Of each classifier and method the mean recall in per cent, with its interval over seeds.

    Of one seed the interval is over documents: what other documents of this split would give, and not other splits.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for line in told:
        seed = line["key"].split("/")[0]
        for model, recall in line["recall"].items():
            for method in ("used", *METHODS):
                found.setdefault(model, {}).setdefault(method, {}).setdefault(seed, []).append(recall[method])
    return {
        model: {method: _over_seeds(method, list(by_seed.values())) for method, by_seed in methods.items()}
        for model, methods in found.items()
    }


def _over_seeds(method: str, by_seed: list[list[float]]) -> Line:
    values = by_seed[0] if len(by_seed) == 1 else [float(np.mean(each)) for each in by_seed]
    return interval([(1 if method == "used" else 100) * value for value in values])


def main(settings: Settings) -> None:
    results = measure(settings)
    write_json(results, settings.out / "faithful.json")
    for model, methods in results["recall"].items():
        print(model, {method: value["mean"] for method, value in methods.items()})


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
