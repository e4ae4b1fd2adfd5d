"""A temperature is found where there is one, changes no decision, and says when the images could not tell it."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from explainfb.core.errors import InputError
from explainfb.statistics.temperature import LIMITS, Temperature, fit_temperature


def planted(temperature: float, images: int = 20_000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of 10 classes that are `temperature` times those that their labels were drawn from."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, 10, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return temperature * logits, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 12.0])
def test_a_planted_temperature_is_recovered(temperature: float) -> None:
    found = fit_temperature(*planted(temperature))
    assert found.value == pytest.approx(temperature, rel=0.03)
    assert not found.at_limit


def test_it_is_what_a_gradient_method_finds() -> None:
    """Guo et al. fit with LBFGS, on T itself."""
    logits, labels = planted(2.5, images=500, seed=1)
    temperature = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([temperature], lr=0.1, max_iter=500, tolerance_change=1e-12, tolerance_grad=1e-12)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        found = F.cross_entropy(logits.double() / temperature, labels)
        found.backward()
        return found

    optimiser.step(loss)
    assert fit_temperature(logits, labels).value == pytest.approx(temperature.item(), rel=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(*LIMITS))
def test_no_decision_changes(seed: int, temperature: float) -> None:
    """Not even among logits that differ in their last bit."""
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(seed))
    logits[:, 4] = torch.nextafter(logits[:, 0], torch.tensor(math.inf))
    assert torch.equal(Temperature(temperature)(logits).argmax(1), logits.argmax(1))


def test_logits_that_are_larger_want_a_temperature_that_is_larger() -> None:
    logits, labels = planted(1.7, images=300)
    assert fit_temperature(3 * logits, labels).value == pytest.approx(3 * fit_temperature(logits, labels).value)


def test_images_that_are_all_right_cannot_tell() -> None:
    labels = torch.arange(10)
    found = fit_temperature(4.0 * torch.eye(10), labels)
    assert found.value == pytest.approx(LIMITS[0])
    assert found.at_limit
    assert found == fit_temperature(4000.0 * torch.eye(10), labels), "also where the loss is flat in floating point"


def test_images_that_are_worse_than_chance_want_all_the_doubt_there_is() -> None:
    labels = torch.arange(10)
    found = fit_temperature(4.0 * torch.eye(10).roll(1, 0), labels)
    assert found.value == pytest.approx(LIMITS[1])
    assert found.at_limit


@pytest.mark.parametrize(
    ("logits", "labels", "complaint"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), "logits"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), "found"),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), "at least 1"),
        (torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64), "classes at least 2"),
        (torch.full((1, 2), math.nan), torch.zeros(1, dtype=torch.int64), "finite"),
        (torch.zeros(1, 2), torch.tensor([2]), "Labels must lie in 0 … 1"),
        (torch.zeros(1, 2), torch.tensor([-1]), "Labels must lie in 0 … 1"),
    ],
)
def test_nonsense_is_refused(logits: torch.Tensor, labels: torch.Tensor, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        fit_temperature(logits, labels)


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_is_a_positive_number(value: float) -> None:
    with pytest.raises(InputError, match="positive"):
        Temperature(value)
