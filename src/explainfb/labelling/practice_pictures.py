"""The pictures of practice, and the weights that are put on them: clean ones on the thing, noisy ones anywhere."""

from dataclasses import dataclass

import numpy as np

from explainfb.core.seeding import numpy_generator
from explainfb.core.types import BoolArray, FloatArray, IntArray
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass
from explainfb.explanations.superpixels import coverage, grid, segment
from explainfb.labelling.stimuli import Stimulus
from explainfb.labelling.wording import Wording
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task

SHAPES = ("circle", "triangle", "cross", "square")
SCATTERED = 12
"""So many ways of scattering weights are tried; the one with least on the object is taken."""
PICTURES = 6
"""So many pictures the worked example and the three others need."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that shows no shortcut, and where the thing is that it shows."""

    image: FloatArray
    """(C, H, W) in [0, 1]."""
    thing: BoolArray
    """(H, W)."""
    class_name: str
    cut: IntArray
    """(H, W) the labels of its superpixels."""


def own_pictures(task: Task, settings: StudySettings) -> list[Picture]:
    """Training images as they were before the shortcut was planted; none where nobody knows what that would be."""
    split = task.train_without_shortcut
    if split is None or split.relevance is None:
        return []
    found: list[Picture] = []
    for index in range(len(split)):
        image, thing = split.images[index], split.relevance[index].numpy()
        if len(found) < PICTURES and thing.any():
            cut = segment(image, settings.lime.superpixels, settings.lime.n_segments)
            name = task.class_names[int(split.labels[index])]
            found.append(Picture(image.double().numpy(), thing, name, cut))
    return found if len(found) == PICTURES else []


def drawn_pictures(task: Task, settings: StudySettings, words: Wording) -> list[Picture]:
    """Drawn shapes, of the size and the colours that the study's pictures have."""
    channels, height, width = task.image_shape
    cut = grid(height, width, max(settings.lime.n_segments, 25))
    found = []
    for number in range(PICTURES):
        shape = SHAPES[number % len(SHAPES)]
        thing = _shape(shape, height, width)
        image = np.full((channels, height, width), 0.2)
        image[:, thing] = np.array([[0.55], [0.75], [0.8]])[-channels:]
        found.append(Picture(image, thing, getattr(words.practice, shape), cut))
    return found


def _shape(shape: str, height: int, width: int) -> BoolArray:
    """(H, W): where the shape is."""
    size = min(height, width)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    rows, columns = rows - (height - 1) / 2, columns - (width - 1) / 2
    arm, reach = size / 10, size / 3.2
    inside = np.maximum(abs(rows), abs(columns)) < reach
    shapes = {
        "circle": rows**2 + columns**2 < reach**2,
        "triangle": (abs(rows) < reach) & (abs(columns) < (rows + reach) / 2),
        "cross": inside & ((abs(rows) < arm) | (abs(columns) < arm)),
        "square": inside,
    }
    found: BoolArray = shapes[shape]
    return found


def clean_weights(picture: Picture, strengths: FloatArray) -> FloatArray:
    """(d,) strong weights where the thing is most to be seen, and none elsewhere."""
    contrast = np.abs(picture.image - np.median(picture.image, axis=(1, 2), keepdims=True)).sum(0)
    sizes = np.bincount(picture.cut.ravel())
    seen = np.bincount(picture.cut.ravel(), weights=(contrast * picture.thing).ravel()) / sizes
    count = max(3, len(sizes) // 6)
    weights = np.zeros(len(sizes))
    weights[np.argsort(-seen, kind="stable")[:count]] = _strongest(strengths, count)
    return weights


def noisy_weights(picture: Picture, strengths: FloatArray, *, seed: int) -> FloatArray:
    """(d,) as strong weights of either sign anywhere in the picture."""
    generator = numpy_generator(seed, "practice")
    count = int(np.max(picture.cut)) + 1
    used = max(4, count // 3)

    def scatter() -> FloatArray:
        weights = np.zeros(count)
        weights[generator.permutation(count)[:used]] = _strongest(strengths, used) * generator.choice([1, 1, -1], used)
        return weights

    found = [scatter() for _ in range(SCATTERED)]
    return min(found, key=lambda weights: relevance_mass(_explanation(picture, weights), picture.thing))


def one_piece(picture: Picture, weights: FloatArray, place: int, *, lies_on_thing: bool) -> FloatArray:
    """(d,) the `place`-th strongest of the weights (d,) alone, on a piece that is clearly on the thing or beside it.

    Pieces with a weight come first, so that it mostly stays where it was.
    """
    covered = coverage(picture.thing, picture.cut)
    order = np.lexsort((-np.abs(weights), -covered if lies_on_thing else covered.round(2)))
    found = np.zeros(len(weights))
    found[order[place]] = np.sort(np.abs(weights))[::-1][place]
    return found


def _strongest(strengths: FloatArray, count: int) -> FloatArray:
    """(count,) the strongest weights of an explanation, none less than half of its strongest."""
    ordered = np.sort(strengths)[::-1]
    found: FloatArray = np.maximum(np.resize(ordered, count), ordered[0] / 2)
    return found


def _explanation(picture: Picture, weights: FloatArray) -> Explanation:
    return Explanation(0, probability=0.9, segments=picture.cut, weights=weights, intercept=0.1, fit=1.0)


def stimulus_of(picture: Picture, weights: FloatArray) -> Stimulus:
    return Stimulus(picture.image, _explanation(picture, weights), picture.class_name)
