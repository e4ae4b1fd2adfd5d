"""Training a classifier on a task; validation images decide when it ends."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier, trainable_parameters
from explainfb.classifiers.loading.layers import parameter_groups
from explainfb.classifiers.networks import BUILDERS, Architecture
from explainfb.classifiers.settings import Augment, Pixels, TrainingSettings, check_pixels
from explainfb.classifiers.torchvision_networks import network_names, preprocessing, weights_of
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator, torch_globally
from explainfb.tasks.stored.on_demand import mean_and_deviation
from explainfb.tasks.task import Split, Task


@dataclass(frozen=True)
class TrainingPoint:
    """One measurement on the validation images."""

    step: int
    train_loss: float
    """Mean over the steps since the last measurement."""
    validation_loss: float
    validation_accuracy: float


def architecture_for(task: Task, name: str, pixels: Pixels = "normalised") -> Architecture:
    """The architecture `name` for images and classes of this task, normalised by its training images or not.

    A torchvision classifier gets them at the size it was designed for. Raises `InputError` where it cannot be fed such
    pixels.
    """
    check_pixels(name, pixels)
    channels, height, width = task.image_shape
    mean, std = (0.0,) * channels, (1 / 255 if pixels == "raw" else 1.0,) * channels
    if pixels == "normalised":
        means, deviations = mean_and_deviation(task.train.images)
        mean = tuple(float(value) for value in means)
        # a channel that is the same everywhere has a deviation of 0
        std = tuple(max(float(value), 1e-3) for value in deviations)
    resize = None
    if name not in BUILDERS and name in network_names():
        resize = preprocessing(weights_of(name)).side
    return Architecture(
        name=name,
        classes=len(task.class_names),
        channels=channels,
        height=height,
        width=width,
        mean=mean,
        std=std,
        resize=resize,
        class_names=task.class_names,
    )


def train(
    task: Task,
    *,
    settings: TrainingSettings = TrainingSettings(),
    seed: int = 0,
    device: str | torch.device = "cpu",
    on_validation: Callable[[TrainingPoint], None] | None = None,
) -> Classifier:
    """A classifier trained on the task's training images, as it was when its validation loss was lowest.

    Raises `InputError` for an unknown classifier and when the loss stops being a number.

    >>> from explainfb import TrainingSettings, load_task, predict_logits, train
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=200))
    >>> right = predict_logits(classifier, task.clean.images).argmax(1) == task.clean.labels
    >>> bool(right.float().mean() > 0.8)
    True
    """
    classifier = build_classifier(architecture_for(task, settings.classifier, settings.pixels), seed).to(device)
    return fit(classifier, task.train, task.validation, settings=settings, seed=seed, on_validation=on_validation)


def fit(
    classifier: Classifier,
    train_split: Split,
    validation: Split,
    *,
    settings: TrainingSettings,
    seed: int,
    on_validation: Callable[[TrainingPoint], None] | None = None,
) -> Classifier:
    """Train `classifier` in place on its parameters that require a gradient; returns it in evaluation mode.

    It ends as it was when its validation loss was lowest. Everything else, running statistics included, keeps its
    value. Raises `InputError` when the training loss stops being a number, or no validation loss is one.
    """
    trainable_parameters(classifier)  # which refuses a classifier of which nothing may move
    groups = parameter_groups(
        classifier.network, classifier.architecture.classes, settings.learning_rate, settings.body_rate
    )
    optimiser = torch.optim.Adam(groups)
    generator = torch_generator(seed, "train", "batches")
    augment = augmentation(settings.augment, seed)
    # copied deeply, because a state dict holds the tensors themselves, which the next step changes in place
    best_loss, best_state, validations_since = math.inf, copy.deepcopy(classifier.state_dict()), 0
    losses: list[float] = []
    # dropout takes no generator
    with torch_globally(seed, "train", "dropout", device=classifier.device):
        for step in range(1, settings.steps + 1):
            images, labels = draw_batch(train_split, settings.batch_size, generator, classifier.device)
            losses.append(_step(classifier, augment(images, step), labels, optimiser))
            _check_loss("training", losses[-1], step, settings)
            if step % settings.validate_every and step < settings.steps:  # the last step is validated in any case
                continue
            loss, accuracy = validate(classifier, validation)
            if on_validation is not None:
                on_validation(TrainingPoint(step, sum(losses) / len(losses), loss, accuracy))
            losses.clear()
            validations_since += 1
            if loss < best_loss:
                best_loss, best_state, validations_since = loss, copy.deepcopy(classifier.state_dict()), 0
            if validations_since >= settings.patience:
                break
    if settings.steps and best_loss == math.inf:  # NaN is never lower than the best
        _check_loss("validation", loss, step, settings)
    classifier.load_state_dict(best_state)
    return classifier.eval()


def _check_loss(name: str, loss: float, step: int, settings: TrainingSettings) -> None:
    if not math.isfinite(loss):
        raise InputError(
            f"The {name} loss was {loss} at step {step}; lower the learning rate, now {settings.learning_rate:g}, or "
            "run `explainfb doctor` on the task."
        )


def _step(classifier: Classifier, images: Tensor, labels: Tensor, optimiser: torch.optim.Optimizer) -> float:
    train_mode(classifier)
    loss = F.cross_entropy(classifier(images), labels)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.item()


def augmentation(kind: Augment, seed: int) -> Callable[[Tensor, int], Tensor]:
    """What a training step does to its images (B, C, H, W), given them and its number; their size stays.

    The transforms are torchvision's, at their usual settings: horizontal flips, and for `standard` the random resized
    crops by which networks of ImageNet are trained (Szegedy et al. 2015).
    """
    if kind == "none":
        return lambda images, step: images
    from torchvision.transforms import v2  # takes seconds to load, and most trainings do without

    def augment(images: Tensor, step: int) -> Tensor:
        flip = v2.RandomHorizontalFlip()
        crop = v2.RandomResizedCrop(images.shape[2:], antialias=True)
        change = flip if kind == "flips" else v2.Compose([crop, flip])
        # they take no generator; a stream for each step, so that neither dropout nor a step before changes it
        with torch_globally(seed, "train", "augment", step):
            return torch.stack([change(image) for image in images])  # one at a time: a batch would be changed alike

    return augment


def train_mode(classifier: Classifier) -> None:
    """Training mode, in which layers whose parameters are all frozen keep their running statistics."""
    classifier.train()
    _keep_statistics(classifier, frozen=False)


def _keep_statistics(layer: nn.Module, frozen: bool) -> None:
    """Put a layer and those inside into evaluation mode where they are frozen; `frozen` says whether what is around is.

    A layer without parameters, such as batch normalisation without a scale, is as frozen as what is around it.
    """
    own, inside = list(layer.parameters(recurse=False)), list(layer.parameters())
    if inside:
        frozen = not any(parameter.requires_grad for parameter in inside)
    if own:
        layer.training = any(parameter.requires_grad for parameter in own)  # layers inside may still be free
    elif frozen and any(True for _ in layer.buffers(recurse=False)):
        layer.training = False
    for child in layer.children():
        _keep_statistics(child, frozen)


def draw_batch(split: Split, size: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """`size` images drawn with replacement, and their labels, on `device`."""
    chosen = torch.randint(len(split), (size,), generator=generator)
    return split.images[chosen].to(device), split.labels[chosen].to(device)


@torch.no_grad()
def validate(classifier: Classifier, split: Split) -> tuple[float, float]:
    """Cross-entropy and accuracy in evaluation mode."""
    logits = predict_logits(classifier, split.images)
    return F.cross_entropy(logits, split.labels).item(), (logits.argmax(1) == split.labels).float().mean().item()


@torch.no_grad()
def predict_logits(classifier: Classifier, images: Tensor, *, batch: int | None = None) -> Tensor:
    """(N, classes) logits on the CPU, in evaluation mode, `batch` images at a time; None takes a comfortable number.

    >>> from explainfb import TrainingSettings, load_task, predict_logits, train
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=10))
    >>> predict_logits(classifier, task.clean.images).shape
    torch.Size([454, 10])
    """
    classifier.eval()
    parts = images.split(batch or classifier.comfortable_batch)
    return torch.cat([classifier(part.to(classifier.device)).cpu() for part in parts])
