"""groups.csv: what else each picture of a folder is, such as its background, for the accuracy on the worst group.

    picture,group
    waterbird/1.jpg,land
    waterbird/2.jpg,water

A group of pictures is then those of one class and one word, as in Waterbirds (Sagawa et al. 2020).
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.names import check_name
from explainfb.tasks.problems import Problem, refuse

GROUPS = "groups.csv"
COLUMNS = ["picture", "group"]


def read_groups(root: Path, pictures: Sequence[Path]) -> Mapping[Path, int] | None:
    """The number of each picture's group, in alphabetical order; None where `root` has no groups.csv.

    Paths in the file are from `root` on. Raises `InputError` naming every picture without a group, every line about a
    picture that is not there, and lines that say two things of one picture.
    """
    path = root / GROUPS
    if not path.is_file():
        return None
    said: dict[Path, str] = {}
    problems = []
    for line, picture, group in _lines(path):
        if said.setdefault(picture, group) != group:
            problems.append(Problem(path, f"says two groups of {picture} (line {line})", "keep one line a picture"))
    known = {picture.relative_to(root) for picture in pictures}
    problems += [
        Problem(path, f"is about {picture}", "there are no such pictures in the folder: mend these paths")
        for picture in said.keys() - known
    ]
    problems += [
        Problem(picture, f"has no line in {GROUPS}", "give each picture a group, or none")
        for picture in known - said.keys()
    ]
    refuse(problems)
    names = sorted(set(said.values()))
    return {root / picture: names.index(group) for picture, group in said.items()}


def in_order(groups: Mapping[Path, int] | None, pictures: Sequence[Path]) -> Tensor | None:
    """(N,) int64: the groups of these pictures; None where nobody says."""
    return None if groups is None else torch.tensor([groups[picture] for picture in pictures], dtype=torch.int64)


def _lines(path: Path) -> Iterator[tuple[int, Path, str]]:
    """Of each line below the first its number, picture and group."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            if (header := next(rows, [])) != COLUMNS:
                raise InputError(
                    f"The first line of {path} must be {','.join(COLUMNS)}; found {','.join(header)!r:.80}."
                )
            for row in rows:
                if len(row) != len(COLUMNS) or not all(word.strip() for word in row):
                    raise InputError(
                        f"Line {rows.line_num} of {path} must name a picture and its group; found {row!r:.80}."
                    )
                check_name(row[1], "A group")
                yield rows.line_num, Path(row[0].strip()), row[1].strip()
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no table in UTF-8 ({error}); save it as CSV with commas.") from error
