"""Files that several studies would make alike: one study makes them, and the others copy them."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.core.manifest import check_contents
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.folder import SETTINGS, same_data
from explainfb.study.settings import StudySettings, as_plain
from explainfb.study.settings_file import read_settings

START = ("task", "seed", "train_images", "shortcut", "shortcut_rate", "image_size", "weights", "training")
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
"""Groups of files, and the settings that decide them: studies that agree in these share the files. The last file of a
group says that all are there, and so is written last."""


@dataclass(frozen=True)
class SharedFiles:
    """Files that a study may copy from others."""

    files: tuple[str, ...]
    decided_by: Mapping[str, object]
    """The settings that decide the files, as the study wants them."""
    sources: tuple[Path, ...]
    """Folders of the studies that are to agree in these settings."""

    def copy_to(self, folder: Path) -> None:
        """Copy the files to `folder` from the first source with the same data that has them all."""
        for source in self.sources:
            # a folder may hold another study than the one that is wanted there, and settings name data whose content
            # may have changed in between
            there = all((source / file).is_file() for file in self.files)
            if there and self._agrees(source) and same_data(source, folder):
                for file in self.files:
                    check_contents(source / file)  # or a damaged file would be known here as whole
                    write_whole(folder / file, partial(shutil.copyfile, source / file))
                return

    def _agrees(self, source: Path) -> bool:
        """Whether the study that lies in `source` was begun with the settings that decide the files."""
        try:
            return _chosen(read_settings(source / SETTINGS), tuple(self.decided_by)) == self.decided_by
        except InputError:
            return False


def shared_files(studies: Mapping[Path, StudySettings]) -> dict[Path, tuple[SharedFiles, ...]]:
    """For each study, in its folder, what it may copy from the others."""
    found: dict[Path, tuple[SharedFiles, ...]] = dict.fromkeys(studies, ())
    for files, names in DECIDED_BY.items():
        chosen = {folder: _chosen(settings, names) for folder, settings in studies.items()}
        for folder, here in chosen.items():
            sources = tuple(other for other, there in chosen.items() if other != folder and there == here)
            found[folder] += (SharedFiles(files, here, sources),)
    return found


def copy_shared_files(folder: Path, shared: Sequence[SharedFiles]) -> None:
    """Copy what there is for a study that has no classifier yet."""
    # one that has its classifier was begun before, and may hold later files that were made with it
    if not ArmFolder(folder).classifier_path(0).is_file():
        for group in shared:
            group.copy_to(folder)


def first_with_each_start(studies: Mapping[Path, StudySettings]) -> set[Path]:
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
