"""A study as the annotators' app opens it: one of explanations, or, in `served_clips`, of clips."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from explainfb.core.errors import InputError
from explainfb.core.names import printable
from explainfb.core.types import Comparison
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.plots import row_scale
from explainfb.explanations.storage import explanations_path, load_explanations
from explainfb.labelling.practice import Practice, make_practice, read_practice
from explainfb.labelling.server import cookie_of
from explainfb.labelling.session import AnnotationSession
from explainfb.labelling.stimuli import Stimuli, Stimulus, scales
from explainfb.labelling.wording import Wording
from explainfb.labelling.wording_files import check_texts, wording_of
from explainfb.preferences.settings import CareSettings
from explainfb.results.records import RoundResult
from explainfb.store import Annotator, Store
from explainfb.study.folder import SETTINGS, check_begun
from explainfb.study.reward_rounds import ArmAnswers
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import read_settings
from explainfb.study.study import Study


class AskedSettings(Protocol):
    """What the app goes by, of a study of whatever kind."""

    @property
    def question(self) -> str:
        """`rate`, or one of `Asked`."""

    @property
    def rounds(self) -> int:
        """With the last of which the study is over."""

    @property
    def overlap(self) -> int:
        """How many people answer each comparison."""

    @property
    def lease_minutes(self) -> float:
        """For how long one is kept for somebody."""

    @property
    def seed(self) -> int:
        """Of the study."""

    @property
    def care(self) -> CareSettings:
        """When answers are flagged."""


class Shown(Protocol):
    """One of the things that are compared."""

    def describe(self, words: Wording) -> str:
        """In words, for those who cannot see it."""

    @property
    def quality(self) -> str:
        """A line for researchers on how far it is to be trusted; empty where nothing is known."""


@dataclass(frozen=True, kw_only=True)
class Served(ABC):
    """A study that people answer for, its database and its words."""

    folder: Path
    store: Store
    words: Wording
    practice: Practice | None
    """None where people begin at once."""

    @property
    @abstractmethod
    def settings(self) -> AskedSettings:
        """Of the study."""

    @abstractmethod
    def describe(self) -> str:
        """The study in a line, for researchers."""

    @abstractmethod
    def shown(self, asked: Comparison) -> tuple[Shown, ...]:
        """What is compared, in the order in which it is shown. Raises `InputError` where the folder lacks it."""

    @abstractmethod
    def small_pictures(self, shown: Sequence[Shown]) -> list[str]:
        """A data URI of each, which does not move, for where it is only to be known again."""

    @abstractmethod
    def reward_accuracies(self) -> tuple[RoundResult, ...]:
        """How well the reward of each round that is over predicts held-out answers."""

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

    def text(self, name: str) -> str | None:
        """What the researchers put in the study's folder as `name`, such as consent.md; None without it."""
        path = self.folder / name
        # looked at when the app started; what is written there since must not keep a page from being drawn
        return printable(path.read_text(encoding="utf-8-sig", errors="replace")) if path.is_file() else None


@dataclass(frozen=True, kw_only=True)
class ServedStudy(Served):
    """A study of explanations, and its pictures."""

    study: Study
    stimuli: Stimuli
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
        return cls(
            folder=study.folder,
            study=study,
            store=Store(study.database),
            stimuli=stimuli,
            words=words,
            practice=practice,
        )

    @property
    def settings(self) -> StudySettings:
        return self.study.settings

    def describe(self) -> str:
        return self.study.describe()

    def shown(self, asked: Comparison) -> tuple[Stimulus, ...]:
        return tuple(self.stimuli.stimulus(key, asked.round) for key in asked.shown)

    def small_pictures(self, shown: Sequence[Shown]) -> list[str]:
        found = [each for each in shown if isinstance(each, Stimulus)]
        full = [row_scale(each.explanation) for each in found]
        if len(found) == 2:
            full = [*scales(found[0], found[1], self.settings)]
        return [each.picture("overlay", scale=scale) for each, scale in zip(found, full, strict=True)]

    def reward_accuracies(self) -> tuple[RoundResult, ...]:
        context = self.study.context
        return ArmAnswers(context, context.feedback_folder, self.store).rounds()


def _first_explanations(folder: Path) -> list[Explanation]:
    """Those of the first round, in the order of their images; none before it has explained."""
    path = explanations_path(folder, 1)
    try:
        found = load_explanations(path) if path.is_file() else {}
    except InputError:  # a file that is damaged is told where its questions are asked
        return []
    return [found[key] for key in sorted(found)]
