"""The command that runs a study over several seeds."""

from dataclasses import dataclass, field, fields

from rich.console import Console
from tyro.conf import Suppress

from explainfb.classifiers.settings import TrainingSettings
from explainfb.cli.help_pages import Flat, UsualOptions
from explainfb.cli.printing import say
from explainfb.core.devices import use_one_thread
from explainfb.study.settings import Control, StudySettings
from explainfb.study.starting.presets import Preset
from explainfb.sweeps.settings import SweepSettings


@dataclass(frozen=True, kw_only=True)
class SweptSettings(StudySettings):
    """What every study of a sweep has in common: its seeds and controls are the sweep's."""

    # not offered: a sweep has its own
    seed: Suppress[int] = 0
    controls: Suppress[tuple[Control, ...]] = StudySettings().controls

    @property
    def plain(self) -> StudySettings:
        """The same settings as a study keeps them."""
        return StudySettings(**{item.name: getattr(self, item.name) for item in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Several seeds of a study, each compared with its controls; stop it and run it again to go on."""

    sweep: Flat[SweepSettings] = field(default_factory=SweepSettings)
    """Which seeds are run, and where."""
    preset: Preset | None = None
    """Settings for photographs, or for shortcuts that move; options beside it count more."""
    settings: Flat[SweptSettings] = field(default_factory=SweptSettings)
    """What each study does."""

    def __call__(self, console: Console) -> int:
        from explainfb.sweeps.runner import sweep
        from explainfb.sweeps.terminal import print_sweep

        use_one_thread()
        print_sweep(console, sweep(self.sweep, self.settings.plain, console))
        say(console, f"Written to {self.sweep.path}")
        return 0


USUAL_OPTIONS: UsualOptions = {
    Sweep: ("preset", "sweep", "settings"),
    SweepSettings: ("folder", "seeds", "first_seed", "controls", "jobs", "backend", "data_dir", "device"),
    SweptSettings: (
        "task",
        "rounds",
        "comparisons_per_round",
        "train_images",
        "image_size",
        "weights",
        "training",
    ),
    TrainingSettings: ("classifier",),
}
"""What `sweep --help` shows."""
