"""Steps on the same draws, stopped where something is not finite, with nothing left changed."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier, clone
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import draw_batch, fit
from explainfb.core.seeding import torch_generator
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning import optimisation
from explainfb.finetuning.explanation_reward import Reward
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import FinetunePoint, batch_draws
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.rewards.models import ExplainedImages
from explainfb.tasks.task import Split

LIME = LimeSettings(n_samples=100, n_segments=4, fill="data")
LEFT_HALF = torch.tensor([1.0, 0.0, 1.0, 0.0])  # of the four quarters
QUICK = FinetuneSettings(steps=60, explain_batch_size=8, n_samples=16, reward_weight=1.0)
SHORT = replace(QUICK, steps=8)


def both_halves_tell(count: int = 300) -> Split:
    """Two classes that the left half tells as well as the right one: its brightness."""
    generator = torch_generator(0, "test finetune")
    labels = torch.arange(count) % 2
    images = torch.rand(count, 1, 8, 8, generator=generator) * 0.6 + 0.4 * labels.view(-1, 1, 1, 1)
    return Split(images, labels)


SPLIT = both_halves_tell()


@pytest.fixture(scope="module")
def trained() -> Classifier:
    classifier = build_classifier(Architecture("mlp", 2, 1, 8, 8, (0.5,), (0.25,)), seed=0)
    return fit(classifier, SPLIT, SPLIT, settings=TrainingSettings(steps=100), seed=0)


def left_share(weights: Tensor) -> Tensor:
    strength = weights.abs()
    return (strength * LEFT_HALF).sum(1) / strength.sum(1).clamp_min(1e-8)


def prefer_left(explained: ExplainedImages) -> Tensor:
    return 5 * left_share(explained.weights)


def states(classifier: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in classifier.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """To the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def tuned(classifier: Classifier, reward: Reward | None, settings: FinetuneSettings = QUICK, seed: int = 0):
    return finetune(classifier, SPLIT, reward, lime=LIME, settings=settings, seed=seed)


def test_cross_entropy_alone_sees_the_same_images(trained: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Tensor] = []
    copy = clone

    def watched(classifier: Classifier) -> Classifier:
        twin: Classifier = copy(classifier)
        twin.register_forward_pre_hook(lambda module, images: drawn.append(images[0]) if module.training else None)
        return twin

    monkeypatch.setattr(optimisation, "clone", watched)
    tuned(trained, prefer_left, SHORT)
    tuned(trained, None, SHORT)
    assert len(drawn) == 16
    assert all(torch.equal(one, other) for one, other in zip(drawn[:8], drawn[8:], strict=True))
    assert not torch.equal(drawn[0], drawn[1])


def test_a_constant_rate_is_plain_adam_and_a_falling_one_is_not(trained: Classifier) -> None:
    constant = tuned(trained, None, replace(SHORT, schedule="constant")).classifier
    by_hand = clone(trained)
    optimiser, draws = torch.optim.Adam(by_hand.parameters(), lr=SHORT.learning_rate), batch_draws(0)
    for _ in range(SHORT.steps):
        images, labels = draw_batch(SPLIT, SHORT.batch_size, draws, by_hand.device)
        optimiser.zero_grad()
        nn.functional.cross_entropy(by_hand(images), labels).backward()
        optimiser.step()
    assert same(states(constant), states(by_hand))
    assert not same(states(tuned(trained, None, SHORT).classifier), states(by_hand))


class Spoilt:
    """A reward that turns bad at one of its calls."""

    def __init__(self, at: int, bad: Reward) -> None:
        self.calls, self.at, self.bad = 0, at, bad

    def __call__(self, explained: ExplainedImages) -> Tensor:
        self.calls += 1
        return self.bad(explained) if self.calls == self.at else prefer_left(explained)


@pytest.mark.parametrize(
    "bad",
    [
        lambda explained: prefer_left(explained) * torch.nan,
        lambda explained: prefer_left(explained) + torch.inf,
        lambda explained: (explained.weights * 0).abs().sum(1).sqrt(),  # finite, but its gradient is not
    ],
)
def test_what_is_not_finite_stops_it_with_the_last_good_classifier(trained, bad, monkeypatch) -> None:
    inside: list[Classifier] = []
    copy = clone
    monkeypatch.setattr(optimisation, "clone", lambda classifier: inside.append(copy(classifier)) or inside[0])
    good: list[dict[str, Tensor]] = []
    points: list[FinetunePoint] = []

    def on_step(point: FinetunePoint) -> None:
        points.append(point)
        good.append(states(inside[0]))

    settings = replace(SHORT, explain_batch_size=1)  # one call of the reward a step
    result = finetune(trained, SPLIT, Spoilt(4, bad), lime=LIME, settings=settings, on_step=on_step)
    assert result.stopped_at == 4
    assert [point.step for point in points] == [1, 2, 3]
    assert same(states(result.classifier), good[-1])
    assert not same(good[-1], good[-2])


def test_a_classifier_that_is_already_broken_stops_at_once(trained: Classifier) -> None:
    broken = build_classifier(trained.architecture)
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    assert tuned(broken, prefer_left, SHORT).stopped_at == 1


def test_the_classifier_that_is_given_is_left_as_it_was(trained: Classifier) -> None:
    trained.zero_grad(set_to_none=True)
    before = states(trained)
    result = tuned(trained, prefer_left, SHORT)
    assert same(states(trained), before)
    assert not trained.training
    assert not result.classifier.training
    assert all(parameter.grad is None for parameter in trained.parameters())


def test_the_same_seed_gives_the_same_classifier_and_no_global_state_is_touched(trained: Classifier) -> None:
    torch.rand(1)
    before = torch.get_rng_state()
    one = tuned(trained, prefer_left, SHORT)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert same(states(one.classifier), states(tuned(trained, prefer_left, SHORT).classifier))
    assert not same(states(one.classifier), states(tuned(trained, prefer_left, SHORT, seed=1).classifier))


def test_dropout_too_is_drawn_from_the_seed(trained: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_dropout(classifier: Classifier) -> Classifier:
        twin = build_classifier(classifier.architecture)
        twin.load_state_dict(classifier.state_dict())
        twin.network = nn.Sequential(*list(twin.network)[:-1], nn.Dropout(0.5), twin.network[-1])
        return twin

    monkeypatch.setattr(optimisation, "clone", with_dropout)
    before = torch.get_rng_state()
    one = tuned(trained, prefer_left, SHORT)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert same(states(one.classifier), states(tuned(trained, prefer_left, SHORT).classifier))
