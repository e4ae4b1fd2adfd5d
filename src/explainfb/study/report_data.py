"""What the report shows beside its numbers: pictures of explanations, and of what the reward learned."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import predict_logits
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.core.types import Explanation, OutOfBagTest
from explainfb.explanations.lime import explain
from explainfb.report import GalleryItem, ReportData, RewardMaps
from explainfb.rewards.validation import load_out_of_bag_test
from explainfb.study.rounds import Loop
from explainfb.tasks.task import Split

GALLERY = 10
GALLERY_MASKS = 1000
"""At least as many, since a picture that is looked at should not be noise."""
MAP_IMAGES = 100


def collect_report_data(loop: Loop, *, seed: int) -> ReportData:
    """The same test images explained before and after, and the maps of the last reward."""
    test = loop.task.test
    chosen = torch.randperm(len(test), generator=torch_generator(seed, "gallery"))[:GALLERY]
    some = test.take(chosen)
    before, after = loop.classifier(0), loop.classifier(loop.settings.rounds)
    rows = zip(_explained(before, some, loop, seed), _explained(after, some, loop, seed), strict=True)
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
        class_names=loop.task.class_names,
        gallery=tuple(gallery),
        reward_maps=_reward_maps(loop, seed),
        evidence=_evidence(loop),
    )


def _evidence(loop: Loop) -> dict[int, OutOfBagTest]:
    """Of the rounds whose reward has it beside it."""
    found = {}
    for number in range(1, loop.settings.rounds + 1):
        with suppress(InputError):
            best = load_out_of_bag_test(loop.reward_path(number))
            found[number] = OutOfBagTest(best.right, best.asked, best.p_value)
    return found


def _explained(classifier: Classifier, split: Split, loop: Loop, seed: int) -> list[Explanation]:
    targets = predict_logits(classifier, split.images).argmax(1)
    settings = loop.settings.lime
    return explain(
        classifier,
        split.images,
        targets=targets,
        settings=replace(settings, n_samples=max(settings.n_samples, GALLERY_MASKS)),
        background=loop.task.train.images,
        seed=seed,
    )


def _reward_maps(loop: Loop, seed: int) -> RewardMaps | None:
    train = loop.task.train
    chosen = torch.randperm(len(train), generator=torch_generator(seed, "reward maps"))[:MAP_IMAGES]
    maps = loop.ensemble(loop.settings.rounds).maps(train.images[chosen].to(loop.device))
    if maps is None:
        return None
    wanted, unwanted = maps.mean(0).double().cpu().numpy()
    return RewardMaps(np.asarray(wanted), np.asarray(unwanted), computed_on=f"the mean over {len(chosen)} images")
