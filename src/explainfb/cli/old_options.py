"""Options by names that they had before: they are taken, and their new names told."""

from collections.abc import Sequence

from explainfb.core.renamed import RENAMED_SETTINGS

SETTINGS = {f"--{old.replace('_', '-')}": f"--{new.replace('_', '-')}" for old, new in RENAMED_SETTINGS.items()}
RENAMED_OPTIONS = {"run": SETTINGS, "sweep": SETTINGS | {"--arms": "--controls"}}
"""Old option → new option, by command."""


def with_new_names(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line with options by their new names, and a sentence for each that was renamed."""
    renamed = RENAMED_OPTIONS.get(words[0], {}) if words else {}
    understood, told = [], []
    for word in words:
        option, equals, value = word.partition("=")
        now = renamed.get(option.replace("_", "-"))
        if now is not None:
            told.append(f"`{option}` is `{now}` now")
        understood.append(word if now is None else f"{now}{equals}{value}")
    return understood, told
