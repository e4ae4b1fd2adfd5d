"""Files that cannot be used, told all at once: who mends one at a time would read the whole folder each time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from explainfb.core.errors import InputError

MOST_NAMED = 20
"""Files that one error names."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file."""

    path: Path
    found: str
    """Such as `is no picture`."""
    advice: str
    """What to do, which is said once for all files with the same one."""


class FileError(InputError):
    """One file cannot be used. Who reads many gathers what is wrong with each."""

    def __init__(self, path: Path, found: str, advice: str) -> None:
        self.problem = Problem(path, found, advice)
        super().__init__(_sentence([self.problem]))


def shown(path: Path | str) -> str:
    """The path as it can be printed anywhere: bytes that are no UTF-8 become escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def left_out_note(files: Sequence[Path]) -> list[str]:
    """What to say of files that are no pictures of a class."""
    if not files:
        return []
    named = ", ".join(shown(file) for file in files[:5]) + (", …" if len(files) > 5 else "")
    return [f"Left out, because it lies beside the class folders: {named}."]


def several_note(files: Sequence[Path], count: int) -> list[str]:
    """What to say where `files`, of so many pictures, hold several each."""
    if not files:
        return []
    hold = "holds" if len(files) == 1 else "hold"
    return [
        f"{len(files):,} of {count:,} pictures {hold} several frames or pages, such as {shown(files[0])}: the first "
        "one alone is read."
    ]


def refuse(problems: Iterable[Problem]) -> None:
    """Raise `InputError` naming every file that has a problem; nothing is raised where there is none."""
    ordered = sorted(problems, key=lambda problem: (problem.advice, problem.path))
    if ordered:
        groups = [list(same) for _, same in groupby(ordered, key=lambda problem: problem.advice)]
        raise InputError(" ".join(map(_sentence, groups)))


def _sentence(same: Sequence[Problem]) -> str:
    named = ", ".join(f"{shown(problem.path)} {problem.found}" for problem in same[:MOST_NAMED])
    more = f" and {len(same) - MOST_NAMED} files more" if len(same) > MOST_NAMED else ""
    count = f"{len(same)} files: " if len(same) > 1 else ""
    return f"{count}{named}{more}; {same[0].advice}."
