"""How images go through a network when nothing is learned: how many at a time, and how its weights lie in memory.

Neither changes what a network says beyond the last bits, and both change how long it takes.
"""

import copy
import time
from dataclasses import dataclass
from typing import Literal

import torch

from explainfb.classifiers.classifier import Classifier
from explainfb.core.seeding import torch_generator

How = Literal["usual", "measured"]
CPU_CHUNK_BYTES, CHUNK_BYTES = 2**21, 2**24
"""Images that go through a network at a time. On a CPU 3 of 224×224 in colour, whose activations stay in its cache: 16
take twice as long (EfficientNet-Lite0)."""
CHUNK_IMAGES = 128
"""Activations of many more images go back to the system after each chunk, which can double the time on a CPU."""
CHANNELS_LAST_SIDE = 128
"""From so many pixels a side on weights lie with the channels last, which takes .6 to .9 of the time at 224 (AlexNet,
EfficientNet, MobileNetV3, ResNet-18), and 1.06 at 64 (ResNet-18)."""
FACTORS = (0.5, 1, 2, 4)
"""Times the usual number of images at a time: what is measured."""
REPETITIONS = 3
"""Of which the fastest counts, because whatever else the machine does only takes time."""


@dataclass(frozen=True)
class Passes:
    """How images go through a network."""

    images: int
    """How many at a time."""
    channels_last: bool = False
    """Whether its weights lie in memory with the channels last."""


_MEASURED: dict[tuple[object, ...], Passes] = {}
"""What was measured in this process, by network."""


def passes_of(classifier: Classifier, how: How, *, bfloat16: bool = False) -> Passes:
    """What is usual, or what was measured, once in a process."""
    if how == "usual":
        return usual_passes(classifier)
    weights = sum(parameter.numel() for parameter in classifier.parameters())
    key = (classifier.architecture, weights, str(classifier.device), bfloat16, torch.get_num_threads())
    if key not in _MEASURED:
        _MEASURED[key] = measure_passes(in_layout(classifier, channels_last=False, bfloat16=bfloat16))
    return _MEASURED[key]


def usual_passes(classifier: Classifier) -> Passes:
    """By the size of the images alone, and so the same on every machine."""
    large = _pixels(classifier) >= CHANNELS_LAST_SIDE**2 and classifier.device.type == "cpu"
    return Passes(usual_images(classifier), large and _takes_channels_last(classifier))


def usual_images(classifier: Classifier) -> int:
    """How many images at a time."""
    limit = CPU_CHUNK_BYTES if classifier.device.type == "cpu" else CHUNK_BYTES
    most = limit // (classifier.architecture.channels * _pixels(classifier) * torch.float32.itemsize)
    return max(1, min(CHUNK_IMAGES, classifier.comfortable_batch, most))


def _pixels(classifier: Classifier) -> int:
    """Of an image as large as it is given or as the network sees it."""
    shape = classifier.architecture
    return max((shape.resize or 0) ** 2, shape.height * shape.width)


@torch.inference_mode()
def _takes_channels_last(classifier: Classifier) -> bool:
    shape = classifier.architecture
    try:
        # `forward`, here and below, so that what is tried is not counted as what an explanation cost
        in_layout(classifier, channels_last=True).forward(torch.zeros(2, shape.channels, shape.height, shape.width))
    except Exception:  # of any kind: the network may be anyone's, and call `view`
        return False
    return True


@torch.inference_mode()
def measure_passes(classifier: Classifier) -> Passes:
    """What is fastest on this machine: with each layout, a few numbers of images about the usual one are tried.

    Some 200 images go through the network. On other devices than a CPU it is the usual, without a measurement.
    """
    usual, shape = usual_images(classifier), classifier.architecture
    if classifier.device.type != "cpu":
        return usual_passes(classifier)
    sizes = sorted({max(1, min(classifier.comfortable_batch, round(usual * factor))) for factor in FACTORS})
    generator = torch_generator(0, "measured passes")
    images = torch.rand(sizes[-1], shape.channels, shape.height, shape.width, generator=generator)
    layouts = {False: in_layout(classifier, channels_last=False)}
    if _takes_channels_last(classifier):
        layouts[True] = in_layout(classifier, channels_last=True)
    took: dict[Passes, float] = {}
    for repetition in range(REPETITIONS + 1):
        for channels_last, network in layouts.items():
            for size in sizes:
                start = time.perf_counter()
                network.forward(images[:size])
                if repetition:  # the first time memory is taken and code is made ready
                    passes, each = Passes(size, channels_last), (time.perf_counter() - start) / size
                    took[passes] = min(each, took.get(passes, each))
    return min(took, key=lambda passes: took[passes])


def in_layout(classifier: Classifier, *, channels_last: bool, bfloat16: bool = False) -> Classifier:
    """The classifier in evaluation mode, or a copy of it where its weights are to lie or to be kept otherwise.

    With `bfloat16` the network computes in 16 bits; normalisation and softmax stay as they are.
    """
    if channels_last or bfloat16:
        classifier = copy.deepcopy(classifier)
        # the normalisation is not converted: three digits of a mean would shift every pixel
        if bfloat16:
            classifier.network.bfloat16()
        if channels_last:
            classifier.network.to(memory_format=torch.channels_last)
    return classifier.eval()
