"""A study as the annotators' app opens it."""

from dataclasses import dataclass
from pathlib import Path

from explainfb.errors import InputError
from explainfb.exhibits import Exhibits
from explainfb.labelling import Desk
from explainfb.settings import StudySettings, read_settings
from explainfb.store import Annotator, Store
from explainfb.study import Study
from explainfb.study_folder import IDENTITY, SETTINGS


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """The study that people answer for, its database and its pictures."""

    study: Study
    store: Store
    exhibits: Exhibits

    @classmethod
    def open(cls, folder: Path, *, database: str | None = None, data_dir: Path | None = None) -> "Workplace":
        """Raises `InputError` for a folder without a study that was begun, or with another database or data."""
        settings = read_settings(folder / SETTINGS)
        if not (folder / IDENTITY).is_file():
            raise InputError(f"The study in {folder} was never run; start it with explainfb run --study {folder}.")
        study = Study.open(folder, settings, data_dir=data_dir, database=database)
        return cls(study=study, store=Store(study.database), exhibits=Exhibits(folder, study.task))

    @property
    def settings(self) -> StudySettings:
        return self.study.settings

    def desk(self, annotator: Annotator) -> Desk:
        """Where `annotator` is asked."""
        return Desk(
            store=self.store,
            annotator=annotator,
            overlap=self.settings.overlap,
            lease_seconds=60 * self.settings.lease_minutes,
        )

    @property
    def is_over(self) -> bool:
        """Whether the last round is closed, so that nothing will be asked any more."""
        return self.store.rounds().get(self.settings.rounds) is False

    def text(self, name: str) -> str | None:
        """What the researchers put in the study's folder as `name`, such as consent.md; None without it."""
        path = self.study.folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
