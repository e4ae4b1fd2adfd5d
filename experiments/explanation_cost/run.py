"""What explaining costs beyond the forward passes that it cannot do without.

    python -m experiments.explanation_cost.run

One thread, LeNet on 28×28. Each repetition times one after another, in an order that turns round: `bare`, the
classifier alone on perturbed images that were made beforehand; `explain` with the paper's masks and fill; `default`,
`explain` with the masks and fill that a reward is followed with; and `lime`, the package end to end on the same masks
as `explain`, in batches as large. Ratios are taken within a repetition, so that what else the machine does weighs on
both.
"""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lime.lime_image
import numpy as np
import torch
import tyro

from experiments.explanation_cost.page import page_of
from experiments.page import write_json, write_page
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.passes import CHUNK_IMAGES
from explainfb.core.types import FloatArray, IntArray
from explainfb.explanations.explainer import explain, sample_perturbations
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.settings import PAPER, LimeSettings

Times = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is timed."""

    n_samples: int = 1000
    n_segments: int = 49
    repetitions: int = 60
    output: Path = Path("studies/explanation_cost")


class GivenMasks:
    """Stands in for the package's random state, so that it draws masks that were drawn before."""

    def __init__(self, masks: torch.Tensor) -> None:
        self.masks = masks.numpy().astype(int)

    def randint(self, low: int, high: int, count: int) -> IntArray:
        return self.masks.ravel().copy()


def with_lime(classifier: Classifier, image: torch.Tensor, target: int, segments: IntArray, masks: torch.Tensor) -> Any:
    """The package's explanation of one grey image (1, H, W)."""

    @torch.inference_mode()
    def predict(pictures: Sequence[FloatArray]) -> FloatArray:
        grey = torch.from_numpy(np.stack(pictures)[..., 0]).unsqueeze(1)
        probabilities: FloatArray = classifier(grey).softmax(1).numpy()
        return probabilities

    explainer = lime.lime_image.LimeImageExplainer(feature_selection="none")
    explainer.random_state = GivenMasks(masks)
    return explainer.explain_instance(
        image[0].numpy(),
        predict,
        labels=(target,),
        top_labels=None,
        num_features=int(segments.max()) + 1,
        num_samples=len(masks),
        batch_size=CHUNK_IMAGES,
        segmentation_fn=lambda picture: segments,
        random_seed=0,
    )


def arms(settings: Settings) -> dict[str, Callable[[], object]]:
    """What is timed, by name; raises AssertionError unless `lime` and `explain` give the same weights."""
    generator = torch.Generator().manual_seed(0)
    classifier = build_classifier(Architecture("lenet", 10, 1, 28, 28, (0.13,), (0.31,)))
    image = torch.rand(1, 28, 28, generator=generator)
    background = torch.rand(1000, 1, 28, 28, generator=generator)
    paper = replace(PAPER, n_samples=settings.n_samples, n_segments=settings.n_segments)
    default = LimeSettings(n_samples=settings.n_samples, n_segments=settings.n_segments)
    near = sample_perturbations(classifier, image, settings=paper)
    perturber = Perturber(image[None], torch.from_numpy(near.segments)[None], paper.fill)
    parts = perturber(near.masks[None], generator)[0].split(CHUNK_IMAGES)
    target = near.explain().target

    def bare() -> None:
        with torch.inference_mode():
            torch.cat([classifier(part).softmax(1) for part in parts])

    def ours(own: LimeSettings) -> Explanation:
        return explain(classifier, image[None], settings=own, background=background)[0]

    def package() -> lime.lime_image.ImageExplanation:
        return with_lime(classifier, image, target, near.segments, near.masks)

    difference = max(abs(ours(paper).weights[label] - weight) for label, weight in package().local_exp[target])
    assert difference < 1e-6, f"lime and explain differ by {difference}"
    return {"bare": bare, "explain": lambda: ours(paper), "default": lambda: ours(default), "lime": package}


def measure(timed: dict[str, Callable[[], object]], repetitions: int) -> Times:
    """Seconds of wall time and of this process's CPU time, for each arm and repetition."""
    times: Times = {name: [] for name in timed}
    for repetition in range(repetitions + 3):
        order = list(timed.items())
        for name, run in order if repetition % 2 else order[::-1]:
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: seconds[3:] for name, seconds in times.items()}


def summary(values: FloatArray) -> dict[str, float]:
    return {name: round(float(of(values)), 4) for name, of in (("min", np.min), ("median", np.median), ("max", np.max))}


def processor() -> str:
    described = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return described[0].partition(": ")[2] if described else platform.processor()


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    lime.lime_image.tqdm = lambda rows: rows  # its progress bar
    times = {name: np.array(seconds) for name, seconds in measure(arms(settings), settings.repetitions).items()}
    milliseconds, ratios = {}, {}
    for place, clock in enumerate(("wall", "cpu")):
        milliseconds[clock] = {name: summary(seconds[:, place] * 1000) for name, seconds in times.items()}
        bare = times["bare"][:, place]
        ratios[clock] = {name: summary(times[name][:, place] / bare) for name in times if name != "bare"}
    versions = {name: version(name) for name in ("torch", "lime", "numpy")}
    results = {
        "settings": {name: value for name, value in asdict(settings).items() if name != "output"},
        "machine": {"processor": processor(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **versions},
        "milliseconds": milliseconds,
        "times_bare": ratios,
    }
    settings.output.mkdir(parents=True, exist_ok=True)
    write_json(results, settings.output / "results.json")
    write_page(page_of(settings.output / "results.json"), settings.output)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
