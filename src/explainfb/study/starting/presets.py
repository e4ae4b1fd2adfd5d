"""Settings that suit photographs (smaller attacks, fewer steps of larger networks), and shortcuts that move."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from explainfb.classifiers.settings import TrainingSettings
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.preferences.settings import QuerySettings
from explainfb.rewards.settings import RewardSettings
from explainfb.robustness.settings import AttackSettings
from explainfb.study.settings import StudySettings, command_line

PHOTOGRAPH = 64
"""Pixels a side from which on pictures in colour are taken for photographs."""
EPSILONS = (1 / 255, 2 / 255, 4 / 255, 8 / 255)
"""L∞ for photographs: 8/255 is the largest that people hardly see."""
ATTACKS = AttackSettings(
    pgd_steps=10,
    pgd_step_search=(),
    minimum_norm_steps=10,
    targeted_images=0,
    deepfool_images=0,
    transfer_images=12,
    square_queries=50,
    square_images=12,
    hop_skip_jump_images=0,
    gen_attack_images=0,
    noise_repeats=4,
    check_images=8,
)
PHOTOGRAPHS = StudySettings(
    task="folder:pictures",
    image_size=128,
    fit="pad",
    rounds=2,
    comparisons_per_round=100,
    controls=("random_exchange", "cutout", "no_shortcut"),
    weights="default",
    training=TrainingSettings(steps=300, batch_size=32, validate_every=25, patience=4, body_rate=0.1),
    # black in place of what is hidden, and balanced masks: at 256 masks two seeds agree far better than with other
    # pictures' pieces, or with masks of the default kind
    lime=LimeSettings(n_samples=256, sampling="hadamard", fill="zero"),
    finetune=FinetuneSettings(steps=60, batch_size=32, learning_rate=1e-3, body_rate=0.1),
    evaluation=EvaluationSettings(
        linf=EPSILONS,
        l2=(),
        attack_images=24,
        explain_images=24,
        lime=LimeSettings(n_samples=256, fill="zero"),
        attacks=ATTACKS,
    ),
)
"""A study of some 300 pictures of 128 pixels by a small pretrained network: within 40 minutes on two cores.

>>> from explainfb import PHOTOGRAPHS
>>> PHOTOGRAPHS.image_size, [round(255 * epsilon) for epsilon in PHOTOGRAPHS.evaluation.linf]
(128, [1, 2, 4, 8])
"""
SUPERPIXELS = StudySettings(
    queries=QuerySettings(compared="superpixels", strategy="random"),
    reward=RewardSettings(features="classifier", steps=300),
)
"""Two superpixels of one explanation are compared, and the reward reads what the classifier sees at each place: for
shortcuts that lie elsewhere in each image. The classifier needs convolutions.

>>> from explainfb.study.starting.presets import SUPERPIXELS
>>> SUPERPIXELS.queries.compared
'superpixels'
"""
Preset = Literal["photographs", "superpixels"]
PRESETS: dict[str, StudySettings] = {"photographs": PHOTOGRAPHS, "superpixels": SUPERPIXELS}
OPTION = "--preset"
COMMANDS = ("run", "sweep")


def are_photographs(image_shape: tuple[int, int, int]) -> bool:
    """Whether images of shape (C, H, W) are taken for photographs: in colour, and 64 pixels a side at least."""
    channels, height, width = image_shape
    return channels == 3 and min(height, width) >= PHOTOGRAPH


def hint(settings: StudySettings, image_shape: tuple[int, int, int]) -> str | None:
    """A sentence where attacks of images of shape (C, H, W) are those of digits and the images are photographs."""
    if not are_photographs(image_shape) or settings.evaluation.linf != StudySettings().evaluation.linf:
        return None
    return (
        "These seem to be photographs, and the settings are for small pictures: attacks reach "
        f"L∞ ε = {max(settings.evaluation.linf):g}, which nobody fails to see. --preset photographs suits them, with "
        "--training.classifier NAME for a pretrained network."
    )


def with_preset(words: Sequence[str]) -> list[str]:
    """The words of a command line, with the options that `--preset NAME` stands for before the others.

    What is typed beside it comes later, and so it counts; what is recorded of the study names every option.
    """
    given = [word.removeprefix(f"{OPTION}=") for word in words if word.startswith(f"{OPTION}=")]
    given += [value for word, value in pairwise(words) if word == OPTION]
    if len(given) != 1 or given[0] not in PRESETS or words[0] not in COMMANDS:
        return list(words)
    options = shlex.split(command_line(replace(PRESETS[given[0]], task=StudySettings().task)))[2:]
    return [words[0], *options, *words[1:]]
