"""What the page calls things: each by one name, and once."""

import re

from test_report import EMPTY, Page

from explainfb.report import render_report
from results_example import example_results


def test_task_and_seed_are_listed_once() -> None:
    results = example_results()
    for recorded in ({}, {"task": "digits-decoy", "seed": 0}):
        results["settings"] |= recorded
        text = render_report(results, EMPTY)
        assert text.count("<dt>task</dt>") == text.count("<dt>seed</dt>") == 1


def test_an_arm_has_one_name_in_the_page() -> None:
    results = example_results()
    results["settings"]["controls"] = ["cross_entropy", "random_answers", "no_shortcut"]
    results["seconds"] = {"random_answers: fine-tuning": 1.0, "no_shortcut: evaluation": 2.0, "feedback: answers": 3.0}
    results["stopped"] = ["random_answers, round 1: It was tired."]
    text = Page(render_report(results, EMPTY)).text
    assert "cross-entropy only, random answers, no shortcut (ceiling)" in text
    assert "no shortcut (ceiling): evaluation" in text
    assert "feedback: answers" in text
    assert not re.search("random_answers|no_shortcut|the ceiling|no shortcut(?! \\(ceiling)", text)
    results["settings"]["controls"] = []
    assert re.search(r"controls\s*none", Page(render_report(results, EMPTY)).text)
