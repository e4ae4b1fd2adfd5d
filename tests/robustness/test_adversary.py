"""AdvGAN: within ε, seeded, resumable, as Foolbox has attacks, and it breaks what has no defence."""

from pathlib import Path

import pytest
import torch

from explainfb import (
    AdvGANSettings,
    AttackSettings,
    Classifier,
    InputError,
    Task,
    ThreatModel,
    TrainingSettings,
    aggrieve,
    load_task,
    robust_accuracy,
    train,
)
from explainfb.robustness.attacked_model import attacked
from explainfb.robustness.attacks import foolbox  # imported there without its warnings
from explainfb.testing.tiny import ATTACKS

FEW = AdvGANSettings(steps=6, batch_size=16, save_every=2)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits", train_images=600)


@pytest.fixture(scope="module")
def classifier(task: Task) -> Classifier:
    return train(task, settings=TrainingSettings(steps=250))


@pytest.mark.parametrize("knows", ["gradients", "answers"])
def test_it_breaks_an_undefended_classifier_within_epsilon(knows: str, task: Task, classifier: Classifier) -> None:
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    settings = AdvGANSettings(knows=knows, steps=60, batch_size=32)  # type: ignore[arg-type]
    adversary = aggrieve(classifier, task, epsilon=0.3, settings=settings)
    moved = adversary.perturb(task.clean.images)
    assert float((moved - task.clean.images).abs().max()) <= 0.3 + 1e-6
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 1
    found = adversary.success(classifier, task.clean.images, task.clean.labels)
    assert found.estimate > (0.8 if knows == "gradients" else 0.6)
    noise = (task.clean.images + 0.3 * torch.sign(torch.randn_like(moved))).clamp(0, 1)
    with attacked(classifier) as target:
        by_noise = float(target.wrong(noise, task.clean.labels).float().mean())
    assert found.estimate > by_noise + 0.2
    assert all(torch.equal(before[name], tensor) for name, tensor in classifier.state_dict().items())
    assert all(parameter.requires_grad for parameter in classifier.parameters())


def test_equal_seeds_give_equal_adversaries_also_when_one_was_stopped(
    task: Task, classifier: Classifier, tmp_path: Path
) -> None:
    whole = aggrieve(classifier, task, settings=FEW, seed=3)
    file = tmp_path / "adversary.pt"

    class StopError(Exception):
        pass

    def stop(_: float, seen: list[int] = []) -> None:  # noqa: B006
        seen.append(1)
        if len(seen) == 5:
            raise StopError

    with pytest.raises(StopError):
        aggrieve(classifier, task, settings=FEW, seed=3, file=file, on_step=stop)
    steps: list[float] = []
    resumed = aggrieve(classifier, task, settings=FEW, seed=3, file=file, on_step=steps.append)
    assert len(steps) == 2
    images = task.clean.images[:8]
    assert torch.equal(resumed.perturb(images), whole.perturb(images))
    kept = aggrieve(classifier, task, settings=FEW, seed=3, file=file, on_step=lambda _: pytest.fail("trained anew"))
    assert torch.equal(kept.perturb(images), whole.perturb(images))
    assert not torch.equal(aggrieve(classifier, task, settings=FEW, seed=4).perturb(images), whole.perturb(images))
    with pytest.raises(InputError, match="an adversary of another classifier"):
        aggrieve(classifier, task, epsilon=0.1, settings=FEW, seed=3, file=file)
    file.write_bytes(b"no adversary")
    with pytest.raises(InputError, match="is damaged or holds no adversary"):
        aggrieve(classifier, task, settings=FEW, seed=3, file=file)


def test_foolbox_calls_it_as_its_own(task: Task, classifier: Classifier) -> None:
    adversary = aggrieve(classifier, task, epsilon=0.2, settings=FEW)
    model = foolbox.PyTorchModel(classifier.eval(), bounds=(0, 1))
    images, labels = task.clean.images[:10], task.clean.labels[:10]
    _, clipped, broken = adversary.attack(model, images, labels, epsilons=[0.2, 0.3])
    assert torch.allclose(clipped[0], adversary.perturb(images), atol=1e-6)
    assert broken.shape == (2, 10)
    with pytest.raises(InputError, match=r"was trained for ε = 0\.2"):
        adversary.attack(model, images, labels, epsilons=[0.1])


def test_it_stands_in_the_robustness_table_where_it_is_asked_for(task: Task, classifier: Classifier) -> None:
    few = task.clean.take(slice(12))
    models = [ThreatModel("linf", 0.1), ThreatModel("l2", 0.5)]
    settings = AttackSettings(**{**vars(ATTACKS), "advgan_images": 12, "advgan_steps": 5})
    found, other = robust_accuracy(
        classifier, few.images, few.labels, threat_models=models, settings=settings, seed=0, training=task.train
    )
    assert found.attack_images["advgan"] >= 10
    assert 0 <= found.attacks["advgan"] <= 1
    assert found.accuracy.estimate <= found.attacks["advgan"]
    assert "advgan" not in other.attacks


def test_refusals(task: Task, classifier: Classifier) -> None:
    with pytest.raises(InputError, match="epsilon is the largest change"):
        aggrieve(classifier, task, epsilon=8)
    with pytest.raises(InputError, match=r"AdvGANSettings\.steps must be greater than 0"):
        AdvGANSettings(steps=0)
