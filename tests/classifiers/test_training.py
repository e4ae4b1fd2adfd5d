import copy
import math
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers import training
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.settings import Pixels, TrainingSettings
from explainfb.classifiers.training import (
    TrainingPoint,
    architecture_for,
    draw_batch,
    fit,
    predict_logits,
    train,
    train_mode,
    validate,
)
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task

QUICK = TrainingSettings(steps=40, batch_size=16, validate_every=20)


@cache
def digits() -> Task:
    return load_task("digits")


def random_split(count: int = 40) -> Split:
    generator = torch_generator(0, "split")
    return Split(torch.rand(count, 1, 8, 8, generator=generator), torch.randint(3, (count,), generator=generator))


SMALL = Architecture("lenet", classes=3, channels=1, height=8, width=8, mean=(0.5,), std=(0.3,))


class NormedAndDropped(nn.Module):
    """The two layers that behave differently in training: running statistics and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images))
        return logits


def normed(seed: int = 0) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(SMALL, NormedAndDropped())


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_lenet_reads_digits() -> None:
    points: list[TrainingPoint] = []
    settings = TrainingSettings(steps=300, validate_every=50)
    classifier = train(digits(), settings=settings, seed=0, on_validation=points.append)
    assert validate(classifier, digits().clean)[1] >= 0.95
    assert [point.step for point in points] == [50, 100, 150, 200, 250, 300]
    assert points[-1].train_loss < 0.3 < points[0].train_loss
    assert not classifier.training


@pytest.mark.parametrize(("pixels", "factor"), [("raw", 255), ("unit", 1)])
def test_pixels_reach_the_network_as_the_settings_say(pixels: Pixels, factor: int) -> None:
    images = digits().clean.images[:5]
    classifier = train(digits(), settings=TrainingSettings(pixels=pixels, steps=0))
    torch.testing.assert_close(classifier(images), classifier.network(images * factor))
    normalised = train(digits(), settings=TrainingSettings(steps=0))
    assert not torch.allclose(normalised(images), normalised.network(images * factor), rtol=0.1)


def test_raw_logits_are_those_of_a_computation_by_hand() -> None:
    """Of Ross et al. 2017: 0 to 255 in, two hidden layers with ReLU."""
    classifier = build_classifier(architecture_for(digits(), "mlp", "raw"))
    found = (digits().clean.images[:5] * 255).flatten(1)
    layers = [layer for layer in classifier.network if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in layers] == [50, 30, 10]
    for layer in layers[:-1]:
        found = (found @ layer.weight.T + layer.bias).clamp_min(0)
    torch.testing.assert_close(classifier(digits().clean.images[:5]), found @ layers[-1].weight.T + layers[-1].bias)


def test_torchvision_and_unknown_pixels_are_refused() -> None:
    with pytest.raises(InputError, match=r"resnet18 is not made for raw pixels; .* lenet, mlp, pooled_lenet"):
        TrainingSettings(classifier="resnet18", pixels="raw")
    with pytest.raises(InputError, match="resnet18 is not made for raw pixels"):
        architecture_for(digits(), "resnet18", "raw")
    with pytest.raises(InputError, match="resnet18 is not made for unit pixels"):
        TrainingSettings(classifier="resnet18", pixels="unit")
    with pytest.raises(InputError, match=r"training\.pixels is one of normalised, raw, unit; found 'grey'"):
        TrainingSettings(pixels="grey")  # type: ignore[arg-type]


def test_one_batch_can_be_learned_by_heart() -> None:
    batch = digits().train.take(slice(0, 32))
    classifier = build_classifier(architecture_for(digits(), "lenet"))
    assert abs(validate(classifier, batch)[0] - math.log(10)) < 0.2
    fit(classifier, batch, batch, settings=TrainingSettings(steps=150, batch_size=32), seed=0)
    loss, accuracy = validate(classifier, batch)
    assert accuracy == 1
    assert loss < 0.05


@pytest.mark.parametrize("losses", [[3.0, 1.0, 2.0, 2.0, 1.5, 0.1], [3.0, 1.0, math.nan, 2.0, 1.0, 0.1]])
def test_the_best_validation_is_kept_and_patience_ends_the_training(
    losses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second loss is planted as the best of five; the sixth, better still, must never be seen."""
    seen: list[dict[str, Tensor]] = []

    def planted(classifier: Classifier, _: Split) -> tuple[float, float]:
        seen.append(copy.deepcopy(classifier.state_dict()))
        return losses[len(seen) - 1], 0.5

    monkeypatch.setattr(training, "validate", planted)
    settings = TrainingSettings(steps=60, batch_size=8, validate_every=10, patience=3)
    classifier = fit(build_classifier(SMALL), random_split(), random_split(), settings=settings, seed=0)
    assert len(seen) == 5
    assert same(classifier.state_dict(), seen[1])
    assert not same(seen[1], seen[-1])


def test_the_last_step_is_validated_between_two_validations_too() -> None:
    steps: list[int] = []
    settings = TrainingSettings(steps=25, batch_size=8, validate_every=10)
    fit(
        build_classifier(SMALL),
        random_split(),
        random_split(),
        settings=settings,
        seed=0,
        on_validation=lambda p: steps.append(p.step),
    )
    assert steps == [10, 20, 25]


def test_no_steps_change_nothing() -> None:
    classifier = build_classifier(SMALL)
    before = copy.deepcopy(classifier.state_dict())
    fit(classifier, random_split(), random_split(), settings=TrainingSettings(steps=0), seed=0)
    assert same(classifier.state_dict(), before)


@pytest.mark.parametrize("make", [lambda: build_classifier(SMALL), normed])
def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_state(make: object) -> None:
    def trained(seed: int) -> dict[str, Tensor]:
        return fit(make(), random_split(), random_split(), settings=QUICK, seed=seed).state_dict()  # type: ignore[operator]

    before = torch.random.get_rng_state()
    first = trained(0)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(11)
    assert same(first, trained(0))
    assert not same(first, trained(1))


def test_frozen_layers_keep_every_bit_and_their_statistics() -> None:
    classifier = normed()
    before = copy.deepcopy(classifier.state_dict())
    for parameter in classifier.network.body.parameters():  # type: ignore[union-attr]
        parameter.requires_grad_(False)
    after = fit(classifier, random_split(), random_split(), settings=QUICK, seed=0).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"network.head.weight", "network.head.bias"}


def test_training_mode_reaches_all_that_is_free_and_dropout() -> None:
    classifier = normed()
    train_mode(classifier)
    assert all(layer.training for layer in classifier.modules())
    normalisation = classifier.network.body[2]  # type: ignore[index]
    normalisation.requires_grad_(False)
    train_mode(classifier)
    assert [layer for layer in classifier.modules() if not layer.training] == [normalisation]


def test_a_loss_that_is_no_number_is_said_at_once() -> None:
    settings = TrainingSettings(steps=500, batch_size=8, learning_rate=1e30)
    with pytest.raises(InputError, match=r"The training loss was (nan|inf) at step \d+; lower the learning rate"):
        fit(build_classifier(SMALL), random_split(), random_split(), settings=settings, seed=0)


def test_a_last_step_that_ruins_the_weights_is_said_too() -> None:
    """Its own loss was fine: only the validation images show it."""
    settings = TrainingSettings(steps=1, batch_size=8, learning_rate=1e30)
    with pytest.raises(InputError, match=r"The validation loss was (nan|inf) at step 1; lower the learning rate"):
        fit(build_classifier(SMALL), random_split(), random_split(), settings=settings, seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1},
        {"batch_size": 0},
        {"validate_every": 0},
        {"patience": 0},
        {"learning_rate": 0},
        {"learning_rate": math.nan},
    ],
)
def test_settings_that_cannot_train_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong)).replace("_rate", "[_ ]rate")):
        TrainingSettings(**wrong)  # type: ignore[arg-type]


def test_the_architecture_knows_the_tasks_pixels() -> None:
    architecture = architecture_for(digits(), "lenet")
    pixels = digits().train.images
    assert (architecture.classes, architecture.channels, architecture.height, architecture.width) == (10, 1, 28, 28)
    assert architecture.mean == pytest.approx((pixels.mean().item(),), abs=1e-6)
    assert architecture.std == pytest.approx((pixels.std().item(),), abs=1e-6)
    assert architecture.resize is None
    assert [architecture_for(digits(), name).resize for name in ("resnet18", "inception_v3")] == [224, 299]


def test_a_plain_channel_is_not_divided_by_nothing() -> None:
    split = Split(torch.full((4, 1, 8, 8), 0.5), torch.zeros(4, dtype=torch.int64))
    architecture = architecture_for(Task("plain", ("a", "b"), split, split, split), "lenet")
    assert build_classifier(architecture)(split.images).isfinite().all()


def test_validation_is_cross_entropy_and_accuracy() -> None:
    split = random_split()
    classifier = build_classifier(SMALL)
    classifier.train()
    loss, accuracy = validate(classifier, split)
    probabilities = classifier(split.images).softmax(1)
    own = probabilities[torch.arange(len(split)), split.labels]
    assert loss == pytest.approx(-own.log().mean().item(), rel=1e-5)
    assert accuracy == pytest.approx((probabilities.argmax(1) == split.labels).float().mean().item())


def test_predictions_do_not_depend_on_the_batch_or_the_mode() -> None:
    classifier, split = normed(), random_split()
    whole = predict_logits(classifier.train(), split.images)
    assert torch.allclose(whole, predict_logits(classifier.train(), split.images, batch=3), atol=1e-6)
    assert not torch.allclose(whole, classifier.train()(split.images), atol=1e-3)


def test_labels_follow_their_images() -> None:
    images = torch.arange(10).view(10, 1, 1, 1).expand(10, 1, 2, 2) / 10
    images, labels = draw_batch(Split(images, torch.arange(10)), 200, torch_generator(0), torch.device("cpu"))
    assert torch.equal((images[:, 0, 0, 0] * 10).round().long(), labels)
    assert set(labels.tolist()) == set(range(10))
