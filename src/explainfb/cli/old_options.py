"""Options by their earlier names: they still work, and their new names are printed."""

from collections.abc import Sequence

from explainfb.core.renamed import RENAMED_SETTINGS

SETTINGS = {f"--{old.replace('_', '-')}": f"--{new.replace('_', '-')}" for old, new in RENAMED_SETTINGS.items()}
RENAMED_OPTIONS = {"run": SETTINGS, "sweep": SETTINGS | {"--arms": "--controls"}}
"""Old option → new option, by command."""


def with_new_names(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line with options by their new names, and a sentence for each that was renamed."""
    renamed = RENAMED_OPTIONS.get(words[0], {}) if words else {}
    understood, sentences = [], []
    for word in words:
        option, equals, value = word.partition("=")
        now = renamed.get(option.replace("_", "-"))
        if now is not None:
            sentences.append(f"`{option}` is `{now}` now")
        understood.append(word if now is None else f"{now}{equals}{value}")
    return understood, sentences
