"""What a command leaves open of a study that it names is what that was begun with, whatever is usual today."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from explainfb.study.folder import SETTINGS, is_bare
from explainfb.study.settings import StudySettings, command_line
from explainfb.study.settings_file import read_settings

FOLDER_OPTIONS = {"run": "--study", "sweep": "--folder"}
HELP = {"-h", "--help", "--help-all"}


def with_own_settings(words: Sequence[str]) -> list[str]:
    """The words of a command line, with the settings of the study or sweep that it names before the others.

    What is typed comes later, and so it counts: where it is not what the study was begun with, that is told when the
    two are compared. A study that has made nothing yet may still be begun with other settings, and has none of its own.
    Raises `InputError` as `read_settings` does.

    >>> from explainfb.study.starting.begun import with_own_settings
    >>> with_own_settings(["run", "--rounds", "2"])
    ['run', '--rounds', '2']
    """
    option = FOLDER_OPTIONS.get(words[0]) if words else None
    named = [
        value if word == option else word.partition("=")[2]
        for word, value in pairwise([*words, ""])
        if option is not None and word.partition("=")[0] == option
    ]
    if option is None or not named or HELP & set(words):
        return list(words)
    settings = _begun_with(words[0], Path(named[-1]))
    if settings is None:
        return list(words)
    arms: list[str] = []
    if words[0] == "sweep":  # whose seeds and arms are not its studies' settings
        arms = ["--controls", *settings.controls]
        settings = replace(settings, seed=StudySettings().seed, controls=StudySettings().controls)
    return [words[0], *shlex.split(command_line(settings))[2:], *arms, *words[1:]]


def _begun_with(command: str, folder: Path) -> StudySettings | None:
    """The settings of the study in `folder`, or of the first one of a sweep there that has made something."""
    studies = [folder] if command == "run" else sorted(path.parent for path in folder.glob(f"seed-*/{SETTINGS}"))
    found = next((each for each in studies if (each / SETTINGS).is_file() and not is_bare(each)), None)
    return None if found is None else read_settings(found / SETTINGS)
