"""Settings of attacks: what cannot be is refused, and thorough is more than usual."""

from dataclasses import fields

import pytest

from explainfb.core.errors import InputError
from explainfb.robustness.settings import ATTACKS, THOROUGH, AttackSettings


def test_thorough_attacks_go_beyond_the_default_in_everything() -> None:
    for setting in fields(AttackSettings):
        usual, thorough = getattr(ATTACKS, setting.name), getattr(THOROUGH, setting.name)
        if setting.name in ("pgd_step_search", "pgd_relative_step", "batch_size", "advgan_images", "advgan_steps"):
            continue
        assert thorough > usual


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match=r"pgd_steps must be greater than 0; found 0"):
        AttackSettings(pgd_steps=0)


def test_the_sanity_checks_cannot_be_switched_off() -> None:
    with pytest.raises(InputError, match="check_images of at least 1; found 0"):
        AttackSettings(check_images=0)
