"""What a study measured, as frozen records; `results.json` is written from them and read into them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, get_args

from explainfb.core.errors import InputError
from explainfb.core.names import check_name
from explainfb.core.types import Interval, OutOfBagTest, RobustAccuracy
from explainfb.results.measures import CLEAN, ECE, FAITHFULNESS, SHIFTED, SHORTCUT_SHARE, WORST_GROUP, Measure

BEFORE, FEEDBACK, NO_SHORTCUT = "before", "feedback", "no_shortcut"
"""The names of the three arms that the report speaks of by name."""
Role = Literal["before", "control", "reference", "feedback", "ceiling"]
"""In the order of the tables. Controls are what feedback must beat. A reference knows more or does something else, so
that losing to it says nothing about the answers; the ceiling never saw the shortcut."""


@dataclass(frozen=True)
class ArmDescription:
    """What an arm is, in words; it comes from the arm's one entry in `explainfb.study.arms.registry.ARMS`."""

    name: str
    """The same everywhere: in settings, folders, files and here, such as `random_exchange`."""
    label: str
    """In a few words, for a table."""
    meaning: str
    """What was done to it, in one line; may be empty."""
    role: Role

    def __post_init__(self) -> None:
        for text in (self.name, self.label, self.meaning):
            check_name(text, "An arm")


@dataclass(frozen=True)
class Compute:
    """How many images went through a network to make an arm."""

    forward: int
    backward: int


@dataclass(frozen=True)
class ReliabilityBins:
    """What a reliability diagram draws: images by the confidence of their prediction, in bins of equal width."""

    confidence: tuple[float | None, ...]
    """Mean confidence of each bin, in [0, 1]; None where it is empty."""
    accuracy: tuple[float | None, ...]
    """Share of right predictions of each bin, in [0, 1]; None where it is empty."""
    count: tuple[int, ...]
    """How many images each bin holds."""

    def __post_init__(self) -> None:
        sizes = len(self.confidence), len(self.accuracy), len(self.count)
        if len(set(sizes)) > 1:
            raise InputError(f"Bins need as many confidences, accuracies and counts; found {sizes}.")


@dataclass(frozen=True)
class Faithfulness:
    """How true an arm's explanations are to its classifier: means over some of the images, with 95 % intervals."""

    n: int
    """How many images."""
    deletion: Interval
    """The class's mean probability while superpixels are hidden, the strongest first; in [0, 1]."""
    insertion: Interval
    """The same while they are shown."""
    infidelity: Interval
    """Squared error of the probability that hiding superpixels takes away, by their weights; at least 0."""
    sensitivity: Interval
    """The largest relative change of the weights under a change of the image that nobody sees; at least 0."""


@dataclass(frozen=True)
class ArmResult:
    """What was measured on the classifier that an arm ended with."""

    arm: ArmDescription
    n: int
    """How many test images."""
    clean_accuracy: Interval
    shifted_accuracy: Interval | None
    """None for a task without a shortcut."""
    ece: Interval
    shortcut_share: Interval | None
    """None for a task without a shortcut."""
    reliability: ReliabilityBins
    robust_accuracy: tuple[RobustAccuracy, ...]
    """One for each threat model; they do not say which images survived (`survived` is empty)."""
    compute: Compute | None = None
    """None where it was not counted."""
    worst_group_accuracy: Interval | None = None
    """None where no groups of test images are known; they are pairs of a label and of what the shortcut says."""
    faithfulness: Faithfulness | None = None
    """None where it was not measured, as before 0.1."""

    def measured(self, measure: Measure) -> Interval | None:
        """The value of `measure` with its 95 % interval; None where it was not measured."""
        if measure.threat_model is not None:
            found = self._under(measure)
            return None if found is None else found.accuracy
        if measure in FAITHFULNESS:
            return None if self.faithfulness is None else getattr(self.faithfulness, measure.key)
        return {
            CLEAN.key: self.clean_accuracy,
            SHIFTED.key: self.shifted_accuracy,
            WORST_GROUP.key: self.worst_group_accuracy,
            ECE.key: self.ece,
            SHORTCUT_SHARE.key: self.shortcut_share,
        }.get(measure.key)

    def is_reliable(self, measure: Measure) -> bool:
        """False for a robust accuracy that failed a sanity check."""
        found = self._under(measure)
        return found is None or found.reliable

    def _under(self, measure: Measure) -> RobustAccuracy | None:
        return next((each for each in self.robust_accuracy if each.threat_model == measure.threat_model), None)


@dataclass(frozen=True)
class ArmDifference:
    """Feedback minus one other arm, paired over the same test images, with 95 % intervals."""

    by_measure: Mapping[str, Interval]
    """By the key of a measure; what was not compared in pairs is not there."""

    def of(self, measure: Measure) -> Interval | None:
        """The difference in `measure`; None where it was not compared in pairs."""
        return self.by_measure.get(measure.key)


def in_order(arms: Iterable[ArmResult]) -> dict[str, ArmResult]:
    """By name, in the order of the tables: before, controls, references, feedback, ceiling."""
    roles = get_args(Role)
    return {each.arm.name: each for each in sorted(arms, key=lambda each: roles.index(each.arm.role))}


class StopReason(StrEnum):
    """Why a round did not run to its end."""

    NOT_FOLLOWED = "not_followed"
    """The reward predicted no more than a coin's might, so the classifier was left as it was."""
    NOT_FINITE = "not_finite"
    """The loss or its gradient was NaN or infinite at a step."""
    UNKNOWN = "unknown"
    """An old file says it in a sentence that is none of the above."""


@dataclass(frozen=True)
class Stopped:
    """A round that did not run to its end. Its sentence is made where it is shown."""

    arm: str
    """The arm's name; empty where an old file does not say."""
    round: int
    """From 1; 0 where an old file does not say."""
    reason: StopReason
    step: int | None = None
    """The gradient step, from 1, before which it stopped; None where none was taken."""
    test: OutOfBagTest | None = None
    """Why the reward was not followed."""
    members: int | None = None
    """How many reward models there were of which `test` is the best; None where an old file does not say."""
    message: str = ""
    """What an old file says, where the fields above do not hold all of it."""


@dataclass(frozen=True)
class RoundResult:
    """What was answered up to a round, and how well its reward predicts answers that were held out."""

    round: int
    answers: int
    """All rounds so far together."""
    held_out: int
    reward_accuracy: Interval | None
    """Share of held-out answers that are predicted; None where none was held out."""


@dataclass(frozen=True)
class PreferenceResults:
    """Who answered, how much, and how well the rewards predict held-out answers."""

    answers: int
    annotators: tuple[str, ...]
    rounds: tuple[RoundResult, ...]
    annotator_reliability: Mapping[str, float] = field(default_factory=dict)
    """Of each annotator, the learned probability of the right answer; empty where all are taken to be equal."""
    both_bad: int | None = None
    """How many answers said that both explanations are bad; None where results do not tell, as before 0.1."""

    @property
    def reward_accuracy(self) -> Interval | None:
        """That of the last round."""
        return self.rounds[-1].reward_accuracy if self.rounds else None


@dataclass(frozen=True)
class StudyResults:
    """Everything that a study measured.

    >>> from pathlib import Path
    >>> from explainfb import read_results
    >>> results = read_results(Path("studies/first/results.json"))  # of a study that has been run
    >>> gain = results.feedback.shifted_accuracy.estimate - results.before.shifted_accuracy.estimate
    >>> sorted(results.arms) == sorted(results.differences.keys() | {"feedback"})
    True
    """

    task: str
    seed: int
    command: str
    """What to type to repeat the study."""
    settings: Mapping[str, object]
    """Every setting as run, by its dotted name, such as `finetune.steps`."""
    environment: Mapping[str, str]
    """Versions by package, the machine, the device."""
    preferences: PreferenceResults
    arms: Mapping[str, ArmResult]
    """By name, in the order of the tables (`in_order`); `before` and `feedback` among them."""
    differences: Mapping[str, ArmDifference]
    """Feedback minus each other arm, by its name."""
    seconds: Mapping[str, float]
    """Wall-clock time by stage."""
    stopped: tuple[Stopped, ...] = ()

    def __post_init__(self) -> None:
        lacking = [name for name in (BEFORE, FEEDBACK) if name not in self.arms]
        if lacking:
            raise InputError(f"A study's results need the arm {lacking[0]}; found {', '.join(self.arms) or 'none'}.")

    @property
    def before(self) -> ArmResult:
        return self.arms[BEFORE]

    @property
    def feedback(self) -> ArmResult:
        return self.arms[FEEDBACK]

    def of_role(self, *roles: Role) -> list[ArmResult]:
        """The arms of these roles."""
        return [arm for arm in self.arms.values() if arm.arm.role in roles]
