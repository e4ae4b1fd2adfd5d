"""`--preset photographs`: the settings of photographs, which what is typed beside it changes."""

from dataclasses import replace

import pytest

from experiments.moving_shortcut.run import TOLD_APART
from explainfb.cli.commands import read
from explainfb.cli.study import Run
from explainfb.cli.sweep import Sweep
from explainfb.study.settings import StudySettings, command_line
from explainfb.study.starting.presets import PHOTOGRAPHS, SUPERPIXELS, hint, with_preset


@pytest.mark.parametrize("given", [["--preset", "photographs"], ["--preset=photographs"]])
@pytest.mark.parametrize("first", [True, False])
def test_what_is_typed_counts_more_than_the_preset(given: list[str], first: bool) -> None:
    own = ["--task", "folder:pets", "--rounds", "7", "--controls", "rrr", "--evaluation.linf", "0.5"]
    command = read(with_preset(["run", *(given + own if first else own + given)]))
    assert isinstance(command, Run)
    evaluation = replace(PHOTOGRAPHS.evaluation, linf=(0.5,))
    expected = replace(PHOTOGRAPHS, task="folder:pets", rounds=7, controls=("rrr",), evaluation=evaluation)
    assert command.settings == expected
    # what is recorded of the study is typed without the preset
    again = read(command_line(command.settings).split()[1:])
    assert isinstance(again, Run)
    assert again.settings == expected


def test_a_sweep_has_it_too() -> None:
    command = read(with_preset(["sweep", "--preset", "photographs", "--task", "folder:pets"]))
    assert isinstance(command, Sweep)
    assert command.settings.plain.evaluation == PHOTOGRAPHS.evaluation
    assert command.sweep.controls == PHOTOGRAPHS.controls


def test_shortcuts_that_move_have_settings_of_their_own() -> None:
    command = read(with_preset(["run", "--task", "mnist-ring", "--preset", "superpixels"]))
    assert isinstance(command, Run)
    assert command.settings == replace(SUPERPIXELS, task="mnist-ring")
    # the ones that the experiment was run with
    assert (command.settings.queries, command.settings.reward) == (TOLD_APART.queries, TOLD_APART.reward)


def test_other_words_stay_as_they_are() -> None:
    for words in (["run", "--preset", "photos"], ["doctor", "--preset", "photographs"], [], ["run"]):
        assert with_preset(words) == words
    with pytest.raises(SystemExit):
        read(["run", "--preset", "photos"])


def test_photographs_under_the_attacks_of_digits_are_told_of() -> None:
    assert "--preset photographs" in str(hint(StudySettings(), (3, 128, 128)))
    assert hint(PHOTOGRAPHS, (3, 128, 128)) is None
    assert hint(StudySettings(), (1, 128, 128)) is None
    assert hint(StudySettings(), (3, 32, 32)) is None
