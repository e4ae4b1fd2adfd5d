"""A share is given with what it is a share of, and a round's reward with the evidence that it was followed for."""

from dataclasses import replace

import pytest

from explainfb.core.types import Interval, OutOfBagTest
from explainfb.report import render_report
from explainfb.report.reward_sentences import evidence_sentence, held_out_sentence
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


def test_each_round_has_the_evidence_that_it_was_followed_for() -> None:
    evidence = {1: OutOfBagTest(12, 15, 0.0527), 2: OutOfBagTest(90, 105, 1e-9)}
    found = evidence_sentence(study(), evidence)
    assert "a probability of 0.01 at most" in found
    assert found.endswith(
        ": round 1 not followed, with 12 of 15 predicted (p = 0.053); "
        "round 2 followed, with 90 of 105 predicted (p < 0.001)."
    )


def test_without_the_numbers_it_is_still_said_which_rounds_were_followed() -> None:
    assert evidence_sentence(study(), {}).endswith(": round 1 not followed; round 2 followed.")
    assert evidence_sentence(study(significance=None), {}) == ""
    assert "whatever the evidence" in evidence_sentence(study(significance=1), {})


def test_the_page_says_both() -> None:
    data = replace(EMPTY, evidence={2: OutOfBagTest(90, 105, 1e-9)})
    text = Page(render_report(study(), data)).text
    assert text.index("held-out answers") < text.index("round 1 not followed; round 2 followed, with 90 of 105")
