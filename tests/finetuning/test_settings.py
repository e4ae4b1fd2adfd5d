"""Settings of fine-tuning that cannot be are refused and named."""

from typing import Any

import pytest

from explainfb.core.errors import InputError
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings


@pytest.mark.parametrize(
    "given",
    [
        {"counterexample_share": 1.5},
        {"gradient_penalty": -0.1},
        {"gradient_penalty": float("inf")},
        {"gradient_penalty": float("nan")},
        {"significance": 0},
        {"schedule": "cosine"},
        {"adversarial_epsilon": -0.1},
        {"adversarial_epsilon": 8.0},
        {"adversarial_steps": 0},
    ],
)
def test_impossible_settings_of_fine_tuning_are_refused_and_named(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"finetune.{next(iter(given))}"):
        FinetuneSettings(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"rrr_strength": -1.0},
        {"input_gradient_strength": float("nan")},
        {"adversarial_epsilon": 0.0},
        {"adversarial_epsilon": 8.0},
    ],
)
def test_impossible_settings_of_baselines_are_refused_and_named(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"baselines.{next(iter(given))}"):
        BaselineSettings(**given)
