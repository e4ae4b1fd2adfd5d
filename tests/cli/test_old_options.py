"""Options by the names that they had before are taken, and their new names are said."""

import pytest

from command_line import run
from explainfb.cli.commands import read
from explainfb.cli.old_options import with_new_names
from explainfb.cli.study import Run
from explainfb.cli.sweep import Sweep
from explainfb.core.renamed import RENAMED_SETTINGS
from explainfb.study.settings import as_plain, flatten

VALUES = {
    "comparisons": 20,
    "queries.choice": "random",
    "finetune.strength": 0.5,
    "finetune.exchanged": 0.5,
    "finetune.evidence": 0.5,
}
"""What is given to the renamed options; 16 to the others."""


def test_every_old_option_of_a_study_sets_what_it_set() -> None:
    given = {name: VALUES.get(name, 16) for name in RENAMED_SETTINGS}
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    understood, told = with_new_names(["run", *words])
    assert len(told) == len(given)
    command = read(understood)
    assert isinstance(command, Run)
    settings = flatten(as_plain(command.settings))
    assert {new: settings[new] for new in RENAMED_SETTINGS.values()} == {
        RENAMED_SETTINGS[name]: value for name, value in given.items()
    }


def test_a_sweep_takes_them_too_and_its_own() -> None:
    understood, told = with_new_names(["sweep", "--arms", "rrr", "--lime.masks=64", "--seeds", "2"])
    assert told == ["`--arms` is `--controls` now", "`--lime.masks` is `--lime.n-samples` now"]
    command = read(understood)
    assert isinstance(command, Sweep)
    assert (command.sweep.controls, command.settings.lime.n_samples, command.sweep.seeds) == (("rrr",), 64, 2)


def test_the_new_name_is_said_where_errors_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "--lime.masks", "2") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("`--lime.masks` is `--lime.n-samples` now\n")


@pytest.mark.parametrize(
    "words", [[], ["export", "--arms"], ["run", "--arms", "rrr"], ["run", "--task", "comparisons"]]
)
def test_nothing_else_is_changed(words: list[str]) -> None:
    assert with_new_names(words) == (words, [])
