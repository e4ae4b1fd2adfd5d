"""Recomputing what a file of results says, and how far the two agree.

    recorded = read_recorded(Path("studies/first/results.json"))
    found = begun_again(settings, ("feedback",), Path("again")).run()
    agreement(recorded, found, ("feedback",)).verdict

On the same kind of machine with the same versions the numbers are equal to the last bit. Elsewhere rounding differs,
and a round of feedback makes much of little: then they agree if each recorded number lies in the 95 % interval of the
one that was recomputed, which is over test images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from explainfb.archive.recorded import Recorded, numbers_of
from explainfb.core.environment import BETWEEN
from explainfb.core.errors import InputError
from explainfb.core.types import Interval
from explainfb.results.measures import Measure, measure_of
from explainfb.results.records import BEFORE, FEEDBACK, StudyResults
from explainfb.study.settings import StudySettings, as_plain, flatten
from explainfb.study.settings_file import settings_of
from explainfb.study.study import Study

Verdict = Literal["equal", "agrees", "differs"]


@dataclass(frozen=True)
class Compared:
    """One number, as it was recorded and as it was recomputed."""

    arm: str
    measure: Measure
    recorded: float
    found: Interval

    @property
    def difference(self) -> float:
        """What was recomputed less what was recorded."""
        return self.found.estimate - self.recorded

    @property
    def agrees(self) -> bool:
        """Whether the recorded number lies in the 95 % interval of the recomputed one."""
        return self.found.low <= self.recorded <= self.found.high


@dataclass(frozen=True)
class Agreement:
    """How far what was recomputed is what was recorded."""

    compared: tuple[Compared, ...]
    environment: Mapping[str, tuple[str, str]]
    """What was another then: (then, now), by name."""

    @property
    def verdict(self) -> Verdict:
        """`equal` to the last bit, `agrees` within intervals, or `differs` in some number."""
        if all(not each.difference for each in self.compared):
            return "equal"
        return "agrees" if all(each.agrees for each in self.compared) else "differs"

    @property
    def largest(self) -> Compared:
        """The number that differs most."""
        return max(self.compared, key=lambda each: abs(each.difference))


def settings_to_run(recorded: Recorded, by_command: StudySettings) -> tuple[StudySettings, list[str]]:
    """The settings of the recorded study, and in sentences, where its command means something else today.

    Raises `InputError` for a study in which people answered: nobody can ask them again.
    """
    told = []
    settings = replace(by_command, seed=recorded.seed)
    if recorded.settings:
        of_then = {name: value for name, value in recorded.settings.items() if name not in ("seed", "controls")}
        settings = settings_of({**flatten(as_plain(settings)), **of_then})
        meant = flatten(as_plain(by_command))
        for name, now in flatten(as_plain(settings)).items():
            if name not in ("seed", "controls") and now != meant.get(name):
                told.append(f"The command leaves {name} at {meant.get(name)!r} today; it was {now!r}, which is taken.")
    if settings.annotator == "human":
        raise InputError(
            "People answered in this study, and cannot be asked again; explainfb check says whether it is as it was."
        )
    return settings, told


def begun_again(
    settings: StudySettings,
    arms: Sequence[str],
    folder: Path,
    *,
    data_dir: Path | None = None,
    device: torch.device | str = "cpu",
) -> Study:
    """A study of these settings with no more arms than are asked for, to be run; raises as `Study.open` does."""
    controls = tuple(name for name in arms if name not in (BEFORE, FEEDBACK))
    return Study.open(folder, replace(settings, controls=controls), data_dir=data_dir, device=device)


def agreement(recorded: Recorded, found: StudyResults, arms: Sequence[str]) -> Agreement:
    """Compare every number that both have of these arms. Raises `InputError` where they have none in common."""
    compared = [
        Compared(arm, measure_of(key), value, interval)
        for arm in arms
        for key, value in recorded.arms[arm].items()
        if key in numbers_of(found.arms[arm]) and (interval := found.arms[arm].measured(measure_of(key))) is not None
    ]
    if not compared:
        raise InputError("What was recorded and what was recomputed have no number in common.")
    now = found.environment
    other = {
        name: (then, now[name])
        for name, then in recorded.environment.items()
        if name in now and now[name] not in then.split(BETWEEN)
    }
    return Agreement(tuple(compared), other)
