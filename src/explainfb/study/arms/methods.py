"""What the arms do in feedback's place: the annotators who answer, and the methods that ask nobody, for a study."""

from dataclasses import replace
from functools import partial

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import train
from explainfb.explanations.storage import load_explanations
from explainfb.finetuning import baselines, groups
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import Finetuned, FinetunePoint, Method, OnStep
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.preferences.simulated import Annotator, coin_annotator
from explainfb.rewards.dataset import as_seen_by_reward
from explainfb.study.context import StudyContext
from explainfb.study.reward_rounds import annotator_of
from explainfb.tasks.task import Split


def coin(context: StudyContext) -> Annotator:
    settings = context.settings
    return coin_annotator(seed=settings.seed, overlap=settings.overlap if settings.crowd else 1)


def wrong_masks(context: StudyContext) -> Annotator:
    settings = context.settings
    wrong = baselines.wrong_reasons(context.task.train, region=settings.baselines.wrong_masks, seed=settings.seed)
    return annotator_of(settings, wrong, "wrong_masks")


def cross_entropy(context: StudyContext) -> Method:
    return baselines.cross_entropy


def oracle_reward(context: StudyContext) -> Method:
    """The true utility, normalised over the explanations of the first round of feedback, as a learned reward is."""
    train = context.task.train
    assert train.relevance is not None
    explanations = load_explanations(context.feedback_folder.explanations_path(1))
    explained = as_seen_by_reward(explanations, list(explanations), train)
    reward = baselines.OracleReward(train.relevance).normalised(explained)
    return partial(finetune, reward=reward, lime=context.settings.lime, relevance_map=reward.relevance_map)


def random_exchange(context: StudyContext) -> Method:
    return partial(baselines.random_exchange, lime=context.settings.lime)


def cutout(context: StudyContext) -> Method:
    settings = context.settings.baselines
    return _with_more_steps(partial(baselines.cutout, size=settings.cutout_size), settings.cutout_steps)


def constant_map(context: StudyContext) -> Method:
    relevance = context.task.train.relevance
    assert relevance is not None
    relevance_map = baselines.ConstantMap(relevance)
    return partial(baselines.known_relevance, relevance_map=relevance_map, lime=context.settings.lime)


def rrr(context: StudyContext) -> Method:
    train, settings = context.task.train, context.settings.baselines
    irrelevant = train.shortcut if settings.rrr_masks == "shortcut" or train.relevance is None else ~train.relevance
    assert irrelevant is not None
    method = partial(baselines.rrr, irrelevant=irrelevant, strength=settings.rrr_strength)
    return _with_more_steps(method, settings.rrr_steps)


def _with_more_steps(method: Method, factor: int) -> Method:
    """`method` with `factor` times the steps of every round."""
    if factor == 1:
        return method

    def longer(
        classifier: Classifier, split: Split, *, settings: FinetuneSettings, seed: int, on_step: OnStep | None = None
    ) -> Finetuned:
        def every_few(point: FinetunePoint) -> None:
            if on_step is not None and point.step % factor == 0:  # so that a round is as long for a progress bar
                on_step(point)

        settings = replace(settings, steps=factor * settings.steps)
        return method(classifier, split, settings=settings, seed=seed, on_step=every_few)

    return longer


def jtt(context: StudyContext) -> Method:
    settings = context.settings.baselines
    short = replace(context.settings.training, steps=settings.jtt_steps)

    def twice(
        classifier: Classifier, split: Split, *, settings: FinetuneSettings, seed: int, on_step: OnStep | None = None
    ) -> Finetuned:
        # in every round the same classifier again, so that nothing has to be kept beside the rounds
        first = train(context.task, settings=short, seed=context.settings.seed, device=context.device)
        return method(classifier, split, first=first, settings=settings, seed=seed, on_step=on_step)

    method = partial(groups.jtt, factor=settings.jtt_factor)
    return twice


def group_dro(context: StudyContext) -> Method:
    return partial(groups.group_dro, step=context.settings.baselines.group_dro_step)


def dfr(context: StudyContext) -> Method:
    settings, task = context.settings.baselines, context.task
    known = task.validation if settings.dfr_images == "validation" else task.train
    return partial(groups.dfr, known=known, inverse_strength=settings.dfr_inverse_strength)


def input_gradient(context: StudyContext) -> Method:
    return partial(baselines.input_gradient, strength=context.settings.baselines.input_gradient_strength)


def adversarial_training(context: StudyContext) -> Method:
    return partial(baselines.adversarial_training, epsilon=context.settings.baselines.adversarial_epsilon)
