"""One change to the feedback arm, on some seeds: what does it do to shifted and robust accuracy?

    python experiments/method/probe.py --name longer --seeds 0 1 --study.task mnist-decoy --study.finetune.steps 960

The classifier before feedback and the ceiling are trained once a seed. Every result is appended to results.jsonl at
once; a probe whose name, arm, task, seed and depth are in it is not run again.
"""

import json
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from torch import Tensor

from explainfb import classifiers
from explainfb.annotators import CoinAnnotator, SimulatedAnnotator
from explainfb.attacks import Attacker, AttackSettings, target_of
from explainfb.classifiers import Classifier
from explainfb.evaluation import evaluate
from explainfb.finetune import finetune
from explainfb.lime import LimeSettings, explain
from explainfb.loop import Loop
from explainfb.outcomes import as_results
from explainfb.progress import Progress
from explainfb.reward import ExplainedImages, pool
from explainfb.robustness import break_with_pgd
from explainfb.seeds import derive, torch_generator
from explainfb.settings import StudySettings, command_line
from explainfb.square import margin
from explainfb.store import Store
from explainfb.study import task_of
from explainfb.superpixels import batch_superpixels
from explainfb.tasks import Split, Task
from explainfb.training import predict_logits, train

HERE = Path(__file__).parent
EPSILONS = (0.05, 0.1)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One change, and how deep to look."""

    name: str
    """What is changed, in a word or two; a result already kept under it is not computed again."""
    arm: Literal["feedback", "coin", "oracle", "random_exchange", "before", "ceiling", "longer_ceiling"] = "feedback"
    """`oracle` follows the annotator's utility itself; `coin` learns from a coin's answers;
    `random_exchange` asks nobody and exchanges half of the superpixels, drawn anew each time; `longer_ceiling` is the
    ceiling after as many more steps of cross-entropy, at the same rates, as feedback takes."""
    seeds: tuple[int, ...] = (0, 1)
    depth: Literal["pgd", "full"] = "pgd"
    """`pgd`: two restarts on 200 shifted images, for exploring; `full`: the study's own evaluation."""
    data_dir: Path | None = None
    work: Path = HERE / "work"
    """Where classifiers, explanations and answers are kept."""
    results: Path = HERE / "results.jsonl"
    study: StudySettings = field(default_factory=StudySettings)


def main(probe: Probe) -> None:
    torch.set_num_threads(1)
    for seed in probe.seeds:
        settings = replace(probe.study, seed=seed)
        key = {"name": probe.name, "arm": probe.arm, "task": settings.task, "seed": seed, "depth": probe.depth}
        if any(all(row[name] == value for name, value in key.items()) for row in kept(probe.results)):
            continue
        start = time.monotonic()
        task = task_of(settings, probe.data_dir)
        classifier, learned = ARMS[probe.arm](probe, settings, task)
        tuned = time.monotonic()
        found = {"pgd": measure, "full": measure_fully}[probe.depth](classifier, task, seed)
        times = {"seconds": round(tuned - start, 1), "evaluation_seconds": round(time.monotonic() - tuned, 1)}
        row = key | {"command": command_line(settings)} | found | learned | times
        with probe.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps({name: value for name, value in row.items() if name != "command"}), flush=True)


def kept(path: Path) -> list[dict[str, Any]]:
    """Every result so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def start_of(probe: Probe, settings: StudySettings, task: Task, *, sound: bool = False) -> Path:
    """The file of the classifier before feedback, or of the one that never saw a shortcut."""
    path = probe.work / "start" / f"{settings.task}-{settings.seed}{'-sound' * sound}.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        if sound:
            assert task.sound_train is not None
            assert task.sound_validation is not None
            task = replace(task, train=task.sound_train, validation=task.sound_validation)
        classifiers.save(train(task, settings=settings.training, seed=settings.seed), path)
    return path


def before(probe: Probe, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    return classifiers.load(start_of(probe, settings, task)), {}


def ceiling(probe: Probe, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    return classifiers.load(start_of(probe, settings, task, sound=True)), {}


def longer_ceiling(probe: Probe, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    classifier = ceiling(probe, settings, task)[0]
    assert task.sound_train is not None
    for number in range(1, settings.rounds + 1):
        seed = derive(settings.seed, "finetune", number)
        classifier = finetune(
            classifier, task.sound_train, None, lime=settings.lime, settings=settings.finetune, seed=seed
        ).classifier
    return classifier, {}


def random_exchange(probe: Probe, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    classifier = before(probe, settings, task)[0]
    generator = torch_generator(settings.seed, "random exchange")
    for number in range(1, settings.rounds + 1):
        classifier = finetune(
            classifier,
            task.train,
            None,
            lime=settings.lime,
            settings=settings.finetune,
            worth=lambda images, _: random_worth(images, settings.lime, generator),
            seed=derive(settings.seed, "finetune", number),
        ).classifier
    return classifier, {}


def random_worth(images: Tensor, lime: LimeSettings, generator: torch.Generator) -> Tensor:
    segments = batch_superpixels(images, lime.superpixels, lime.segments)
    values = torch.rand(len(images), int(segments.max()) + 1, generator=generator)
    return values.gather(1, segments.flatten(1)).view_as(segments)


def feedback(probe: Probe, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    folder = probe.work / f"{probe.name}-{probe.arm}-{settings.task}-{settings.seed}"
    (folder / "classifiers").mkdir(parents=True, exist_ok=True)
    classifiers.save(before(probe, settings, task)[0], folder / "classifiers" / "round-0.safetensors")
    annotator: SimulatedAnnotator | CoinAnnotator = CoinAnnotator(seed=settings.seed)
    if probe.arm == "feedback":
        annotator = SimulatedAnnotator(split=task.train, seed=settings.seed, error_rate=settings.error_rate)
    with Store(folder / "study.db") as store:
        loop = Loop(
            folder=folder,
            task=task,
            settings=settings,
            device=torch.device("cpu"),
            progress=Progress(),
            name=probe.arm,
            store=store,
            annotator=annotator,
        )
        loop.run()
        accuracies = [row["reward_accuracy"] for row in loop.preferences()["by_round"]]
    return loop.classifier(settings.rounds), {"reward_accuracy": accuracies, "stopped": loop.stopped}


def oracle(probe: Probe, settings: StudySettings, task: Task) -> tuple[Classifier, dict[str, Any]]:
    """Every round follows the annotator's utility, brought to a standard deviation of 1 over 200 explanations."""
    assert task.train.relevance is not None
    relevance = task.train.relevance.float()

    def utility(explained: ExplainedImages, deviation: float) -> Tensor:
        inside = pool(relevance[explained.image_index][:, None], explained.segments, explained.weights.shape[1])[:, 0]
        strength = explained.weights.abs()
        return (strength * inside).sum(1) / strength.sum(1).clamp_min(1e-8) / deviation

    classifier = before(probe, settings, task)[0]
    annotator = SimulatedAnnotator(split=task.train, seed=settings.seed)
    for number in range(1, settings.rounds + 1):
        some = torch.randperm(len(task.train), generator=torch_generator(settings.seed, "oracle", number))[:200]
        images = task.train.images[some]
        explained = explain(classifier, images, settings=settings.lime, background=task.train.images)
        shares = torch.tensor([annotator.utility(item, int(i)) for item, i in zip(explained, some, strict=True)])
        classifier = finetune(
            classifier,
            task.train,
            partial(utility, deviation=float(shares.std())),
            lime=settings.lime,
            settings=settings.finetune,
            seed=derive(settings.seed, "finetune", number),
        ).classifier
    return classifier, {}


ARMS = {
    "before": before,
    "ceiling": ceiling,
    "longer_ceiling": longer_ceiling,
    "feedback": feedback,
    "coin": feedback,
    "oracle": oracle,
    "random_exchange": random_exchange,
}


def measure(classifier: Classifier, task: Task, seed: int) -> dict[str, Any]:
    """Accuracies, PGD on 200 shifted images, and where the classifier can be moved."""
    assert task.shifted is not None
    order = torch.randperm(len(task.shifted), generator=torch_generator(seed, "probe"))[:200]
    some = task.shifted.take(order)
    with target_of(classifier) as target:
        attacker = Attacker(target, some.images, some.labels, "linf", AttackSettings(), seed)
        wrong = target.wrong(some.images, some.labels).numpy()
        broken = break_with_pgd(attacker, wrong, EPSILONS)
    return {
        "shifted": accuracy(classifier, task.shifted),
        "clean": accuracy(classifier, task.clean),
        "robust": {str(e): round(float(1 - row.mean()), 3) for e, row in zip(EPSILONS, broken, strict=True)},
        "where": where(classifier, some),
    }


def accuracy(classifier: Classifier, split: Split) -> float:
    return round((predict_logits(classifier, split.images).argmax(1) == split.labels).float().mean().item(), 4)


def where(classifier: Classifier, some: Split) -> dict[str, float]:
    """Logit margins, their L1 gradients, and PGD at .1, on the border and in the middle."""
    assert some.relevance is not None
    middle = some.relevance[:, None].float()
    images = some.images.clone().requires_grad_()
    logits = classifier(images)
    room = margin(logits, some.labels)
    gradient = torch.autograd.grad(room.sum(), images)[0].abs()
    found = {
        "margin": float(room.detach().median()),
        "confidence": float(logits.detach().softmax(1).amax(1).mean()),
        "slope_border": float((gradient * (1 - middle)).sum((1, 2, 3)).median()),
        "slope_middle": float((gradient * middle).sum((1, 2, 3)).median()),
        "border_alone": attacked(classifier, some, 1 - middle),
        "middle_alone": attacked(classifier, some, middle),
    }
    return {name: round(value, 3) for name, value in found.items()}


def attacked(classifier: Classifier, some: Split, free: Tensor, epsilon: float = 0.1) -> float:
    """Accuracy under PGD on the margin where only the pixels `free` (N, 1, H, W) may change."""
    change = torch.zeros_like(some.images)
    holds = torch.ones(len(some), dtype=torch.bool)
    for _ in range(20):
        change.requires_grad_()
        room = margin(classifier(some.images + change), some.labels)
        holds &= room.detach() > 0
        step = torch.autograd.grad(room.sum(), change)[0].sign() * free * epsilon * 0.2
        change = ((some.images + (change.detach() - step).clamp(-epsilon, epsilon)).clamp(0, 1) - some.images).detach()
    with torch.no_grad():
        holds &= margin(classifier(some.images + change), some.labels) > 0
    return holds.float().mean().item()


def measure_fully(classifier: Classifier, task: Task, seed: int) -> dict[str, Any]:
    """What a study reports."""
    found = as_results(evaluate(classifier, task, seed=derive(seed, "evaluation")), seed=seed)
    robust = {f"{row['norm']} {row['epsilon']}": row["accuracy"] for row in found["robust_accuracy"]}
    flags = sorted({flag for row in found["robust_accuracy"] for flag in row["flags"]})
    names = {"shifted": "shifted_accuracy", "clean": "clean_accuracy", "ece": "ece", "shortcut_share": "shortcut_share"}
    return {short: found[name] for short, name in names.items()} | {"robust": robust, "flags": flags}


if __name__ == "__main__":
    main(tyro.cli(Probe))
