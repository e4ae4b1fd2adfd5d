"""All that decides a study's results, in one record, and how it is kept in study.toml."""

import dataclasses
import shlex
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tomli_w

from explainfb.classifiers.settings import TrainingSettings
from explainfb.core.choices import check_choices
from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.core.renamed import RENAMED_SETTINGS
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.preferences.settings import CareSettings, QuerySettings, RandomUtilitySettings
from explainfb.rewards.settings import RewardSettings
from explainfb.tasks.settings import Kind

if TYPE_CHECKING:
    from explainfb.tasks.task import Task

KnownControl = Literal[
    "cross_entropy",
    "random_exchange",
    "random_answers",
    "wrong_masks",
    "oracle_reward",
    "rrr",
    "input_gradient",
    "adversarial_training",
    "no_shortcut",
]
FORMAT = 2
"""Of study.toml. Format 1, without a number, has the old names of `core.renamed`."""
Setting = bool | int | float | str | list[float] | list[str]
Plain = dict[str, "Setting | Plain"]
"""Settings as a file holds them, those of a record in a dictionary of their own."""
Control = KnownControl | str
"""An arm that feedback is compared with: one that comes with explainfb, or one that was put into `explainfb.ARMS`."""


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """What a study does. With the data, these settings decide its results on the CPU to the last bit.

    >>> from explainfb import LimeSettings, StudySettings
    >>> StudySettings(rounds=2, lime=LimeSettings(n_samples=64), controls=("random_exchange",)).comparisons_per_round
    250
    """

    task: str = "digits-decoy"
    """A task by name, or folder:PATH for your own pictures."""
    annotator: Literal["simulated", "human"] = "simulated"
    """Who answers: a simulated annotator who knows the masks, or people in a browser."""
    question: Literal["compare", "rate"] = "compare"
    """What people are asked: which of two explanations is better, or how good each is from 1 to 5."""
    overlap: int = 1
    """How many different people, or members of a --crowd, answer each comparison, at least 1."""
    gold: float = 0.1
    """With people, this share of comparisons, in [0, 1), is added whose answer is known, to see who answers with care;
    none where the task has no relevance masks. The reward is not fitted to them."""
    colours: Literal["reward", "shared", "own"] = "reward"
    """How the colours of two explanations are scaled for people: both in units of probability (`shared`), each by its
    own strongest weight (`own`), or as the reward is given them (`reward`)."""
    lease_minutes: float = 10
    """For how many minutes a comparison is kept for the person who is being asked it, more than 0."""
    rounds: int = 4
    """How often explanations are compared, the reward learned and the classifier fine-tuned, at least 1."""
    comparisons_per_round: int = 250
    """How many comparisons are asked in each round, at least 8."""
    seed: int = 0
    """What every random draw comes from, at least 0; equal seeds give equal results."""
    train_images: int = 10_000
    """How many training images are used at most."""
    shortcut: Kind = "position"
    """What a -decoy task plants: a white patch whose place tells the class, or a patch whose grey level does."""
    image_size: int = 64
    """To how many pixels a side the pictures of folder:PATH are brought."""
    error_rate: float = 0.1
    """The share of the simulated annotator's answers, in [0, 1], that are turned round; those that call both alike are
    not."""
    judgement: Literal["fixed_error", "random_utility"] = "fixed_error"
    """How a simulated annotator judges: at `fixed_error` as wrong whatever is compared, at `random_utility` as people
    do, surely where two explanations are far apart (`random_utility.*`), with time taken for each answer."""
    crowd: tuple[float, ...] = ()
    """Error rates, each in [0, 1], of several simulated annotators, who share the comparisons, in place of one with
    error_rate; those of the arm wrong_masks err as often."""
    controls: tuple[Control, ...] = ("cross_entropy", "random_exchange", "random_answers", "no_shortcut")
    """What feedback is compared with; nothing after --controls switches them off."""
    weights: str | None = None
    """For a torchvision classifier: `default` for its published weights, or a file of them, all layers trained on from
    there, for which learning rates of 1e-4 suit better; trained anew without."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """How the classifier is trained before any feedback."""
    lime: LimeSettings = field(default_factory=lambda: LimeSettings(n_samples=720, control_variate=True))
    """How the explanations that are compared are made."""
    random_utility: RandomUtilitySettings = field(default_factory=RandomUtilitySettings)
    """What a simulated annotator with judgement random_utility is like."""
    queries: QuerySettings = field(default_factory=QuerySettings)
    """Which comparisons are asked."""
    care: CareSettings = field(default_factory=CareSettings)
    """When people's answers are flagged, and what follows."""
    reward: RewardSettings = field(default_factory=RewardSettings)
    """How the reward is learned from the answers."""
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    """How the classifier follows the reward."""
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    """What is measured on every arm."""
    baselines: BaselineSettings = field(default_factory=BaselineSettings)
    """How strongly each control does what it does."""

    def __post_init__(self) -> None:
        check_choices(self)
        if self.rounds < 1:
            raise InputError(f"A study needs at least 1 round; found {self.rounds}.")
        if self.seed < 0:
            raise InputError(f"A seed is at least 0; found {self.seed}.")
        if not 0 <= self.error_rate <= 1:
            raise InputError(f"--error-rate is a share in [0, 1]; found {self.error_rate}.")
        if not all(0 <= rate <= 1 for rate in self.crowd):
            raise InputError(f"--crowd holds shares in [0, 1]; found {', '.join(map(str, self.crowd))}.")
        if self.crowd and self.annotator == "human":
            raise InputError("--crowd is of simulated annotators and --annotator human asks people; leave one out.")
        if self.reward.learned_from == "utilities" and (self.annotator == "human" or self.crowd):
            raise InputError(
                "reward.learned_from utilities needs one simulated annotator, who can give explanations a utility; "
                "leave out --annotator human and --crowd, or learn from comparisons."
            )
        if self.crowd and self.overlap > len(self.crowd):
            raise InputError(
                f"--overlap asks {self.overlap} different annotators for each comparison, and --crowd has "
                f"{len(self.crowd)}; give it as many error rates."
            )
        if self.overlap < 1:
            raise InputError(f"--overlap is the number of people who answer a comparison; found {self.overlap}.")
        if not 0 <= self.gold < 1:
            raise InputError(f"--gold is a share in [0, 1); found {self.gold}.")
        if not self.lease_minutes > 0:
            raise InputError(f"--lease-minutes must be greater than 0; found {self.lease_minutes}.")
        if self.finetune.needs_relevance_map and self.reward.kind != "additive":
            raise InputError(
                "finetune.counterexample_share and finetune.gradient_penalty need an additive reward, which "
                f"has a map of the image; found reward.kind {self.reward.kind!r}, which is followed by "
                "finetune.counterexample_share 0, finetune.gradient_penalty 0 and finetune.reward_weight 0.7."
            )
        if self.comparisons_per_round < 8:
            raise InputError(f"A round needs at least 8 comparisons to learn from; found {self.comparisons_per_round}.")


def task_of(settings: StudySettings, data_dir: Path | None = None) -> "Task":
    """The task that a study of these settings is about."""
    from explainfb.tasks.datasets import load_task  # with PyTorch, which settings do without

    return load_task(
        settings.task,
        data_dir=data_dir,
        train_images=settings.train_images,
        shortcut=settings.shortcut,
        image_size=settings.image_size,
        seed=settings.seed,
    )


def as_plain(settings: Any) -> Plain:
    """The settings as nested dictionaries of numbers, strings and lists; a setting that is None is left out."""
    plain: Plain = {}
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if dataclasses.is_dataclass(value):
            plain[item.name] = as_plain(value)
        elif value is not None:  # TOML has no null
            plain[item.name] = list(value) if isinstance(value, tuple) else value
    return plain


def flatten(plain: Plain, prefix: str = "") -> dict[str, Setting]:
    """Nested settings by dotted name, such as `finetune.steps`."""
    flat: dict[str, Setting] = {}
    for name, value in plain.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def command_line(settings: StudySettings) -> str:
    """What to type to run a study of these settings; those that are as usual are left out."""
    usual = flatten(as_plain(StudySettings()))
    words = ["explainfb", "run"]
    for name, value in flatten(as_plain(settings)).items():
        if value != usual.get(name):
            words += _option(name.replace("_", "-"), value)
    return shlex.join(words)


def _option(name: str, value: Setting) -> list[str]:
    """As tyro takes it: `--a.b VALUE`, and of a switch `--a.b` or `--a.no-b`."""
    if isinstance(value, bool):
        record, dot, switch = name.rpartition(".")
        return [f"--{record}{dot}{'' if value else 'no-'}{switch}"]
    return ["--" + name, *(str(item) for item in (value if isinstance(value, list) else [value]))]


def write_settings(settings: StudySettings, path: Path) -> None:
    """Write study.toml."""
    text = tomli_w.dumps({"format": FORMAT, **as_plain(settings)})
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_settings(path: Path) -> StudySettings:
    """Read study.toml, of this format or an earlier one.

    Raises `InputError` naming the file when it is missing, damaged or of a later format.
    """
    return _read(path)[0]


def upgrade_settings(path: Path) -> StudySettings:
    """Read study.toml, and write it anew where it is of an earlier format; raises as `read_settings` does."""
    settings, format = _read(path)
    if format != FORMAT:
        with suppress(OSError):  # a file that may not be written, as in an archive, is read all the same
            write_settings(settings, path)
    return settings


def _read(path: Path) -> tuple[StudySettings, int]:
    """The settings, and the format of the file that they were in."""
    if not path.is_file():
        seeds = sorted(place.parent.name for place in path.parent.glob(f"seed-*/{path.name}"))
        if seeds:
            raise InputError(f"{path.parent} is a sweep of several studies; give one of {', '.join(seeds)} in it.")
        raise InputError(f"{path.parent} is not a study: it has no {path.name}; give the folder of an earlier run.")
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
        format = plain.pop("format", 1)
        if format not in (1, FORMAT):
            raise InputError(f"it has format {format!r}, and this explainfb reads 1 to {FORMAT}")
        settings: StudySettings = _build(StudySettings, with_new_names(plain) if format == 1 else plain)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, InputError) as error:
        raise InputError(f"{path} is damaged or of another version ({error}); restore it or start a new study.") from (
            error
        )
    return settings, format


def with_new_names(plain: Plain, prefix: str = "") -> Plain:
    """Nested settings of format 1, by the names that they have now."""
    renamed: Plain = {}
    for name, value in plain.items():
        now = RENAMED_SETTINGS.get(prefix + name, name).rpartition(".")[2]
        if now != name and now in plain:
            raise InputError(f"it has both {prefix}{name} and {now}, which is its name now")
        renamed[now] = with_new_names(value, f"{prefix}{name}.") if isinstance(value, dict) else value
    return renamed


def _build(record: Any, plain: Plain) -> Any:
    values: dict[str, object] = {}
    for name, value in plain.items():
        default = getattr(record(), name) if name in {item.name for item in dataclasses.fields(record)} else None
        if isinstance(value, dict):
            value = _build(type(default), value)
        values[name] = tuple(value) if isinstance(value, list) else value  # frozen, as the settings are
    return record(**values)


def check_same(wanted: StudySettings, stored: StudySettings, folder: Path) -> None:
    """Raise `InputError` naming the settings in which a study differs from what is asked of it now."""
    now, then = flatten(as_plain(wanted)), flatten(as_plain(stored))
    different = [name for name in sorted(now.keys() | then.keys()) if now.get(name) != then.get(name)]
    if different:
        listed = "; ".join(f"{name} was {then.get(name)!r}, now {now.get(name)!r}" for name in different[:5])
        raise InputError(
            f"The study in {folder} was begun with other settings ({listed}); "
            "give the same ones to resume it, or another folder (--study, or --folder of a sweep)."
        )
