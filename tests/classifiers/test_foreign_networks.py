"""Networks with the habits of real ones are trained, explained, tuned and attacked; what is frozen stays as it was."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explainfb import LimeSettings, Task, ThreatModel, explain, finetune, load_task, robust_accuracy, wrap
from explainfb.classifiers.classifier import Classifier, clone, fingerprint, load_classifier, save_classifier
from explainfb.classifiers.networks import BUILDERS
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import fit, predict_logits, train
from explainfb.core.errors import InputError
from explainfb.finetuning import baselines
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.tasks.task import Split
from explainfb.testing.tiny import ATTACKS
from foreign_networks import CLASSES, NETWORKS, Plain, frozen_body

LIME = LimeSettings(n_samples=16, n_segments=4, fill="zero")
FEW = FinetuneSettings(steps=2, batch_size=6, learning_rate=0.05, n_samples=8, explain_batch_size=2)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits", train_images=40)


def made(name: str, task: Task) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return wrap(NETWORKS[name](), task)


def moved(before: dict[str, Tensor], network: nn.Module) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_trained_explained_tuned_and_attacked(name: str, task: Task) -> None:
    classifier, few = made(name, task), task.clean.take(slice(6))
    before = copy.deepcopy(classifier.network.state_dict())
    fit(classifier, task.train, task.validation, settings=TrainingSettings(steps=3, validate_every=3), seed=0)
    trained = copy.deepcopy(classifier.network.state_dict())
    logits = predict_logits(classifier, few.images)
    assert (logits.shape, bool(logits.isfinite().all())) == ((6, CLASSES), True)
    [why] = explain(classifier, few.images[:1], settings=LIME)
    assert why.probability == pytest.approx(float(logits[0].softmax(0)[why.target]), abs=1e-2)
    irrelevant = torch.zeros(len(task.train), 28, 28, dtype=torch.bool)
    tuned = [
        finetune(classifier, task.train, None, lime=LIME, settings=FEW, relevance_map=lambda x, _: x[:, 0]),
        baselines.adversarial_training(classifier, task.train, epsilon=0.1, settings=FEW, seed=0),
    ]
    if name != "attention":  # whose fast path has no second derivative
        tuned.append(baselines.rrr(classifier, task.train, irrelevant=~irrelevant, strength=1e-3, settings=FEW, seed=0))
    for result in tuned:
        assert result.stopped_at is None
        changed = moved(trained, result.classifier.network)
        assert "head.weight" in changed or name == "lazy"
        if name.startswith("frozen body"):
            assert {key for key in changed if key.startswith("body")} == set()
    if name.startswith("frozen body"):
        assert {key for key in moved(before, classifier.network) if key.startswith("body")} == set()
    [found] = robust_accuracy(
        classifier, few.images, few.labels, threat_models=[ThreatModel("linf", 0.1)], settings=ATTACKS, seed=0
    )
    assert found.n == 6
    assert "non_finite_outputs" not in found.flags
    assert moved(trained, classifier.network) <= {"batches"}


def test_images_that_are_all_wrong_to_begin_with_are_not_robust(task: Task) -> None:
    classifier, few = made("view", task), task.clean.take(slice(6))
    wrong = (predict_logits(classifier, few.images).argmax(1) + 1) % CLASSES
    full = replace(ATTACKS, deepfool_images=5, targeted_images=5, hop_skip_jump_images=2, gen_attack_images=2)
    models = [ThreatModel(norm, 0.1) for norm in ("linf", "l2")]
    for found in robust_accuracy(
        classifier, few.images, wrong, threat_models=models, settings=full, seed=0, surrogate=classifier
    ):
        assert found.accuracy.estimate == 0


def test_no_empty_batch_reaches_a_network_and_its_gradient_is_nothing(task: Task) -> None:
    classifier = made("view", task)
    nothing = task.clean.images[:0].requires_grad_()
    logits = classifier(nothing)
    assert logits.shape == (0, CLASSES)
    assert torch.autograd.grad(logits.sum(), nothing)[0].shape == nothing.shape
    assert predict_logits(classifier, task.clean.images[:0]).shape == (0, CLASSES)
    assert explain(classifier, task.clean.images[:0], settings=LIME) == []


def test_one_logit_tells_two_classes_apart(task: Task) -> None:
    def two(split: Split) -> Split:
        return replace(split, labels=split.labels % 2)

    parts = {name: two(getattr(task, name)) for name in ("train", "validation", "clean")}
    classifier = wrap(Plain(classes=1), replace(task, class_names=("even", "odd"), **parts))
    z = classifier.network(task.clean.images[:5])
    torch.testing.assert_close(classifier(task.clean.images[:5]).softmax(1)[:, 1:], z.sigmoid())


def test_what_is_wholly_frozen_is_told(task: Task) -> None:
    classifier = made("view", task)
    classifier.requires_grad_(False)
    for tune in (
        lambda: fit(classifier, task.train, task.validation, settings=TrainingSettings(steps=1), seed=0),
        lambda: baselines.cross_entropy(classifier, task.train, settings=FEW, seed=0),
    ):
        with pytest.raises(InputError, match="No parameter of the classifier may be moved"):
            tune()


def test_a_copy_is_as_frozen_as_what_was_copied(task: Task) -> None:
    copied = clone(wrap(frozen_body(affine=True), task))
    assert [name for name, parameter in copied.named_parameters() if parameter.requires_grad] == [
        "network.head.weight",
        "network.head.bias",
    ]


@pytest.mark.parametrize("name", ["tied", "bfloat16"])
def test_a_network_that_is_built_by_name_is_kept_in_a_file(
    name: str, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUILDERS, "foreign", lambda shape: NETWORKS[name]())
    classifier = train(task, settings=TrainingSettings(classifier="foreign", steps=2))
    save_classifier(classifier, tmp_path / "kept.safetensors")
    again = load_classifier(tmp_path / "kept.safetensors")
    assert fingerprint(again) == fingerprint(classifier)
    assert torch.equal(again(task.clean.images[:3]), classifier(task.clean.images[:3]))


class Squeezed(Plain):
    """A network of logits, put through something."""

    def __init__(self, how: object) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> object:
        return self.how(super().forward(x))  # type: ignore[operator]


@pytest.mark.parametrize(
    "how",
    [
        lambda z: z.sigmoid(),
        lambda z: z.softmax(1),
        lambda z: z.softmax(1).clamp(1e-3),
        lambda z: z.sigmoid().clamp(0.01, 0.99),
        lambda z: z.sigmoid().view(-1, CLASSES),
        lambda z: z.softmax(1).detach(),
    ],
)
def test_probabilities_are_refused(how: object, task: Task) -> None:
    with pytest.raises(InputError, match="returns probabilities, and logits are expected"):
        wrap(Squeezed(how), task)


@pytest.mark.parametrize(
    "how", [lambda z: z.relu(), lambda z: z.log_softmax(1), lambda z: z.abs() / 1e3, lambda z: 0 * z]
)
def test_logits_are_taken_whatever_their_values(how: object, task: Task) -> None:
    wrap(Squeezed(how), task)


@pytest.mark.parametrize(("mean", "std"), [(123.7, 1.0), ([0.5], [58.4]), (torch.tensor([103.9]), 1.0)])
def test_a_normalisation_of_pixels_up_to_255_is_refused(mean: object, std: object, task: Task) -> None:
    with pytest.raises(InputError, match="are of pixels from 0 to 255, divide them by 255"):
        wrap(Plain(), task, mean=mean, std=std)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "kind", [float, lambda x: [x], lambda x: torch.tensor([x]), lambda x: torch.tensor([x]).numpy()]
)
def test_a_normalisation_is_taken_in_any_kind_of_number(kind: object, task: Task) -> None:
    shape = wrap(Plain(), task, mean=kind(0.5), std=kind(0.25)).architecture  # type: ignore[operator]
    assert (shape.mean, shape.std) == ((0.5,), (0.25,))
