"""Fine-tuning a classifier until its explanations are ones that people accept.

    loss(θ) = cross-entropy(x', y) + γ · ‖A(x) ⊙ ∂/∂x' Σ_k log p_k‖² − λ · mean_k r_k(x, β_θ(x))

There are three ways to follow the reward r of explanations, and they can be mixed. x' are counterexamples: training
images whose irrelevant superpixels, by the reward's own maps, show another image (Teso & Kersting 2019). By default
there is nothing else, and γ = λ = 0. A(x) are the pixels of those superpixels; with γ > 0 the output is kept from
changing with them (Ross et al. 2017). β_θ(x) are LIME's weights in closed form, differentiable in the classifier's
weights θ; with λ > 0 gradient steps raise their reward. Each term is a mean over images; `objective` adds them up.
"""

from dataclasses import replace

from explainfb.classifiers.classifier import Classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.batches import training_batches
from explainfb.finetuning.counterexamples import Counterexamples, RelevanceMap
from explainfb.finetuning.explanation_reward import ExplanationReward, Reward
from explainfb.finetuning.objective import Objective, Penalty
from explainfb.finetuning.optimisation import Finetuned, OnStep, optimise
from explainfb.finetuning.penalties import irrelevant_gradient
from explainfb.finetuning.settings import DEFAULT, FinetuneSettings
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.tasks.task import Split


def finetune(
    classifier: Classifier,
    split: Split,
    reward: Reward | None,
    *,
    lime: LimeSettings,
    settings: FinetuneSettings = DEFAULT,
    relevance_map: RelevanceMap | None = None,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Finetuned:
    """A copy of `classifier` tuned on `split`; without a reward, by cross-entropy alone on the same images.

    `relevance_map` says which superpixels `settings.counterexample_share` and `settings.gradient_penalty` are about; by
    default an ensemble's own maps do, and with neither they are not asked. With `settings.adversarial_epsilon` the
    cross-entropy is that of the images that PGD makes of those, and of no others.
    Raises `InputError` where a reward is given that these settings would not follow.
    Stops before a step whose loss or gradient is not finite, and says so; the classifier is then the last good one.

    >>> from explainfb import FinetuneSettings, LimeSettings, TrainingSettings
    >>> from explainfb import finetune, load_task, predict_logits, train
    >>> task = load_task("digits-decoy")
    >>> before = train(task, settings=TrainingSettings(steps=100))
    >>> masks = lambda images, index: task.train.relevance[index].float()  # in place of a reward
    >>> settings = FinetuneSettings(steps=60)
    >>> tuned = finetune(before, task.train, None, lime=LimeSettings(), settings=settings, relevance_map=masks)
    >>> images, labels = task.shifted.images, task.shifted.labels
    >>> right = [(predict_logits(each, images).argmax(1) == labels).sum() for each in (before, tuned.classifier)]
    >>> bool(right[1] > right[0] + 100)
    True
    """
    if relevance_map is None and isinstance(reward, RewardEnsemble) and settings.needs_relevance_map:
        relevance_map = _own_relevance_map(reward)
    if reward is not None:
        _check_followed(relevance_map, settings)
    objective = feedback_objective(split, reward, relevance_map, lime=lime, settings=settings, seed=seed)
    return optimise(classifier, objective.add_gradient, settings=settings, seed=seed, on_step=on_step)


def feedback_objective(
    split: Split,
    reward: Reward | None,
    relevance_map: RelevanceMap | None,
    *,
    lime: LimeSettings,
    settings: FinetuneSettings,
    seed: int,
) -> Objective:
    """cross-entropy(x', y) + γ · `irrelevant_gradient` − λ · reward, of which `settings` say what is left out.

    Without a relevance map, x' = x and γ = 0; without a reward, λ = 0.
    """
    lime = replace(lime, n_samples=settings.n_samples, backend="closed_form")
    counterexamples = [] if relevance_map is None else [_counterexamples(split, relevance_map, lime, settings, seed)]
    penalised = relevance_map is not None and settings.gradient_penalty > 0
    explanation_reward = None
    if reward is not None and settings.reward_weight != 0:
        explanation_reward = _explanation_reward(split, reward, lime, settings, seed)
    return Objective(
        training_batches(split, settings, seed, *counterexamples),
        penalties=(Penalty(irrelevant_gradient, weight=settings.gradient_penalty),) if penalised else (),
        reward=explanation_reward,
    )


def _counterexamples(
    split: Split, relevance_map: RelevanceMap, lime: LimeSettings, settings: FinetuneSettings, seed: int
) -> Counterexamples:
    return Counterexamples(
        relevance_map,
        background=split.images,
        lime=lime,
        share=settings.counterexample_share,
        mark_irrelevant=settings.gradient_penalty > 0,
        generator=torch_generator(seed, "finetune", "exchanged"),  # its old name: another would change every result
    )


def _explanation_reward(
    split: Split, reward: Reward, lime: LimeSettings, settings: FinetuneSettings, seed: int
) -> ExplanationReward:
    return ExplanationReward(
        reward,
        weight=settings.reward_weight,
        split=split,
        lime=lime,
        count=settings.explain_batch_size,
        generator=torch_generator(seed, "finetune", "explained"),  # apart from the batches, which all methods share
    )


def _own_relevance_map(reward: RewardEnsemble) -> RelevanceMap:
    return lambda images, _: reward.relevance_map(images)


def _check_followed(relevance_map: RelevanceMap | None, settings: FinetuneSettings) -> None:
    """Raise `InputError` where no term of the loss depends on the reward, or one that needs a map has none."""
    if settings.reward_weight == 0 and (relevance_map is None or not settings.needs_relevance_map):
        raise InputError(
            "This reward would not be followed: finetune.reward_weight is 0, and it has no maps that say what is "
            "irrelevant, or finetune.counterexample_share and finetune.gradient_penalty are 0; give it a weight, such "
            "as 0.7, or `relevance_map`."
        )
    if relevance_map is None and settings.gradient_penalty > 0:
        raise InputError(
            "finetune.gradient_penalty needs maps that say what is irrelevant, and this reward has none; give "
            "`relevance_map`, or leave the penalty at 0."
        )
