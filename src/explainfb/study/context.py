"""What everything that works on a study has in common: its folder, settings, task, device, and how it is watched."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from explainfb.core.progress import Progress
from explainfb.questions import Question, question_of
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class StudyContext:
    """What the arms of a study share."""

    folder: Path
    """Of the study."""
    settings: StudySettings
    task: Task
    device: torch.device
    progress: Progress = field(default_factory=Progress)
    seconds: dict[str, float] = field(default_factory=dict)
    """Filled with the wall-clock time of each stage; they go to provenance.json."""

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall-clock time of what is done inside to that of `stage`."""
        start = time.monotonic()
        try:
            yield
        finally:  # a stage that was stopped has taken its time as well
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - start

    @property
    def feedback_folder(self) -> ArmFolder:
        """Feedback's rounds lie in the study's own folder."""
        return ArmFolder(self.folder, self.device)

    @property
    def question(self) -> Question:
        """What is asked, as the settings have it."""
        return question_of(self.settings.asked, self.settings.queries.ranked)

    def control_folder(self, name: str) -> ArmFolder:
        """The folder of every other arm."""
        return ArmFolder(self.folder / "controls" / name, self.device)
