"""A share is given with its numbers, and each round says why its reward was followed or not."""

from dataclasses import replace

import pytest

from explainfb.core.types import Interval, OutOfBagTest
from explainfb.report import render_report
from explainfb.report.reward_sentences import both_bad_sentence, followed_sentence, held_out_sentence
from explainfb.results.records import RoundResult, Stopped, StopReason, StudyResults
from report_page import EMPTY, Page
from results_example import example_results

STOPPED = (Stopped("feedback", 1, StopReason.NOT_FOLLOWED, test=OutOfBagTest(12, 15, 0.0527), members=3),)


def study(*, significance: float | None = 0.01, rounds: int = 2) -> StudyResults:
    results = replace(example_results(), stopped=STOPPED)
    preferences = replace(results.preferences, rounds=results.preferences.rounds[:rounds])
    settings = {} if significance is None else {"finetune.significance": significance}
    return replace(results, preferences=preferences, settings={**results.settings, **settings})


@pytest.mark.parametrize(
    ("right", "of", "ends", "words"),
    [
        (1, 2, (0.0, 1.0), "1 of the 2 held-out answers, 50.0\N{NO-BREAK SPACE}% (95 % interval 0.0 to 100.0)."),
        (2, 3, (0.2, 1.0), "2 of the 3 held-out answers, 66.7\N{NO-BREAK SPACE}% (95 % interval 20.0 to 100.0)."),
        (0, 4, (0.0, 0.5), "0 of the 4 held-out answers, 0.0\N{NO-BREAK SPACE}% (95 % interval 0.0 to 50.0)."),
    ],
)
def test_a_share_is_given_with_its_numbers(right: int, of: int, ends: tuple[float, float], words: str) -> None:
    results = study()
    last = RoundResult(1, answers=20, held_out=of, reward_accuracy=Interval(right / of, *ends))
    results = replace(results, preferences=replace(results.preferences, rounds=(last,)))
    assert held_out_sentence(results) == f"The learned reward predicts {words}"


def test_each_round_says_why_it_was_followed() -> None:
    tests = {1: OutOfBagTest(12, 15, 0.0527), 2: OutOfBagTest(90, 105, 1e-9)}
    assert followed_sentence(study(), tests) == (
        "A round follows its reward only if its best member predicts more of the answers that it was not fitted to "
        "than it would of a coin’s, with p ≤ 0.01, corrected for the number of members: round 1 not followed, with "
        "12 of 15 predicted (p = 0.053); round 2 followed, with 90 of 105 predicted (p < 0.001)."
    )


def test_without_the_numbers_it_is_still_said_which_rounds_were_followed() -> None:
    assert followed_sentence(study(), {}).endswith(": round 1 not followed; round 2 followed.")
    assert followed_sentence(study(significance=None), {}) == ""
    assert "whatever the evidence" in followed_sentence(study(significance=1), {})


@pytest.mark.parametrize(
    ("said", "annotator", "words"),
    [
        (31, "human", "31 (12.9\N{NO-BREAK SPACE}%) said that both"),
        (0, "human", "0 (0.0"),
        (0, "simulated", None),
        (None, "human", None),
    ],
)
def test_how_many_said_that_both_are_bad(said: int | None, annotator: str, words: str | None) -> None:
    results = study()
    preferences = replace(results.preferences, answers=240, both_bad=said)
    results = replace(results, preferences=preferences, settings={**results.settings, "annotator": annotator})
    found = both_bad_sentence(results)
    assert found == "" if words is None else words in found


def test_the_page_says_both() -> None:
    data = replace(EMPTY, out_of_bag_tests={2: OutOfBagTest(90, 105, 1e-9)})
    text = Page(render_report(study(), data)).text
    assert text.index("held-out answers") < text.index("round 1 not followed; round 2 followed, with 90 of 105")
