"""Commands, called as the shell calls them."""

from dataclasses import replace

import pytest

from explainfb.cli.commands import main
from explainfb.testing.tiny import TINY

HUMAN = replace(TINY, annotator="human")


def run(*arguments: str) -> int:
    """The exit status."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return int(stopped.value.code or 0)
