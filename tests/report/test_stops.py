"""What stopped is told where it belongs: feedback's rounds first of all, a control's beside the control."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from rich.console import Console
from test_report import EMPTY, Page

from explainfb.cli.printing import show
from explainfb.core.progress import Progress
from explainfb.core.types import OutOfBagTest
from explainfb.report import reach_verdict, render_report, unfinished
from explainfb.report.stops import about, not_followed
from explainfb.report.verdict import Outcome
from explainfb.rewards.validation import save_out_of_bag_test
from explainfb.study.report_data import _evidence
from explainfb.study.rounds import Loop
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY
from results_example import example_results

NOT_FINITE = "Fine-tuning stopped at step 3: the loss or its gradient was not finite."


def doubted(right: int = 12, of: int = 15) -> str:
    return (
        f"The reward was not followed: the best of its 3 members foretells {right} of {of} answers that it was not "
        "fitted to, as a coin's might be."
    )


def study(*, feedback: int = 0, coin: int = 0) -> dict[str, Any]:
    """A study of four rounds, so many of which left the classifier as it was."""
    stopped = [f"feedback, round {number}: {doubted(10 + number)}" for number in range(1, feedback + 1)]
    stopped += [f"random_answers, round {number}: {doubted(20 + number, 40)}" for number in range(1, coin + 1)]
    return example_results() | {"stopped": stopped}


def test_a_reward_that_no_round_followed_is_the_first_sentence() -> None:
    found = reach_verdict(study(feedback=4))
    assert found.outcome is Outcome.LEFT
    assert found.sentence == (
        "The classifier was left as it was, because the reward was not followed in any of 4 rounds: in the last one "
        "the best of its 3 members foretells 14 of 15 answers that it was not fitted to, as a coin's might be. It "
        "takes more answers: begin another study with more --comparisons-per-round."
    )


def test_an_only_round_is_spoken_of_as_one() -> None:
    results = study(feedback=1)
    results["preferences"]["by_round"] = results["preferences"]["by_round"][:1]
    assert (
        "was not followed in the only round: the best of its 3 members foretells 11 of 15"
        in reach_verdict(results).sentence
    )


def test_rounds_that_were_not_followed_are_counted_beside_the_answer() -> None:
    found = reach_verdict(study(feedback=3))
    assert found.sentence.startswith("Yes, the feedback helped")
    assert found.sentence.endswith(
        "In 3 of 4 rounds the reward was not followed, and the classifier was left as it was."
    )


def test_a_coins_reward_changes_nothing_of_the_answer() -> None:
    assert reach_verdict(study(coin=4)) == reach_verdict(study())


def test_a_round_that_broke_is_not_one_that_was_not_followed() -> None:
    results = study(feedback=3)
    results["stopped"].append(f"feedback, round 4: {NOT_FINITE}")
    assert reach_verdict(results).outcome is not Outcome.LEFT
    assert len(not_followed(results)) == 3


def test_the_page_warns_of_feedback_at_the_top_and_tells_of_a_coin_beside_the_coin() -> None:
    results = study(feedback=1, coin=2)
    text = Page(render_report(results, EMPTY)).text
    assert text.index("Round 1: The reward was not followed") < text.index("The numbers")
    assert "random_answers" not in text
    beside = text.index("Its reward was not followed in 2 of 4 rounds, as is to be expected of a coin; in the last of")
    assert text.index("The arms") < text.index("with a coin giving the answers") < beside
    assert "22 of 40 answers" in text[beside:]
    results["stopped"] = results["stopped"][1:]
    assert 'role="note"' not in render_report(results, EMPTY)


def test_other_controls_and_the_ceiling_have_their_own() -> None:
    results = study()
    results["stopped"] = [f"cross_entropy, round 2: {NOT_FINITE}", f"no_shortcut, round 1: {NOT_FINITE}"]
    assert about(results, "cross_entropy") == f"Round 2: {NOT_FINITE}"
    assert about(results, "ceiling") == f"Round 1: {NOT_FINITE}"
    assert unfinished(results) == []


@pytest.mark.parametrize("message", ["The machine was tired.", "nobody, round 3: It was tired."])
def test_what_belongs_to_no_arm_is_not_lost(message: str) -> None:
    assert unfinished(example_results() | {"stopped": [message]}) == [message]


def test_rounds_come_in_their_order() -> None:
    results = study()
    results["stopped"] = [f"feedback, round {number}: {NOT_FINITE}" for number in (1, 10, 2)]
    assert [text.partition(":")[0] for text in unfinished(results)] == ["Round 1", "Round 2", "Round 10"]


def test_the_terminal_says_it_too() -> None:
    buffer = io.StringIO()
    show(Console(file=buffer, width=300), study(feedback=1, coin=1), Path("study"))
    assert f"Round 1: {doubted(11)}\n" in buffer.getvalue()
    assert "21 of 40" not in buffer.getvalue()


def test_what_the_loop_says_is_understood(tmp_path: Path) -> None:
    loop = Loop(
        folder=tmp_path,
        task=cast("Task", None),
        settings=replace(TINY, finetune=replace(TINY.finetune, significance=0.01)),
        device=torch.device("cpu"),
        progress=Progress(),
        name="feedback",
    )
    loop.reward_path(1).parent.mkdir()
    save_out_of_bag_test(OutOfBagTest(12, 15, 0.053), loop.reward_path(1))
    assert _evidence(loop) == {1: OutOfBagTest(12, 15, 0.053)}
    results = study() | {"stopped": [f"feedback, round 1: {loop._doubt(1)}"]}
    assert [stop.evidence for stop in not_followed(results)] == [
        "the best of its 2 members foretells 12 of 15 answers that it was not fitted to, as a coin's might be."
    ]
