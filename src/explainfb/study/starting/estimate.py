"""What a study will cost, from a few seconds of measuring its own classifier on this machine."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from explainfb.classifiers.classifier import Classifier, build_classifier, load_classifier
from explainfb.classifiers.training import architecture_for
from explainfb.core.devices import cores
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.study.arms.arm import NoShortcut
from explainfb.study.arms.registry import ARMS
from explainfb.study.context import StudyContext
from explainfb.study.rounds import TRAINING_COST
from explainfb.study.settings import Control, StudySettings
from explainfb.tasks.task import Task

EVALUATION_COST = 200.0
"""What an evaluation costs beside one step of fine-tuning, about, for the progress bar."""
SECONDS = 2.0
"""How long is measured, in each direction."""
BATCH = 8
IMAGES_OF_A_COMPARISON = 1.0
"""Explanations that a comparison costs, about: each is compared twice on average, with another one."""


@dataclass(frozen=True)
class Estimate:
    """What a study costs, about; within a factor of two on an idle machine."""

    forward_passes: int
    """Images that go through the network."""
    backward_passes: int
    forward_seconds: float
    """Of one image, on this machine now."""
    backward_seconds: float
    memory: int
    """Bytes."""
    parallel: int
    """Cores among which explanations are shared."""
    explained_passes: int
    """Of `forward_passes`, those of explanations."""

    @property
    def seconds(self) -> float:
        """On this machine, with nothing else running."""
        others = self.forward_passes - self.explained_passes
        forward = others + self.explained_passes / self.parallel
        return forward * self.forward_seconds + self.backward_passes * self.backward_seconds

    def __str__(self) -> str:
        passes = f"{_rounded(self.forward_passes)} passes forward and {_rounded(self.backward_passes)} backward"
        return f"About {_duration(self.seconds)} on this machine: {passes}, {self.memory / 2**30:.1f} GB of memory"


def cost(settings: StudySettings, controls: list[Control]) -> float:
    """The whole study in units of a step of fine-tuning, about, for the progress bar."""
    feedback = TRAINING_COST * settings.training.steps + settings.finetune.steps * settings.rounds
    arms = sum(ARMS[name].cost(settings) for name in controls)
    return feedback + arms + EVALUATION_COST * (2 + len(controls))


def estimate(context: StudyContext, controls: list[Control]) -> Estimate:
    """What a study costs whose arms beside feedback are `controls`."""
    explained, forward, backward = passes(context.settings, context.task, controls)
    each_forward, each_backward = measure(_classifier(context), context.task)
    return Estimate(
        forward_passes=explained + forward,
        backward_passes=backward,
        forward_seconds=each_forward,
        backward_seconds=each_backward,
        memory=memory(context.task),
        parallel=cores() if context.device.type == "cpu" else 1,
        explained_passes=explained,
    )


def passes(settings: StudySettings, task: Task, controls: list[Control]) -> tuple[int, int, int]:
    """Images forward for explanations, forward for everything else, and backward."""
    masks = settings.lime.most_samples if settings.lime.n_samples == "auto" else settings.lime.n_samples
    asking = 1 + sum(getattr(ARMS[name], "annotator", None) is not None for name in controls)
    asked_about = settings.queries.images * settings.comparisons_per_round
    a_round = masks * IMAGES_OF_A_COMPARISON * min(asked_about, 2 * len(task.train))
    explained: float = asking * settings.rounds * a_round
    trainings = 1 + sum(isinstance(ARMS[name], NoShortcut) for name in controls)
    steps = trainings * settings.training.steps * settings.training.batch_size
    tuned = 1 + sum(not isinstance(ARMS[name], NoShortcut) for name in controls)
    tuning = tuned * settings.rounds * settings.finetune.steps * settings.finetune.batch_size
    checks = trainings * len(task.validation) * settings.training.steps / settings.training.validate_every
    measured = settings.evaluation
    arms = 2 + len(controls)
    test = len(task.clean) + (0 if task.shifted is None else len(task.shifted))
    lime = settings.evaluation.lime
    own = lime.most_samples if lime.n_samples == "auto" else lime.n_samples
    explained += arms * measured.explain_images * own
    attacks = arms * attack_passes(measured)
    return round(explained), round(steps + tuning + checks + arms * test + attacks), round(steps + tuning + attacks)


def attack_passes(settings: EvaluationSettings) -> float:
    """Images through one classifier, forward and backward alike, until all attacks are done, if half of them hold."""
    attacks, sizes = settings.attacks, len(settings.linf) + len(settings.l2)
    norms = bool(settings.linf) + bool(settings.l2)
    gradient = attacks.pgd_steps * attacks.pgd_restarts * sizes + attacks.minimum_norm_steps * norms
    asked = attacks.noise_repeats * sizes + sizes
    checks = attacks.check_images * attacks.pgd_steps * attacks.check_steps_factor * sizes
    square = attacks.square_images * attacks.square_queries * sizes
    return settings.attack_images * (gradient + asked) / 2 + checks + square / 2


def measure(classifier: Classifier, task: Task) -> tuple[float, float]:
    """Seconds of an image forward, and of one forward and backward less that: the medians of some batches."""
    images = task.train.images[:BATCH].to(classifier.device)
    labels = task.train.labels[:BATCH].to(classifier.device)
    classifier.eval()

    def forward() -> None:
        with torch.no_grad():
            classifier(images)

    def both() -> None:
        inputs = images.clone().requires_grad_()
        torch.autograd.grad(F.cross_entropy(classifier(inputs), labels), inputs)

    first, second = (_median_seconds(work, classifier.device) / len(images) for work in (forward, both))
    return first, max(0.0, second - first)


def _median_seconds(work: Callable[[], None], device: torch.device) -> float:
    work()  # what is done once, such as choosing a convolution
    took: list[float] = []
    begin = time.monotonic()
    while not took or (time.monotonic() - begin < SECONDS and len(took) < 9):
        start = time.monotonic()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.monotonic() - start)
    return sorted(took)[len(took) // 2]


def memory(task: Task) -> int:
    """Bytes that the process takes now, with its images, and as much again as an eighth of it for what is computed."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return round(peak * 1.125)


def _classifier(context: StudyContext) -> Classifier:
    """The one before any feedback where it is there, else one of the same architecture with fresh weights."""
    path = context.feedback_folder.classifier_path(0)
    if path.is_file():
        return load_classifier(path).to(context.device)
    training = context.settings.training
    return build_classifier(architecture_for(context.task, training.classifier, training.pixels)).to(context.device)


def _rounded(count: int) -> str:
    """`1,240,000`: three digits that count."""
    digits = len(str(count))
    return f"{round(count, 3 - digits) if digits > 3 else count:,}"


def _duration(seconds: float) -> str:
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        return f"{round(seconds)} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
