"""Studies that are done, as a sweep leaves them in its folder: one for each seed, with what their arms ended with."""

from dataclasses import dataclass
from pathlib import Path

from explainfb.bench import FEEDBACK, first_classifier
from explainfb.errors import InputError
from explainfb.evaluation import Evaluation, load_evaluation
from explainfb.settings import StudySettings, as_plain, flatten, read_settings
from explainfb.study import BEFORE, NO_SHORTCUT, last_classifier
from explainfb.study_folder import RESULTS, SETTINGS

CEILING = "ceiling"


@dataclass(frozen=True)
class FinishedStudy:
    """One seed."""

    folder: Path
    settings: StudySettings
    arms: dict[str, Path]
    """The file of the classifier that each arm ended with: `before`, the controls, `feedback`, `ceiling`."""

    def evaluation(self, arm: str) -> Evaluation:
        """What the study measured on this arm."""
        name = NO_SHORTCUT if arm == CEILING else arm
        return load_evaluation(self.folder / "evaluations" / f"{name}.safetensors")


def finished_studies(folder: Path) -> list[FinishedStudy]:
    """The finished studies in `folder`/seed-N, by seed.

    Raises `InputError` when there is none, when one is not finished, and when they differ in more than their seed.
    """
    places = sorted(folder.glob("seed-*"), key=lambda place: place.name.removeprefix("seed-").zfill(20))
    if not places:
        raise InputError(f"No studies in {folder}; run explainfb sweep --folder {folder} first.")
    studies = [_finished(place) for place in places]
    first = _shared(studies[0].settings)
    for study in studies[1:]:
        different = sorted(name for name, value in first.items() if _shared(study.settings).get(name) != value)
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
    beside = {str(name): folder / "controls" / name for name in settings.controls}
    controls = {name: last_classifier(place) for name, place in beside.items() if place.is_dir()}
    ceiling = {CEILING: controls.pop(NO_SHORTCUT)} if NO_SHORTCUT in controls else {}
    before, feedback = first_classifier(folder), last_classifier(folder)
    return FinishedStudy(folder, settings, {BEFORE: before, **controls, FEEDBACK: feedback, **ceiling})
