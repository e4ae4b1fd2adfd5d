"""All that decides a study's results, in one record."""

import dataclasses
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from explainfb.classifiers.settings import TrainingSettings
from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields
from explainfb.core.types import Asked
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.preferences.settings import CareSettings, QuerySettings, RandomUtilitySettings
from explainfb.rewards.settings import RewardSettings
from explainfb.tasks.settings import Fit, Kind

if TYPE_CHECKING:
    from explainfb.tasks.task import Task

KnownControl = Literal[
    "cross_entropy",
    "random_exchange",
    "cutout",
    "random_answers",
    "wrong_masks",
    "constant_map",
    "oracle_reward",
    "rrr",
    "jtt",
    "group_dro",
    "dfr",
    "input_gradient",
    "adversarial_training",
    "no_shortcut_cutout",
    "no_shortcut",
]
A_YEAR = 365 * 24 * 60
"""In minutes."""
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
    """A task by name, folder:PATH of your pictures, or a task.toml."""
    annotator: Literal["simulated", "human"] = "simulated"
    """Who answers: a simulated annotator who knows the masks, or people in a browser."""
    question: Literal["compare", "rate", "yes-no", "point", "rank"] = "compare"
    """Which of two is better (or rate both), is one right, which of its pieces are not, or which of several are best
    and worst."""
    overlap: int = 1
    """How many different people, or members of a --crowd, answer each comparison, at least 1."""
    gold: float = 0.1
    """With people, this share of comparisons, in [0, 1), is added whose answer is known, to see who answers with care;
    none where the task has no relevance masks. The reward is not fitted to them."""
    colours: Literal["reward", "shared", "own"] = "reward"
    """How the colours of two explanations are scaled for people: both in units of probability (`shared`), each by its
    own strongest weight (`own`), or as the reward is given them (`reward`)."""
    lease_minutes: float = 10
    """For how many minutes a comparison is kept for the person who is being asked it, more than 0, at most a year."""
    rounds: int = 4
    """How often explanations are compared, the reward learned and the classifier fine-tuned, at least 1."""
    comparisons_per_round: int = 250
    """How many comparisons are asked in each round, at least 8."""
    seed: int = 0
    """What every random draw comes from, at least 0; equal seeds, equal results."""
    train_images: int = 10_000
    """How many training images are used at most."""
    shortcut: Kind = "position"
    """What a -decoy task plants: a white patch whose place tells the class, or a patch whose grey level does."""
    shortcut_rate: float = 1.0
    """The share of training and validation images, in [0, 1], that carry the shortcut that a task plants."""
    image_size: int = 64
    """To how many pixels a side the pictures of folder:PATH are brought."""
    fit: Fit = "crop"
    """How pictures become squares: cut, or with black around."""
    plant: str | None = None
    """A shortcut to plant: watermark, sticker, frame, background, tint, position, grey."""
    error_rate: float = 0.1
    """The share of the simulated annotator's answers, in [0, 1], that are turned round; those that call both alike are
    not."""
    judgement: Literal["fixed_error", "random_utility"] = "fixed_error"
    """How a simulated annotator judges: at `fixed_error` as wrong whatever is compared, at `random_utility` as people
    do, surely where two explanations are far apart (`random_utility.*`), with time taken for each answer."""
    crowd: tuple[float, ...] = ()
    """Error rates, each in [0, 1], of several simulated annotators, who share the comparisons, in place of one with
    error_rate; those of the arm wrong_masks err as often."""
    decides: Literal["clean_accuracy", "shifted_accuracy", "worst_group_accuracy", "ece", "robust_accuracy"] | None = (
        None
    )
    """The measure that the report's first sentence answers by, declared before the study is run; without it shifted
    accuracy where there are shifted images, and never another in its place."""
    controls: tuple[Control, ...] = ("cross_entropy", "random_exchange", "random_answers", "no_shortcut")
    """What feedback is compared with; nothing after --controls switches them off."""
    weights: str | None = None
    """Of a network of torchvision, timm:NAME or hf:NAME: `default` (published ones) or a file."""
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
        check_fields(self)
        if self.rounds < 1:
            raise InputError(f"A study needs at least 1 round; found {self.rounds}.")
        if self.seed < 0:
            raise InputError(f"A seed is at least 0; found {self.seed}.")
        for name in ("error_rate", "shortcut_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"--{name.replace('_', '-')} is a share in [0, 1]; found {getattr(self, name)}.")
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
        if not 0 < self.lease_minutes <= A_YEAR:
            raise InputError(f"--lease-minutes is more than 0 and at most {A_YEAR:,}; found {self.lease_minutes:g}.")
        if self.finetune.needs_relevance_map and self.reward.kind != "additive":
            raise InputError(
                "finetune.counterexample_share and finetune.gradient_penalty need an additive reward, which "
                f"has a map of the image; found reward.kind {self.reward.kind!r}, which is followed by "
                "finetune.counterexample_share 0, finetune.gradient_penalty 0 and finetune.reward_weight 0.7."
            )
        self._check_data()
        self._check_question()
        if self.comparisons_per_round < 8:
            raise InputError(f"A round needs at least 8 comparisons to learn from; found {self.comparisons_per_round}.")

    @property
    def asked(self) -> Asked:
        """The question as it is stored: ratings are asked of comparisons, which they answer."""
        return "compare" if self.question == "rate" else self.question

    def _check_question(self) -> None:
        if self.asked != "compare" and self.reward.learned_from == "utilities":
            raise InputError("reward.learned_from utilities needs --question compare; learn from comparisons.")
        if self.asked != "compare" and self.queries.compared == "superpixels":
            raise InputError(f"Superpixels alone are compared or rated; found question {self.question!r}.")
        if self.asked == "point" and self.reward.kind != "additive":
            raise InputError(
                f"--question point needs an additive reward, which says what each piece is worth; found reward.kind "
                f"{self.reward.kind!r}."
            )

    def _check_data(self) -> None:
        for name, least in (("train_images", 10), ("image_size", 8)):
            if getattr(self, name) < least:
                raise InputError(f"--{name.replace('_', '-')} must be at least {least}; found {getattr(self, name)}.")


def task_of(settings: StudySettings, data_dir: Path | str | None = None) -> "Task":
    """The task that a study of these settings is about."""
    from explainfb.tasks.datasets import load_task  # with PyTorch, which settings do without

    return load_task(
        settings.task,
        data_dir=data_dir,
        train_images=settings.train_images,
        shortcut=settings.shortcut,
        image_size=settings.image_size,
        shortcut_rate=settings.shortcut_rate,
        fit=settings.fit,
        plant=settings.plant,
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
    if str(value).startswith("-"):  # or it would be taken for an option
        return [f"--{name}={value}"]
    return ["--" + name, *(str(item) for item in (value if isinstance(value, list) else [value]))]
