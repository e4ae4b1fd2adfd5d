"""Explaining the images of a round, nothing twice.

An explanation depends on the classifier's weights, the image, the settings and the seed, of which a study has one. So
what another round or another arm made from the same weights is taken from its file.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch

from explainfb.classifiers.classifier import Classifier
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import Explanations, load_explanations
from explainfb.preferences.queries import Pool
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.context import StudyContext


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
            explainer = None
            for key in keys:
                same = made.get((weights, key.image))
                if same is None:
                    explainer = explainer or _explainer(classifier, context)
                    [same] = explainer(images[key.image][None])
                found[key] = same
                step(1)
    return found


def _explainer(classifier: Classifier, context: StudyContext) -> Explainer:
    settings, background = context.settings, context.task.train.images
    return Explainer(classifier, settings=settings.lime, background=background, seed=settings.seed)


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
