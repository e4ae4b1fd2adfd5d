"""A network of one's own: explained, attacked, measured and tuned as any other, or refused in words."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb import evaluate, explain, finetune, load_task, wrap
from explainfb.classifiers.classifier import Classifier, clone, load_classifier, save_classifier
from explainfb.classifiers.networks import BUILDERS, Architecture
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import predict_logits, train
from explainfb.core.errors import InputError
from explainfb.core.types import ThreatModel
from explainfb.doctor import examine_classifier
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.tasks.task import Task
from explainfb.testing.tiny import ATTACKS

LIME = LimeSettings(n_samples=52, fill="zero")


class Net(nn.Module):
    """A little of everything that a network may hold: convolution, dropout, running statistics."""

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 5, stride=3)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(4 * 8 * 8, classes)

    def forward(self, images: Tensor) -> Tensor:
        found = F.dropout(F.relu(self.norm(self.first(images))), 0.3, self.training)
        logits: Tensor = self.last(found.flatten(1))
        return logits


class Watched(Net):
    """Keeps what it was fed last."""

    fed: Tensor

    def forward(self, images: Tensor) -> Tensor:
        self.fed = images
        return super().forward(images)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits", train_images=120)


@pytest.fixture
def net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()


def test_the_network_is_fed_the_tasks_pixels_as_they_are(task: Task) -> None:
    net = Watched()
    classifier = wrap(net, task)
    images = task.clean.images[:5]
    assert torch.equal(classifier(images), net(images))
    classifier(images)
    assert torch.equal(net.fed, images)
    assert classifier.network is net
    assert not net.training


def test_mean_and_deviation_are_taken_out_where_they_are_given(task: Task) -> None:
    net = Watched()
    wrap(net, task, mean=(0.2,), std=(0.5,))(task.clean.images[:5])
    assert torch.equal(net.fed, (task.clean.images[:5] - 0.2) / 0.5)


def test_a_network_of_any_name_gets_the_channels_that_the_images_have(task: Task) -> None:
    """Whatever the architecture is called: grey is spread over three channels only where that was asked for."""
    net = Watched()
    for name in ("mine", "lenet", "resnet18"):
        Classifier(Architecture(name, 10, 1, 28, 28, (0.0,), (1.0,)), net).eval()(task.clean.images[:2])
        assert net.fed.shape == (2, 1, 28, 28)
    colour = Watched(channels=3)
    architecture = Architecture("mine", 10, 1, 28, 28, (0.0,), (1.0,))
    Classifier(architecture, colour, grey_as_colour=True)(task.clean.images[:2])
    assert torch.equal(colour.fed, task.clean.images[:2].expand(-1, 3, -1, -1))


def test_it_is_explained_measured_and_tuned(net: Net, task: Task) -> None:
    classifier = wrap(net, task)
    before = copy.deepcopy(net.state_dict())
    explanation = explain(classifier, task.clean.images[:1], settings=LIME)[0]
    own = net(task.clean.images[:1]).softmax(1)[0, explanation.target].item()
    assert explanation.probability == pytest.approx(own, abs=1e-6)
    settings = EvaluationSettings(linf=(0.05,), l2=(), attack_images=10, explain_images=1, lime=LIME, attacks=ATTACKS)
    measured = evaluate(classifier, task, settings=settings)
    assert torch.equal(measured.clean_logits, predict_logits(classifier, task.clean.images))
    assert measured.robust[0].n == 10
    tuned = finetune(
        classifier, task.train, None, lime=LIME, settings=FinetuneSettings(steps=3, batch_size=8), seed=0
    ).classifier
    assert isinstance(tuned.network, Net)
    assert not torch.equal(tuned.network.last.weight, net.last.weight)
    assert all(torch.equal(net.state_dict()[name], before[name]) for name in before)


def test_sanity_checks_find_that_it_has_no_gradient(task: Task) -> None:
    class Rounded(Net):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward((images * 8).round())

    some = task.clean.take(torch.arange(40))
    classifier = wrap(Rounded(), task)
    labels = classifier(some.images).argmax(1)
    (found,) = robust_accuracy(
        classifier, some.images, labels, threat_models=[ThreatModel("linf", 0.01)], settings=ATTACKS, seed=0
    )
    assert not found.reliable
    assert "zero_gradients" in found.flags


def bare_explain(net: nn.Module, task: Task) -> object:
    return explain(net, task.clean.images[:1])  # type: ignore[arg-type]


def bare_evaluate(net: nn.Module, task: Task) -> object:
    return evaluate(net, task, settings=EvaluationSettings(attack_images=20, explain_images=1))  # type: ignore[arg-type]


def bare_robust_accuracy(net: nn.Module, task: Task) -> object:
    some = task.clean.take(torch.arange(4))
    return robust_accuracy(
        net,  # type: ignore[arg-type]
        some.images,
        some.labels,
        threat_models=[ThreatModel("linf", 0.1)],
        seed=0,
    )


def bare_finetune(net: nn.Module, task: Task) -> object:
    return finetune(net, task.train, None, lime=LIME)  # type: ignore[arg-type]


@pytest.mark.parametrize("use", [bare_explain, bare_evaluate, bare_robust_accuracy, bare_finetune])
def test_a_bare_network_is_refused_with_what_to_do(
    use: Callable[[nn.Module, Task], object], net: Net, task: Task
) -> None:
    with pytest.raises(InputError, match=r"found Net\. Wrap a network of your own: explainfb\.wrap\(network, task\)"):
        use(net, task)


def test_a_network_that_does_not_fit_the_task_is_refused_before_any_work(task: Task) -> None:
    with pytest.raises(InputError, match=r"Net cannot be fed digits, float32 images \(N, 1, 28, 28\): .*3 channels"):
        wrap(Net(channels=3), task)
    with pytest.raises(InputError, match=r"logits of shape \(8, 10\) for 8 images; Net returned shape \(8, 5\)"):
        wrap(Net(classes=5), task)
    with pytest.raises(InputError, match="Sequential returns probabilities"):
        wrap(nn.Sequential(Net(), nn.Softmax(1)), task)
    wrap(nn.Sequential(Net(), nn.LogSoftmax(1)), task)
    with pytest.raises(InputError, match=r"Expected a torch\.nn\.Module to wrap; found Classifier"):
        wrap(wrap(Net(), task), task)


@pytest.mark.parametrize(
    ("mean", "std", "complaint"),
    [
        ((0.1, 0.2), (1.0,), "mean is one number, or one for each of 1 channels"),
        ((float("nan"),), (1.0,), "mean is one number"),
        ((0.1,), (0.0,), "std must be greater than 0"),
    ],
)
def test_a_normalisation_that_makes_no_sense_is_refused(
    mean: tuple[float, ...], std: tuple[float, ...], complaint: str, task: Task
) -> None:
    with pytest.raises(InputError, match=complaint):
        wrap(Net(), task, mean=mean, std=std)


def test_a_clone_shares_nothing_but_its_values(net: Net, task: Task) -> None:
    classifier = wrap(net, task)
    twin = clone(classifier)
    assert torch.equal(twin(task.clean.images), classifier(task.clean.images))
    with torch.no_grad():
        for weight in twin.parameters():
            weight.add_(torch.rand_like(weight))
    assert not torch.equal(twin(task.clean.images), classifier(task.clean.images))


def test_what_a_file_cannot_say_how_to_build_is_not_written(net: Net, task: Task, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Net is a network of your own; .*a\.safetensors could not"):
        save_classifier(wrap(net, task), tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_says_that_it_cannot_build_it(net: Net, task: Task) -> None:
    with pytest.raises(InputError, match="Net cannot be built anew: put what builds it into"):
        examine_classifier(task, wrap(net, task))


def test_one_that_was_named_is_trained_by_name_kept_and_read(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUILDERS, "mine", lambda architecture: Net(architecture.classes, architecture.channels))
    classifier = train(task, settings=TrainingSettings(classifier="mine", steps=3))
    path = tmp_path / "a.safetensors"
    save_classifier(classifier, path)
    assert torch.equal(load_classifier(path)(task.clean.images), classifier(task.clean.images))
    monkeypatch.delitem(BUILDERS, "mine")
    with pytest.raises(InputError, match=r"a\.safetensors holds a network called 'mine', which is not known here"):
        load_classifier(path)
