"""A command loads what it needs: PyTorch and what stands on it take seconds of processor time."""

import subprocess
import sys
from pathlib import Path

import pytest

from command_line import HUMAN
from explainfb.store import Store
from explainfb.study.study import Study
from store_backends import comparisons

CALL = """
import sys
from explainfb.cli.commands import main
try:
    main(sys.argv[1:])
except SystemExit:
    print("loaded:", *({"torch", "sqlalchemy", "pandas", "matplotlib"} & set(sys.modules)))
"""


def loaded(*words: str) -> set[str]:
    """Which of the libraries that take long are there once the command has ended."""
    ended = subprocess.run([sys.executable, "-c", CALL, *words], capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].removeprefix("loaded:").split())


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--version",
        "run --help",
        "run --help-all",
        "sweep --help",
        "report --help",
        "label --help",
        "run --no-such-option",
        "run --rounds 0",
        "report --study nowhere",
        "doctor",
    ],
)
def test_help_and_refusals_load_nothing_that_takes_long(words: str) -> None:
    assert loaded(*words.split()) == set()


def test_answers_and_people_are_looked_after_without_pytorch() -> None:
    Study.open("study", HUMAN)
    with Store(Path("study/study.db")) as store:
        store.add_comparisons(comparisons(3), seed=0)
    for words in ("annotators add Ann", "annotators list", "export --output answers.csv", "import answers.csv"):
        command, *rest = words.split()
        assert loaded(command, "--study", "study", *rest) & {"torch", "matplotlib"} == set()
    assert Path("answers.csv").is_file()
    assert loaded("label", "--study", "nowhere") & {"torch", "matplotlib"} == set()
