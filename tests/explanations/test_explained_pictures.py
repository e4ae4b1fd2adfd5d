"""One picture in, one explanation out; classes by their names; the explanation knows its image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainfb import Explainer, Explanation, InputError, explain
from explainfb.classifiers.classifier import Classifier, build_classifier, load_classifier, save_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.explanations.settings import LimeSettings, without_background
from lime_example import CLASSIFIER, IMAGES, same

QUICK = LimeSettings(n_samples=60, n_segments=9, fill="zero")
NAMED = Classifier(replace(CLASSIFIER.architecture, class_names=("cat", "dog", "dog")), CLASSIFIER.network).eval()


def test_one_picture_gives_the_explanation_that_a_batch_of_it_gives() -> None:
    (expected,) = explain(CLASSIFIER, IMAGES[:1], settings=QUICK)
    for one in (IMAGES[0], IMAGES[0].numpy()):
        found = explain(CLASSIFIER, one, settings=QUICK)
        assert isinstance(found, Explanation)
        assert same(found, expected)
    several = explain(CLASSIFIER, [IMAGES[0], IMAGES[1].numpy()], settings=QUICK)
    assert [
        same(one, other) for one, other in zip(several, explain(CLASSIFIER, IMAGES[:2], settings=QUICK), strict=True)
    ]


def test_a_picture_file_of_any_size_is_explained_and_drawn(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(tmp_path / "it.jpg")
    found = explain(CLASSIFIER, tmp_path / "it.jpg", settings=QUICK)
    assert found.image is not None
    assert found.image.shape == (1, 12, 10)
    found.save(tmp_path / "why.png")
    assert (tmp_path / "why.png").is_file()


def test_a_picture_file_alone_is_enough(tmp_path: Path) -> None:
    """Without a task, other images or settings; `top` says how many reasons are told."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(tmp_path / "dog.jpg")
    found = explain(CLASSIFIER, str(tmp_path / "dog.jpg"), top=2)
    assert found.shown == 2
    assert str(found).count("superpixel ") <= 2
    assert found.n_samples == LimeSettings().n_samples
    same_one = explain(CLASSIFIER, str(tmp_path / "dog.jpg"), settings=LimeSettings(fill="mean"))
    assert same(found, same_one)
    assert [each.shown for each in explain(CLASSIFIER, IMAGES[:2], top=1, settings=QUICK)] == [1, 1]
    assert without_background(224).superpixels == "slic"
    with pytest.raises(InputError, match="top must be at least 1; found 0"):
        explain(CLASSIFIER, tmp_path / "dog.jpg", top=0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("nowhere/dog.jpg", "nowhere/dog.jpg does not exist; give the path of a picture file"),
        (".", "is a folder; give the path of a picture file"),
        (torch.zeros(30, 40, 3, dtype=torch.uint8), r"Found a tensor of shape \(30, 40, 3\) as a picture; .*permute"),
    ],
)
def test_what_is_no_picture_is_told(given: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        explain(CLASSIFIER, given, settings=QUICK)  # type: ignore[call-overload]


def test_a_class_that_is_no_whole_number_is_told() -> None:
    with pytest.raises(InputError, match=r"A class is a whole number; found 1\.5"):
        explain(CLASSIFIER, IMAGES[0].numpy(), targets=1.5, settings=QUICK)  # type: ignore[call-overload]


def test_segments_and_target_of_one_picture_need_no_list() -> None:
    segments = (np.arange(120) // 60).reshape(12, 10)
    found = explain(CLASSIFIER, IMAGES[0], targets=2, segments=segments, settings=QUICK)
    assert (found.target, len(found.weights)) == (2, 2)


def test_a_class_is_asked_for_by_its_name() -> None:
    named = explain(NAMED, IMAGES[:2], targets=["cat", 1], settings=QUICK)
    assert [(each.target, each.name) for each in named] == [(0, "class cat"), (1, "class dog")]
    assert same(named[0], explain(CLASSIFIER, IMAGES[:1], targets=[0], settings=QUICK)[0])


@pytest.mark.parametrize(
    ("classifier", "targets", "told"),
    [
        (CLASSIFIER, "cat", "does not know what its classes are called; found the class 'cat'. Give a number, 0 … 2"),
        (NAMED, "cart", "no class 'cart'; the nearest name is 'cat', number 0"),
        (NAMED, "dog", "Several classes are called 'dog'; the nearest name is 'dog', number 1"),
        (NAMED, 3, "found the target 3"),
    ],
)
def test_an_unknown_class_is_told(classifier: Classifier, targets: int | str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Explainer(classifier, settings=QUICK)(IMAGES[0].numpy(), targets=targets)


def test_one_target_for_several_images_is_refused() -> None:
    with pytest.raises(InputError, match="found 1 for 2 images"):
        explain(NAMED, IMAGES[:2], targets="cat", settings=QUICK)


def test_names_are_kept_with_the_weights(tmp_path: Path) -> None:
    save_classifier(NAMED, tmp_path / "it.safetensors")
    assert load_classifier(tmp_path / "it.safetensors").class_names == ("cat", "dog", "dog")


def test_a_network_of_torchvision_has_the_names_of_imagenet() -> None:
    shape = Architecture("squeezenet1_1", 1000, 3, 64, 64, (0.0,), (1.0,))
    names = build_classifier(shape).class_names
    assert names is not None
    assert names[207] == "golden retriever"
    assert build_classifier(replace(shape, classes=7)).class_names is None


def test_the_image_is_not_copied() -> None:
    (found,) = explain(CLASSIFIER, IMAGES[:1], settings=QUICK)
    assert found.image is not None
    assert np.shares_memory(found.image, IMAGES.numpy())
    assert torch.equal(torch.from_numpy(found.image), IMAGES[0])
