"""A study small enough for a test."""

from explainfb.classifiers.settings import TrainingSettings
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.rewards.settings import RewardSettings
from explainfb.robustness.settings import AttackSettings
from explainfb.study.settings import StudySettings

ATTACKS = AttackSettings(
    pgd_steps=3,
    pgd_step_search=(),
    pgd_restarts=1,
    minimum_norm_steps=3,
    targeted_images=0,
    deepfool_images=0,
    transfer_images=2,
    hop_skip_jump_images=0,
    gen_attack_images=0,
    square_queries=4,
    square_images=4,
    noise_repeats=1,
    check_images=4,
    check_steps_factor=1,
    check_restarts=1,
)

TINY = StudySettings(
    train_images=200,
    rounds=2,
    comparisons_per_round=24,
    training=TrainingSettings(steps=60, validate_every=20),
    lime=LimeSettings(n_samples=52),
    reward=RewardSettings(steps=20, members=2),
    finetune=FinetuneSettings(steps=6, explain_batch_size=4, n_samples=16, significance=1.0),
    evaluation=EvaluationSettings(
        linf=(0.05, 0.1),
        l2=(0.5,),
        attack_images=12,
        explain_images=12,
        lime=LimeSettings(n_samples=52, fill="zero"),
        attacks=ATTACKS,
    ),
)
