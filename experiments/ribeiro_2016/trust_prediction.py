"""Should I trust this prediction? Section 5.3: a simulated user who distrusts a quarter of all words.

    python -m experiments.ribeiro_2016.trust_prediction --data-dir DATA/books

For each of --runs draws a quarter of all words is untrustworthy. A prediction is not to be trusted if it changes when
those words are taken from the document. The simulated user sees explanations alone. Of LIME and Parzen windows, whose
weights add up, she takes the untrustworthy words away and distrusts what then comes out on the other side; of greedy
and random explanations she distrusts every one that has an untrustworthy word. F1 is of the predictions to be trusted.
trust_prediction.json in --out has its mean over the draws, by seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tyro

from experiments.kept import Line, interval, lines
from experiments.page import write_json
from experiments.ribeiro_2016.reviews import Bags, bags_of, read_reviews
from experiments.ribeiro_2016.rivals import Parzen, greedy_words, random_words
from experiments.ribeiro_2016.settings import TextSettings
from experiments.ribeiro_2016.text_lime import Neighbourhood, draw_masks
from experiments.ribeiro_2016.text_models import TextModel, paper_models, rows_of
from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import BoolArray, FloatArray, IntArray

METHODS = ("random", "Parzen", "greedy", "LIME", "LIME beside the classifier")
"""*Beside the classifier*: what is left of LIME's local model is compared with what the classifier predicts, as in the
authors' program, and not with what the local model had said, as in the paper's text."""
UNTRUSTWORTHY = 0.25
"""The share of all words."""


@dataclass(frozen=True, kw_only=True)
class Settings(TextSettings):
    """What is explained, and how often words are drawn that are not to be trusted."""

    documents: int = 400
    """Test documents that are explained for each seed."""
    runs: int = 100
    """Draws of untrustworthy words, for each seed."""
    trees: int = 1000
    """Of the random forest."""
    models: tuple[str, ...] = tuple(paper_models())
    """The classifiers that are tried."""

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.models if name not in paper_models()]
        if unknown or not self.models:
            raise InputError(f"Unknown models {', '.join(unknown)}; expected some of {', '.join(paper_models())}.")


@dataclass(frozen=True, eq=False)
class Prepared:
    """The classifiers of one seed, and the words that are not trusted in each run."""

    bags: Bags
    documents: list[IntArray]
    models: dict[str, TextModel]
    parzen: dict[str, Parzen]
    untrusted: BoolArray
    """(runs, V)"""


def draw_untrusted(words: int, runs: int, seed: int) -> BoolArray:
    """(runs, V): a quarter of all words for each run."""
    found = np.zeros((runs, words), dtype=np.bool_)
    for run in range(runs):
        rng = numpy_generator(seed, "untrustworthy", run)
        found[run, rng.permutation(words)[: int(UNTRUSTWORTHY * words)]] = True
    return found


def distrusted(
    model: TextModel,
    parzen: Parzen,
    words: IntArray,
    untrusted: BoolArray,
    settings: Settings,
    rng: np.random.Generator,
) -> dict[str, BoolArray]:
    """(runs,) whether a prediction changes without the words that are not trusted, and whether each user distrusts it.

    `untrusted` (runs, n) says it of the document's own `words` (n,).
    """
    predict, most = model.of(words), settings.words
    positive = bool(predict(np.ones((1, len(words))))[0] > 0.5)
    neighbourhood = Neighbourhood(draw_masks(len(words), settings.samples, rng))
    local = neighbourhood.fit(predict(neighbourhood.masks), most)
    share, places, slopes = parzen.explain(words, most)
    whole = local.intercept + float(local.weights.sum())
    left = whole - untrusted[:, local.words].astype(np.float64) @ local.weights
    left_of_parzen = share - untrusted[:, places].astype(np.float64) @ slopes
    return {
        "changed": differs(predict(1.0 - untrusted), positive),
        "random": np.asarray(untrusted[:, random_words(len(words), most, rng)].any(axis=1)),
        "Parzen": differs(left_of_parzen, share > 0.5),
        "greedy": np.asarray(untrusted[:, greedy_words(predict, len(words), most)].any(axis=1)),
        "LIME": differs(left, whole > 0.5),
        "LIME beside the classifier": differs(left, positive),
    }


def differs(values: FloatArray, positive: bool) -> BoolArray:
    """(runs,) whether a value lies on the other side of one half."""
    return np.asarray((values > 0.5) != positive)


def measure(settings: Settings) -> Line:
    """F1 of every method on every classifier; lines that are there already are not made again."""
    reviews = read_reviews(settings.data_dir)

    @lru_cache(maxsize=1)
    def prepared(seed: int) -> Prepared:
        bags = bags_of(reviews, seed)
        models = {
            name: paper_models(settings.trees)[name](bags.train, bags.train_labels, seed) for name in settings.models
        }
        parzen = {name: Parzen(model, bags.train, bags.train_labels) for name, model in models.items()}
        untrusted = draw_untrusted(len(bags.words), settings.runs, seed)
        return Prepared(bags, rows_of(bags.test), models, parzen, untrusted)

    def make(key: str) -> Line:
        seed, row = (int(part) for part in key.split("/"))
        ready = prepared(seed)
        words = ready.documents[row]
        found = {}
        for name, model in ready.models.items():
            rng = numpy_generator(seed, "trust", row)  # the same masks for all classifiers
            bits = distrusted(model, ready.parzen[name], words, ready.untrusted[:, words], settings, rng)
            found[name] = {method: np.packbits(values).tobytes().hex() for method, values in bits.items()}
        return {"distrusted": found}

    test = len(bags_of(reviews, settings.first_seed).test_labels)
    keys = [f"{seed}/{row}" for seed in settings.all_seeds for row in range(min(settings.documents, test))]
    told = list(lines(settings.out / "trust_prediction.jsonl", settings.told("documents"), keys, make))
    return {"domain": reviews.domain, "settings": settings.told()} | summary(told, settings.runs)


def summary(told: Sequence[Line], runs: int) -> Line:
    """The mean F1 in per cent with its interval over seeds, and how many predictions change in a run."""
    f1: dict[str, dict[str, list[float]]] = {}
    changed: dict[str, list[float]] = {}
    by_seed: dict[str, list[Line]] = {}
    for line in told:
        by_seed.setdefault(line["key"].split("/")[0], []).append(line["distrusted"])
    for documents in by_seed.values():
        for model in documents[0]:
            bits = {
                method: np.stack([_bits(document[model][method], runs) for document in documents])
                for method in ("changed", *METHODS)
            }
            changed.setdefault(model, []).append(float(bits["changed"].sum(axis=0).mean()))
            for method in METHODS:
                values = [f1_of(bits["changed"][:, run], bits[method][:, run]) for run in range(runs)]
                f1.setdefault(model, {}).setdefault(method, []).append(100 * float(np.mean(values)))
    return {
        "f1": {model: {name: interval(values) for name, values in methods.items()} for model, methods in f1.items()},
        "changed": {model: interval(values) for model, values in changed.items()},
    }


def _bits(text: str, runs: int) -> BoolArray:
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8), count=runs).astype(np.bool_)


def f1_of(changed: BoolArray, distrusted: BoolArray) -> float:
    """Of the predictions that a user trusts, against those that do not change; 0 where she trusts none rightly."""
    right = int((~changed & ~distrusted).sum())
    return 2 * right / (int((~changed).sum()) + int((~distrusted).sum())) if right else 0.0


def main(settings: Settings) -> None:
    results = measure(settings)
    write_json(results, settings.out / "trust_prediction.json")
    for model, methods in results["f1"].items():
        print(model, {method: value["mean"] for method, value in methods.items()})


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
