"""What a study takes from another one, so that what both would make alike is made once."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from explainfb.core.files import write_whole
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.folder import same_data
from explainfb.study.settings import StudySettings, as_plain

START = ("task", "seed", "train_images", "shortcut", "image_size", "weights", "training")
"""The settings that decide the classifier before feedback."""
DECIDED_BY = {
    ("classifiers/round-0.budget.json", "classifiers/round-0.safetensors"): START,
    ("evaluations/before.safetensors",): (*START, "evaluation"),
    ("explanations/round-1.budget.json", "explanations/round-1.safetensors"): (
        *START,
        "lime",
        "comparisons_per_round",
        "queries",
    ),
}
"""Files that studies share which agree in these settings. A study that has the last file of a group does not make it
anew; they are written in this order, so that where the last one is, the others are."""


@dataclass(frozen=True)
class Loan:
    """Files that a study may take from others."""

    files: tuple[str, ...]
    lenders: tuple[Path, ...]
    """Folders of the studies that agree in the settings which decide the files."""

    def take(self, folder: Path) -> None:
        """Copy the files to `folder` from the first lender with the same data that has them all."""
        for lender in self.lenders:
            if same_data(lender, folder) and all((lender / file).is_file() for file in self.files):
                for file in self.files:
                    write_whole(folder / file, partial(shutil.copyfile, lender / file))
                return


def loans(studies: Mapping[Path, StudySettings]) -> dict[Path, tuple[Loan, ...]]:
    """For each study, in its folder, what it may take from the others."""
    found: dict[Path, tuple[Loan, ...]] = dict.fromkeys(studies, ())
    for files, names in DECIDED_BY.items():
        chosen = {folder: _chosen(settings, names) for folder, settings in studies.items()}
        for folder, here in chosen.items():
            lenders = tuple(other for other, there in chosen.items() if other != folder and there == here)
            found[folder] += (Loan(files, lenders),)
    return found


def borrow(folder: Path, allowed: Sequence[Loan]) -> None:
    """Take what there is for a study that has no classifier yet."""
    if not ArmFolder(folder).classifier_path(0).is_file():
        for loan in allowed:
            loan.take(folder)


def lenders(studies: Mapping[Path, StudySettings]) -> set[Path]:
    """The first study with each classifier before feedback, which the others wait for."""
    starts: list[dict[str, object]] = []
    first = set()
    for folder, settings in studies.items():
        start = _chosen(settings, START)
        if start not in starts:
            starts.append(start)
            first.add(folder)
    return first


def _chosen(settings: StudySettings, names: Sequence[str]) -> dict[str, object]:
    return {name: value for name, value in as_plain(settings).items() if name in names}
