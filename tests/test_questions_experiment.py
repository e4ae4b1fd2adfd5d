"""What the experiment on kinds of questions ran is what its script runs."""

import json
from dataclasses import replace
from pathlib import Path

from experiments.questions.run import QUESTIONS
from explainfb.study.settings import command_line

RESULTS = Path(__file__).parents[1] / "experiments" / "questions" / "results.json"


def test_each_question_was_run_as_the_script_runs_it() -> None:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert set(found) == set(QUESTIONS)
    for question, runs in found.items():
        for seed, run in runs.items():
            assert run["command"] == command_line(replace(QUESTIONS[question], seed=int(seed)))
