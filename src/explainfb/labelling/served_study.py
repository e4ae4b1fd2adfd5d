"""A study as the annotators' app opens it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from explainfb.core.errors import InputError
from explainfb.core.names import printable
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import explanations_path, load_explanations
from explainfb.labelling.practice import Practice, make_practice, read_practice
from explainfb.labelling.server import cookie_of
from explainfb.labelling.session import AnnotationSession
from explainfb.labelling.stimuli import Stimuli
from explainfb.labelling.wording import Wording
from explainfb.labelling.wording_files import check_texts, wording_of
from explainfb.results.records import RoundResult
from explainfb.store import Annotator, Store
from explainfb.study.folder import SETTINGS, check_begun
from explainfb.study.reward_rounds import ArmAnswers
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import read_settings
from explainfb.study.study import Study


@dataclass(frozen=True, kw_only=True)
class ServedStudy:
    """The study that people answer for, its database and its pictures."""

    study: Study
    store: Store
    stimuli: Stimuli
    words: Wording
    practice: Practice

    @classmethod
    def open(cls, folder: Path, *, database: str | None = None, data_dir: Path | None = None) -> "ServedStudy":
        """Raises `InputError` for a folder without a study that was begun, with another database or data, or with a
        wording.toml, practice.toml, consent.md or instructions.md that cannot be used.
        """
        settings = read_settings(folder / SETTINGS)
        check_begun(folder)
        check_texts(folder)
        study = Study.open(folder, settings, data_dir=data_dir, database=database)
        words, stimuli = wording_of(folder, settings), Stimuli(folder, study.task)
        usual = make_practice(study.task, settings, words, _first_explanations(folder))
        practice = read_practice(folder, usual, stimuli.stimulus, pairs=settings.question == "compare")
        return cls(study=study, store=Store(study.database), stimuli=stimuli, words=words, practice=practice)

    @property
    def settings(self) -> StudySettings:
        return self.study.settings

    @cached_property
    def cookie(self) -> str:
        """In which cookie browsers keep the token of a personal link."""
        return cookie_of(self.store)

    def session(self, annotator: Annotator) -> AnnotationSession:
        """Where `annotator` is asked."""
        return AnnotationSession(
            store=self.store,
            annotator=annotator,
            overlap=self.settings.overlap,
            lease_seconds=60 * self.settings.lease_minutes,
        )

    @property
    def is_over(self) -> bool:
        """Whether the last round is closed, so that nothing will be asked any more."""
        return self.store.rounds().get(self.settings.rounds) is False

    def reward_accuracies(self) -> tuple[RoundResult, ...]:
        """How well the reward of each round that is over predicts held-out answers."""
        context = self.study.context
        return ArmAnswers(context, context.feedback_folder, self.store).rounds()

    def text(self, name: str) -> str | None:
        """What the researchers put in the study's folder as `name`, such as consent.md; None without it."""
        path = self.study.folder / name
        # looked at when the app started; what is written there since must not keep a page from being drawn
        return printable(path.read_text(encoding="utf-8-sig", errors="replace")) if path.is_file() else None


def _first_explanations(folder: Path) -> list[Explanation]:
    """Those of the first round, in the order of their images; none before it has explained."""
    path = explanations_path(folder, 1)
    try:
        found = load_explanations(path) if path.is_file() else {}
    except InputError:  # a file that is damaged is told where its questions are asked
        return []
    return [found[key] for key in sorted(found)]
