"""What stopped is told where it belongs: feedback's rounds first of all, a control's beside the control."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from explainfb.cli.printing import show
from explainfb.core.types import OutOfBagTest
from explainfb.report import reach_verdict, render_report, unfinished
from explainfb.report.stopped_rounds import about, not_followed, why
from explainfb.report.verdict import Outcome
from explainfb.results.records import Stopped, StopReason, StudyResults
from report_page import EMPTY, Page
from results_example import example_results

NOT_FINITE = "Fine-tuning stopped at step 3: the loss or its gradient was not finite."


def broke(arm: str, number: int) -> Stopped:
    return Stopped(arm, number, StopReason.NOT_FINITE, step=3)


def ignored(arm: str, number: int, right: int, of: int = 15) -> Stopped:
    return Stopped(arm, number, StopReason.NOT_FOLLOWED, test=OutOfBagTest(right, of, 0.1), members=3)


def study(*stopped: Stopped, feedback: int = 0, coin: int = 0) -> StudyResults:
    """A study of four rounds, so many of which left the classifier as it was."""
    followed_not = [ignored("feedback", number, 10 + number) for number in range(1, feedback + 1)]
    followed_not += [ignored("random_answers", number, 20 + number, 40) for number in range(1, coin + 1)]
    return replace(example_results(), stopped=(*followed_not, *stopped))


def test_a_reward_that_no_round_followed_is_the_first_sentence() -> None:
    found = reach_verdict(study(feedback=4))
    assert found.outcome is Outcome.LEFT
    for part in (
        "was left as it was",
        "any of 4 rounds",
        "3 members predicts 14 of 15",
        "more --comparisons-per-round",
    ):
        assert part in found.sentence


def test_an_only_round_is_spoken_of_as_one() -> None:
    results = study(feedback=1)
    results = replace(results, preferences=replace(results.preferences, rounds=results.preferences.rounds[:1]))
    assert (
        "was not followed in the only round: the best of its 3 members predicts 11 of 15"
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
    results = study(broke("feedback", 4), feedback=3)
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
    assert 'role="note"' not in render_report(study(coin=2), EMPTY)


def test_other_controls_and_the_ceiling_have_their_own() -> None:
    results = study(broke("cross_entropy", 2), broke("no_shortcut", 1))
    assert about(results, "cross_entropy") == f"Round 2: {NOT_FINITE}"
    assert about(results, "no_shortcut") == f"Round 1: {NOT_FINITE}"
    assert unfinished(results) == []


def test_what_belongs_to_no_arm_is_not_lost() -> None:
    assert unfinished(study(Stopped("", 0, StopReason.UNKNOWN, message="It was tired."))) == ["It was tired."]


def test_rounds_come_in_their_order() -> None:
    results = study(*(broke("feedback", number) for number in (1, 10, 2)))
    assert [text.partition(":")[0] for text in unfinished(results)] == ["Round 1", "Round 2", "Round 10"]


@pytest.mark.parametrize(
    ("members", "test", "sentence"),
    [
        (3, (12, 15), "the best of its 3 members predicts 12 of 15 answers that it was not fitted to, which could"),
        (1, (12, 15), "not followed: it predicts 12 of 15 answers that it was not fitted to, which could be chance."),
        (None, None, "The reward was not followed: the reason was not recorded."),
    ],
)
def test_why_a_reward_was_not_followed_is_said_as_far_as_it_is_known(
    members: int | None, test: tuple[int, int] | None, sentence: str
) -> None:
    evidence = test and OutOfBagTest(*test, p_value=0.1)
    stop = Stopped("feedback", 1, StopReason.NOT_FOLLOWED, test=evidence, members=members)
    assert sentence in why(stop)


def test_the_terminal_says_it_too() -> None:
    buffer = io.StringIO()
    show(Console(file=buffer, width=300), study(feedback=1, coin=1), Path("study"))
    assert f"Round 1: {why(ignored('feedback', 1, 11))}\n" in buffer.getvalue()
    assert "21 of 40" not in buffer.getvalue()
