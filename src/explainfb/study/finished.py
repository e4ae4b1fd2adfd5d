"""Studies that are done, as a sweep leaves them in its folder: one for each seed, with what their arms ended with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explainfb.core.errors import InputError
from explainfb.evaluation.evaluator import Evaluation, load_evaluation
from explainfb.results.json_file import read_results
from explainfb.results.records import BEFORE, FEEDBACK, NO_SHORTCUT, StudyResults
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.folder import REPORT, RESULTS, SETTINGS, check_data, task_in
from explainfb.study.settings import StudySettings, as_plain, flatten
from explainfb.study.settings_file import check_same, read_settings
from explainfb.tasks.datasets import FOLDER


@dataclass(frozen=True)
class FinishedStudy:
    """One seed."""

    folder: Path
    settings: StudySettings
    arms: Mapping[str, Path]
    """The file of the classifier that each arm ended with: `before`, the controls, `feedback`, `no_shortcut`."""

    def evaluation(self, arm: str) -> Evaluation:
        """What the study measured on this arm."""
        return evaluation_of(self.folder, arm)


def finished_results(folder: Path, settings: StudySettings, *, data_dir: Path | None = None) -> StudyResults | None:
    """The results of the study in `folder`, if it has ended; None if something is left to do.

    Raises `InputError` where the study there is one of other settings, or of pictures that were changed since.
    """
    if not (folder / RESULTS).is_file() or not (folder / SETTINGS).is_file():
        return None
    check_same(settings, read_settings(folder / SETTINGS), folder)
    if settings.task.startswith(FOLDER):
        check_data(folder, task_in(folder, settings, data_dir))
    results = read_results(folder / RESULTS)
    made = [folder / REPORT, *(_evaluation(folder, arm) for arm in results.arms)]
    return results if all(path.is_file() for path in made) else None


def evaluations_of(studies: Mapping[Path, StudyResults]) -> dict[str, list[Evaluation]]:
    """What was measured in the studies of these folders and results, arm by arm, one evaluation a study.

    Raises `InputError` naming the file where a study lacks an arm that one of them has.
    """
    arms = sorted({arm for results in studies.values() for arm in results.arms})
    return {arm: [evaluation_of(folder, arm) for folder in studies] for arm in arms}


def evaluation_of(folder: Path, arm: str) -> Evaluation:
    """What the study in `folder` measured on this arm. Raises `InputError` where that is not there."""
    return load_evaluation(_evaluation(folder, arm))


def _evaluation(folder: Path, arm: str) -> Path:
    return folder / "evaluations" / f"{arm}.safetensors"


def finished_studies(folder: Path) -> list[FinishedStudy]:
    """The finished studies in `folder`/seed-N, by seed.

    Raises `InputError` when there is none, when one is not finished, and when they differ in more than their seed.
    """
    # by number, not by name: seed-9 before seed-10
    places = sorted(folder.glob("seed-*"), key=lambda place: place.name.removeprefix("seed-").zfill(20))
    if not places:
        raise InputError(f"No studies in {folder}; run explainfb sweep --folder {folder} first.")
    studies = [_finished(place) for place in places]
    first = _shared(studies[0].settings)
    for study in studies[1:]:
        here = _shared(study.settings)
        different = sorted(name for name in here.keys() | first.keys() if here.get(name) != first.get(name))
        if different:
            raise InputError(
                f"{study.folder} differs from {studies[0].folder} in {', '.join(different)}; keep studies of other "
                "settings in another folder."
            )
    return studies


def _shared(settings: StudySettings) -> dict[str, object]:
    """What studies of one folder have in common."""
    return {name: value for name, value in flatten(as_plain(settings)).items() if name != "seed"}


def _finished(folder: Path) -> FinishedStudy:
    if not (folder / RESULTS).is_file():
        raise InputError(f"The study in {folder} is not finished; run the same command that began it again.")
    settings = read_settings(folder / SETTINGS)
    arms = {BEFORE: ArmFolder(folder).classifier_path(0)}
    arms |= {
        name: ArmFolder(place).last_classifier_path
        for name in settings.controls
        if (place := _arm(folder, name)).is_dir()
    }
    arms[FEEDBACK] = ArmFolder(folder).last_classifier_path
    if NO_SHORTCUT in arms:  # last, as in the tables
        arms[NO_SHORTCUT] = arms.pop(NO_SHORTCUT)
    return FinishedStudy(folder, settings, arms)


def _arm(folder: Path, name: str) -> Path:
    return folder / "controls" / name
