"""Settings that suit photographs: smaller attacks, fewer and larger networks' steps, explanations of 128 pixels."""

from explainfb.classifiers.settings import TrainingSettings
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.robustness.settings import AttackSettings
from explainfb.study.settings import StudySettings

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
