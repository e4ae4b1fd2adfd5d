"""What the page calls things: each by one name, and once."""

import re
from dataclasses import replace

from test_report import EMPTY, Page

from explainfb.report import render_report
from explainfb.results.records import ArmDescription, Stopped, StopReason, StudyResults
from results_example import example_results, with_arm


def test_task_and_seed_are_listed_once() -> None:
    for recorded in ({}, {"task": "digits-decoy", "seed": 0}):
        text = render_report(replace(example_results(), settings=recorded), EMPTY)
        assert text.count("<dt>task</dt>") == text.count("<dt>seed</dt>") == 1


def study(controls: list[str]) -> StudyResults:
    return replace(
        example_results(),
        settings={"controls": controls},
        seconds={"random_answers: fine-tuning": 1.0, "no_shortcut: evaluation": 2.0, "feedback: answers": 3.0},
        stopped=(Stopped("random_answers", 1, StopReason.NOT_FINITE, step=3),),
    )


def test_an_arm_has_one_name_in_the_page() -> None:
    text = Page(render_report(study(["cross_entropy", "random_answers", "no_shortcut"]), EMPTY)).text
    assert "cross-entropy only, random answers, no shortcut (ceiling)" in text
    assert "no shortcut (ceiling): evaluation" in text
    assert "feedback: answers" in text
    assert not re.search("random_answers|no_shortcut|the ceiling|no shortcut(?! \\(ceiling)", text)
    assert re.search(r"controls\s*none", Page(render_report(study([]), EMPTY)).text)


def test_an_arm_is_called_what_the_results_call_it() -> None:
    """Not what today's registry would: results come from other versions and other people."""
    arm = ArmDescription("cross_entropy", "as if nothing was said", "steps alone", "control")
    text = Page(render_report(with_arm(example_results(), "cross_entropy", arm=arm), EMPTY)).text
    assert "steps alone" in text
    assert "as if nothing was said" in text
    assert "cross-entropy only" not in text
