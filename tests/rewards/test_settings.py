"""Settings of the reward that cannot be are refused."""

from typing import Any

import pytest

from explainfb.core.errors import InputError
from explainfb.rewards.settings import RewardSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight_decay": -1.0},
        {"weight_decay": 11.0},
        {"learned_from": "ratings"},
        {"reliability": "unequal"},
        {"reliability": "learned", "learned_from": "utilities"},
    ],
)
def test_impossible_rewards_are_refused_and_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"reward\.{next(iter(wrong))}"):
        RewardSettings(**wrong)
