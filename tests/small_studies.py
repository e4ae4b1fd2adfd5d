"""The smallest study that has everything that can be lost: a round, an arm beside feedback, answers, an evaluation."""

from dataclasses import replace

from explainfb.testing.tiny import ATTACKS, TINY

LIME = replace(TINY.lime, n_samples=20, n_segments=9)
SMALL = replace(
    TINY,
    train_images=60,
    rounds=1,
    comparisons_per_round=12,
    controls=("random_answers",),
    training=replace(TINY.training, steps=10, validate_every=10),
    lime=LIME,
    reward=replace(TINY.reward, steps=8),
    finetune=replace(TINY.finetune, steps=3),
    evaluation=replace(
        TINY.evaluation,
        linf=(0.1,),
        l2=(),
        attack_images=2,
        explain_images=2,
        lime=replace(TINY.evaluation.lime, n_samples=20, n_segments=9),
        attacks=replace(ATTACKS, check_images=2),
    ),
)
