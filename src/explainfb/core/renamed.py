"""What settings were called before, so that old files and old commands are understood."""

RENAMED_SETTINGS = {
    "comparisons": "comparisons_per_round",
    "training.batch": "training.batch_size",
    "training.check_every": "training.validate_every",
    "lime.masks": "lime.n_samples",
    "lime.segments": "lime.n_segments",
    "queries.choice": "queries.strategy",
    "reward.batch": "reward.batch_size",
    "finetune.strength": "finetune.reward_weight",
    "finetune.batch": "finetune.batch_size",
    "finetune.explained": "finetune.explain_batch_size",
    "finetune.masks": "finetune.n_samples",
    "finetune.exchanged": "finetune.counterexample_share",
    "finetune.evidence": "finetune.significance",
    "baselines.adversarial_steps": "finetune.adversarial_steps",
    "baselines.adversarial_relative_step": "finetune.adversarial_relative_step",
    "evaluation.attacked": "evaluation.attack_images",
    "evaluation.explained": "evaluation.explain_images",
    "evaluation.lime.masks": "evaluation.lime.n_samples",
    "evaluation.lime.segments": "evaluation.lime.n_segments",
}
"""Dotted names of a study's settings, old → new. What a setting says has not changed."""
