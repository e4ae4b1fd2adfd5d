"""The bar ends at its end."""

from contextlib import suppress

import pytest

from explainfb.core.progress import Progress


def test_a_stage_that_ends_early_is_done() -> None:
    progress = Progress(total=30)
    with progress.stage("training", 100, cost=20) as step:
        step(30)
        assert progress.done == pytest.approx(6)
    assert progress.done == pytest.approx(20)
    with progress.stage("waiting", 0):
        pass
    progress.skip(10)
    assert progress.done == pytest.approx(30)


def test_a_stage_that_fails_is_not() -> None:
    progress = Progress(total=10)
    with suppress(KeyboardInterrupt), progress.stage("training", 4, cost=10) as step:
        step(1)
        raise KeyboardInterrupt
    assert progress.done == pytest.approx(2.5)


def test_many_parts_add_up_to_the_whole() -> None:
    """A bar that ends at 1139/1140 makes people look for what is missing."""
    progress = Progress(total=1140)
    for _ in range(100):
        with progress.stage("part", 7, cost=11.4) as step:
            for _ in range(7):
                step(1)
    assert progress.done == 1140
