"""What results and the report are made of: every number, pictures of explanations, and of what the reward learned."""

from dataclasses import replace

import numpy as np
import torch

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import predict_logits
from explainfb.core.environment import Provenance, add_provenance
from explainfb.core.seeding import torch_generator
from explainfb.core.types import OutOfBagTest
from explainfb.evaluation.evaluator import Evaluation
from explainfb.evaluation.summary import difference, summarise
from explainfb.explanations.explainer import explain
from explainfb.explanations.explanation import Explanation
from explainfb.report import GalleryItem, ReportData, RewardMaps
from explainfb.results.records import FEEDBACK, PreferenceResults, StudyResults, in_order
from explainfb.study.arms.registry import describe
from explainfb.study.context import StudyContext
from explainfb.study.rounds import Outcome
from explainfb.study.settings import as_plain, command_line, flatten
from explainfb.tasks.task import Split

Made = tuple[Outcome, Evaluation]
"""What an arm ended with, and what was measured on it."""
GALLERY = 10
GALLERY_MASKS = 1000
"""At least as many for each picture in the gallery, or people would see the noise of sampling."""
MAP_IMAGES = 100


def collect_report_data(context: StudyContext) -> ReportData:
    """The same test images explained before and after, and the maps of the last reward."""
    test, seed, files = context.task.test, context.settings.seed, context.feedback_folder
    chosen = torch.randperm(len(test), generator=torch_generator(seed, "gallery"))[:GALLERY]
    some = test.take(chosen)
    before, after = files.classifier(0), files.classifier(context.settings.rounds)
    rows = zip(_explained(before, some, context), _explained(after, some, context), strict=True)
    gallery = [
        GalleryItem(
            image=some.images[index].double().numpy(),
            label=int(some.labels[index]),
            before=first,
            after=second,
            predicted_before=first.target,
            confidence_before=first.probability,
            predicted_after=second.target,
            confidence_after=second.probability,
        )
        for index, (first, second) in enumerate(rows)
    ]
    return ReportData(
        class_names=context.task.class_names,
        gallery=tuple(gallery),
        reward_maps=_reward_maps(context),
        out_of_bag_tests=_out_of_bag_tests(context),
    )


def _out_of_bag_tests(context: StudyContext) -> dict[int, OutOfBagTest]:
    """Of the rounds whose reward has it beside it."""
    found = {}
    for number in range(1, context.settings.rounds + 1):
        if context.feedback_folder.has_out_of_bag_test(number):  # rounds from before the test was kept have none
            found[number] = context.feedback_folder.out_of_bag_test(number)
    return found


def _explained(classifier: Classifier, split: Split, context: StudyContext) -> list[Explanation]:
    targets = predict_logits(classifier, split.images).argmax(1)
    settings = context.settings.lime
    return explain(
        classifier,
        split.images,
        targets=targets,
        settings=replace(settings, n_samples=max(settings.first_samples, GALLERY_MASKS)),
        background=context.task.train.images,
        seed=context.settings.seed,
    )


def _reward_maps(context: StudyContext) -> RewardMaps | None:
    train, files = context.task.train, context.feedback_folder
    chosen = torch.randperm(len(train), generator=torch_generator(context.settings.seed, "reward maps"))[:MAP_IMAGES]
    maps = files.ensemble(context.settings.rounds).maps(train.images[chosen].to(context.device))
    if maps is None:
        return None
    wanted, irrelevant = maps.mean(0).double().cpu().numpy()
    return RewardMaps(np.asarray(wanted), np.asarray(irrelevant), computed_on=f"the mean over {len(chosen)} images")


def gather_results(context: StudyContext, preferences: PreferenceResults, made: dict[str, Made]) -> StudyResults:
    """What results.json is to hold of a study whose arms were all `made`."""
    seed, feedback = context.settings.seed, made[FEEDBACK][1]
    arms = [summarise(found, describe(name), seed=seed, compute=by.compute) for name, (by, found) in made.items()]
    provenance = add_provenance(context.folder, Provenance.here(context.device, {}))
    return StudyResults(
        task=context.task.name,
        seed=seed,
        command=command_line(context.settings),
        settings=flatten(as_plain(context.settings)),
        environment=provenance.environment,
        preferences=preferences,
        arms=in_order(arms),
        differences={name: difference(feedback, made[name][1], seed=seed) for name in made if name != FEEDBACK},
        seconds={name: round(seconds, 2) for name, seconds in provenance.seconds.items()},
        stopped=tuple(stop for outcome, _ in made.values() for stop in outcome.stopped),
    )
