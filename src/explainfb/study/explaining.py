"""Explaining the images of a round, nothing twice.

An explanation depends on the classifier's weights, the image, the settings and the seed, of which a study has one. So
what another round or another arm made from the same weights is taken from its file.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.passes import Passes, passes_of
from explainfb.core.devices import cores
from explainfb.core.errors import InputError
from explainfb.core.files import RESTORE, check_file, read_json, write_json
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import Explanations, load_explanations
from explainfb.preferences.queries import Pool
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.context import StudyContext

PASSES = "explanations/passes.json"
"""Where a study keeps how its perturbed images go through the network, if that was measured."""


def fingerprint(classifier: Classifier) -> str:
    """The same for two classifiers of a study whose weights are equal, and for no others."""
    found = hashlib.sha256()
    for name, tensor in sorted(classifier.state_dict().items()):
        found.update(name.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def rounds_that_differ(files: ArmFolder, current: int) -> list[int]:
    """The rounds before `current` whose classifier is not the one of round `current` again.

    Where a reward is not followed, a round leaves the classifier as it is: people are not asked to compare an
    explanation with itself.
    """
    now = fingerprint(files.classifier(current))
    return [number for number in range(current) if fingerprint(files.classifier(number)) != now]


def explain_pool(pool: Pool, context: StudyContext, files: ArmFolder, title: str) -> Explanations:
    """An explanation of each image of the pool by each of its classifiers, one at a time for the progress bar."""
    images, found = context.task.train.images, Explanations()
    made = _already_made(context, files, pool.round)
    with context.progress.stage(title, len(pool.keys)) as step:
        # classifier by classifier, so that each is loaded once
        for name in dict.fromkeys(key.classifier for key in pool.keys):
            classifier = files.classifier(int(name.removeprefix("round-")))
            weights = fingerprint(classifier)
            keys = [key for key in pool.keys if key.classifier == name]
            known = {key: made[weights, key.image] for key in keys if (weights, key.image) in made}
            step(len(known))
            found |= known
            new = [key for key in keys if key not in known]
            explained = _explain([images[key.image] for key in new], classifier, context)
            for key, explanation in zip(new, explained, strict=True):
                found[key] = explanation
                step(1)
    return {key: found[key] for key in pool.keys}


def _explain(images: list[Tensor], classifier: Classifier, context: StudyContext) -> Iterator[Explanation]:
    """An explanation of each of images (C, H, W), in threads, each of which computes on one.

    An image is explained by the same sums in the same order however many threads there are, so that the numbers are
    the same to the last bit.
    """
    if not images:
        return
    settings, background = context.settings, context.task.train.images
    passes = _passes_of_study(classifier, context)
    explainer = Explainer(classifier, settings=settings.lime, background=background, seed=settings.seed, passes=passes)
    with ThreadPoolExecutor(cores()) as threads:
        yield from threads.map(lambda image: explainer(image[None])[0], images)


def _passes_of_study(classifier: Classifier, context: StudyContext) -> Passes:
    """As the settings say; what was measured is kept, so that a study that goes on computes what it would have."""
    lime, path = context.settings.lime, context.folder / PASSES
    if lime.passes == "usual":
        return passes_of(classifier, "usual")
    if not path.is_file():
        write_json(asdict(passes_of(classifier, lime.passes, bfloat16=lime.bfloat16)), path)
    check_file(path)
    try:
        return Passes(**read_json(path))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); {RESTORE}.") from error


def _already_made(context: StudyContext, files: ArmFolder, number: int) -> dict[tuple[str, int], Explanation]:
    """What feedback's rounds and this arm's before `number` have explained, by the weights that were explained and the
    image."""
    found: dict[tuple[str, int], Explanation] = {}
    for folder in {item.path: item for item in (context.feedback_folder, files)}.values():
        weights: dict[str, str] = {}
        # not later ones: a lost file that is made again costs what it did the first time
        last = context.settings.rounds if folder.path != files.path else number - 1
        for path in _written(folder, last):
            for key, explanation in load_explanations(path).items():
                if key.classifier not in weights:
                    number = int(key.classifier.removeprefix("round-"))
                    weights[key.classifier] = fingerprint(folder.classifier(number))
                found[weights[key.classifier], key.image] = explanation
    return found


def _written(folder: ArmFolder, rounds: int) -> Iterable[Path]:
    paths = (folder.explanations_path(number) for number in range(1, rounds + 1))
    return [path for path in paths if path.is_file()]
