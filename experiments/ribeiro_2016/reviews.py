"""Reviews with stars, of the multi-domain sentiment dataset (Blitzer, Dredze, Pereira 2007), as bags of words."""

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import IntArray

HOW = (
    "Download domain_sentiment_data.tar.gz from https://www.cs.jhu.edu/~mdredze/datasets/sentiment/, unpack it, and "
    "give the folder of one domain, such as --data-dir sorted_data_acl/books."
)
TRAIN_SHARE = 0.8
"""Of 2,000 reviews 1,600."""


@dataclass(frozen=True, eq=False)
class Reviews:
    """Documents of one domain: what they say and whether it is praise."""

    texts: tuple[str, ...]
    labels: IntArray
    """(N,) 1 for praise, 0 for blame."""
    domain: str
    """The name of the folder."""


@dataclass(frozen=True, eq=False)
class Bags:
    """One split of the reviews as bags of words; what a document has is told, not how often."""

    train: Any
    """(1600, V) sparse, 0 or 1."""
    test: Any
    """(400, V)"""
    train_labels: IntArray
    test_labels: IntArray
    words: tuple[str, ...]
    """(V)"""


def read_reviews(folder: Path) -> Reviews:
    """Of a folder with positive.review and negative.review, raw or as word counts; told where that is not so."""
    texts: list[str] = []
    labels: list[int] = []
    for name, label in (("negative.review", 0), ("positive.review", 1)):
        path = folder / name
        try:
            # some domains have bytes that are no UTF-8
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}). {HOW}") from error
        found = _raw(text) if "<review" in text else _counted(text)
        if len(found) < 10:
            raise InputError(
                f"{path} has {len(found)} reviews; expected about 1,000, each between <review> and </review>, or one a "
                f"line as word:count. {HOW}"
            )
        texts += found
        labels += [label] * len(found)
    return Reviews(tuple(texts), np.array(labels), folder.resolve().name)


def _raw(text: str) -> list[str]:
    """Title and text of each review of sorted_data_acl."""
    found = []
    for review in re.findall(r"<review>(.*?)</review>", text, flags=re.DOTALL):
        parts = [re.search(rf"<{part}>(.*?)</{part}>", review, flags=re.DOTALL) for part in ("title", "review_text")]
        words = " ".join(part[1] for part in parts if part)
        if words.strip():
            found.append(html.unescape(words).lower())
    return found


def _counted(text: str) -> list[str]:
    """The words of each line of processed_acl; pairs of words, which have a _, are left out."""
    counted = [re.findall(r"(\S+?):\d+(?=\s|$)", line) for line in text.splitlines()]
    return [" ".join(word for word in words if "_" not in word).lower() for words in counted if words]


def split_rows(labels: IntArray, seed: int, *names: object) -> tuple[IntArray, IntArray]:
    """Rows for training and rows for testing, of each class four to one."""
    train, test = [], []
    for label in (0, 1):
        rows = numpy_generator(seed, "split", *names, label).permutation(np.flatnonzero(labels == label))
        cut = int(TRAIN_SHARE * len(rows))
        train.append(rows[:cut])
        test.append(rows[cut:])
    return np.concatenate(train), np.concatenate(test)


def bags_of(reviews: Reviews, seed: int) -> Bags:
    """Training and test reviews of this seed; words are those of the training reviews."""
    train, test = split_rows(reviews.labels, seed)
    counter = CountVectorizer(binary=True, dtype=np.float64)
    bag = counter.fit_transform([reviews.texts[row] for row in train])
    words = tuple(str(word) for word in counter.get_feature_names_out())
    tested = counter.transform([reviews.texts[row] for row in test])
    return Bags(bag, tested, reviews.labels[train], reviews.labels[test], words)
