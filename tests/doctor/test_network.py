"""Each bug is planted alone in a sound set-up, and the doctor has to name it and nothing else: networks and loops."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor_plants import Planted, failed, half_digits, left_in_training, named, regularised, with_network
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import lenet
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import architecture_for, fit, predict_logits
from explainfb.doctor import examine
from explainfb.tasks.task import Split, Task


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> Task:
    return half_digits()


def mixing_view(classifier: Classifier, images: Tensor) -> Tensor:
    number, channels, height, width = images.shape
    return images.reshape(channels, height, number, width).permute(2, 0, 1, 3)


LEAKS: dict[str, Callable[[Classifier, Tensor], Tensor]] = {
    "normalised over the batch": lambda classifier, images: images / (images.mean() + 0.1),
    "a view that mixes": mixing_view,
    "one image further": lambda classifier, images: images + 0.1 * images.roll(1, 0),
    "in training only": lambda classifier, images: images - images.mean(0) if classifier.training else images,
    "in evaluation only": lambda classifier, images: images if classifier.training else images - images.mean(0),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_across_the_batch_is_found(digits: Task, leak: str) -> None:
    findings = examine(digits, build=lambda: Planted(digits, before=LEAKS[leak]))
    assert failed(findings) == {"own image only"}
    finding = named(findings, "own image only")
    assert "of a batch changed the output of image" in finding.seen
    assert ("in training mode" in finding.seen) == (leak != "in evaluation only")
    assert ("in evaluation mode" in finding.seen) == (leak != "in training only")


def test_a_softmax_over_the_batch_is_a_leak(digits: Task) -> None:
    findings = examine(digits, build=lambda: Planted(digits, after=lambda _, logits: logits.softmax(0)))
    assert "own image only" in failed(findings)


def test_a_dead_input_is_found(digits: Task) -> None:
    findings = examine(digits, build=lambda: Planted(digits, after=lambda _, logits: 0 * logits + logits[:1].detach()))
    assert "own image only" in failed(findings)

    class Blind(Classifier):
        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.network(torch.zeros_like(images) + torch.rand(images.shape[1:]).mean() * 0)
            return logits

    architecture = architecture_for(digits, "lenet")
    findings = examine(digits, build=lambda: Blind(architecture, build_classifier(architecture, 0).network))
    assert "left its own output as it was" in named(findings, "own image only").seen
    assert failed(findings) == {"own image only", "network inputs"}


def probabilities(classifier: Classifier, logits: Tensor) -> Tensor:
    return logits.softmax(1)


def test_probabilities_given_to_the_loss_are_found(digits: Task) -> None:
    by_network = examine(digits, build=lambda: Planted(digits, after=probabilities))
    by_loss = examine(digits, loss=lambda logits, labels: F.cross_entropy(logits.softmax(1), labels))
    by_prediction = examine(digits, predict=lambda model, images: predict_logits(model, images).softmax(1))
    for findings in (by_network, by_loss, by_prediction):
        assert failed(findings) == {"logits reach the loss"}
    assert "a probability distribution" in named(by_network, "logits reach the loss").seen
    assert failed(examine(digits, loss=F.nll_loss)) == {"logits reach the loss"}


def freeze(classifier: Classifier) -> Classifier:
    classifier.network[2].requires_grad_(False)
    return classifier


def detach(classifier: Classifier) -> Classifier:
    classifier.network[2].register_forward_hook(lambda module, inputs, output: output.detach())
    return classifier


def leave_out(classifier: Classifier) -> Classifier:
    classifier.spare = nn.Linear(3, 3)
    return classifier


def explode(classifier: Planted) -> Classifier:
    """The slope of the square root at zero is infinite."""
    classifier.after = lambda self, logits: logits + (0 * self.network[2].weight).sum().sqrt()
    return classifier


@pytest.mark.parametrize(
    ("bug", "said"),
    [
        (freeze, "network.2.weight is frozen; network.2.bias is frozen"),
        (detach, "network.0.weight takes no part in the loss"),
        (leave_out, "spare.weight takes no part in the loss"),
        (explode, "network.2.weight has a gradient of NaN or infinity"),
    ],
)
def test_a_layer_that_cannot_learn_is_named(digits: Task, bug: Callable[[Planted], Classifier], said: str) -> None:
    findings = examine(digits, build=lambda: bug(Planted(digits)))
    assert failed(findings) == {"gradients reach parameters"}
    assert said in named(findings, "gradients reach parameters").seen


def test_a_layer_the_optimiser_does_not_know_is_named(digits: Task) -> None:
    def forgets_a_layer(classifier: Classifier, train_split: Split, validation: Split, **options: object) -> Classifier:
        classifier.network[0].requires_grad_(False)
        return fit(classifier, train_split, validation, **options)  # type: ignore[arg-type]

    findings = examine(digits, train=forgets_a_layer)
    assert failed(findings) == {"gradients reach parameters"}
    assert "network.0.weight is not moved" in named(findings, "gradients reach parameters").seen


def as_found(classifier: Classifier, images: Tensor) -> Tensor:
    """A prediction that forgets to call eval()."""
    with torch.no_grad():
        return classifier(images)


def forgetful(
    classifier: Classifier, train_split: Split, validation: Split, *, settings: TrainingSettings, seed: int
) -> Classifier:
    """A loop that takes its look at the validation images in training mode."""
    with classifier.register_forward_pre_hook(
        lambda module, inputs: None if torch.is_grad_enabled() else module.train() and None
    ):
        return fit(classifier, train_split, validation, settings=settings, seed=seed)


def never_in_training(classifier: Classifier, train_split: Split, validation: Split, **options: object) -> Classifier:
    classifier.train = lambda mode=True: nn.Module.train(classifier, False)  # type: ignore[assignment]
    return fit(classifier, train_split, validation, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("loop", "said"),
    [
        (left_in_training, "left the classifier in training mode"),
        (forgetful, "used validation images in training mode"),
        (never_in_training, "never took a step in training mode"),
    ],
)
def test_a_loop_in_the_wrong_mode_is_found(digits: Task, loop: Callable[..., Classifier], said: str) -> None:
    findings = examine(digits, train=loop)
    assert failed(findings) == {"training and evaluation modes"}
    assert said in named(findings, "training and evaluation modes").seen


def test_dropout_in_evaluation_is_found(digits: Task) -> None:
    always = examine(digits, build=lambda: Planted(digits, before=lambda _, images: F.dropout(images, 0.2)))
    forgotten = examine(digits, build=with_network(digits, regularised), predict=as_found)
    for findings in (always, forgotten):
        assert failed(findings) == {"training and evaluation modes"}
        assert "twice gave different outputs" in named(findings, "training and evaluation modes").seen


def test_dropout_that_never_drops_is_found(digits: Task) -> None:
    class Off(nn.Dropout):
        def forward(self, input: Tensor) -> Tensor:
            return input

    findings = examine(digits, build=with_network(digits, lambda known: nn.Sequential(lenet(known), Off(0.5))))
    assert failed(findings) == {"training and evaluation modes"}
    assert "training mode gave the same output twice" in named(findings, "training and evaluation modes").seen


def test_outputs_that_are_not_finite_are_found(digits: Task) -> None:
    findings = examine(digits, build=lambda: Planted(digits, after=lambda _, logits: logits.log()))
    assert failed(findings) == {"finite outputs"}


def test_a_network_that_raises_has_failed(digits: Task) -> None:
    findings = examine(digits, build=lambda: Planted(digits, after=lambda _, logits: logits @ torch.ones(3)))
    assert "finite outputs" in failed(findings)
    assert "RuntimeError" in named(findings, "finite outputs").seen
