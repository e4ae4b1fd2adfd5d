"""One change to the feedback arm, on some seeds: what does it do to shifted and robust accuracy?

    python experiments/method/probe.py --name longer --seeds 0 1 --study.task mnist-decoy --study.finetune.steps 960

The classifier before feedback and the ceiling are trained once a seed. Every result is appended to results.jsonl at
once; a probe whose name, arm, task, seed and depth are in it is not run again.
"""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from arms import ARMS
from leads import LEADS, with_random_patches
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import predict_logits
from explainfb.core.seeding import derive, torch_generator
from explainfb.evaluation.evaluator import evaluate
from explainfb.evaluation.summary import as_results
from explainfb.robustness.accuracy import break_with_pgd
from explainfb.robustness.attacks import Attacker
from explainfb.robustness.settings import AttackSettings
from explainfb.robustness.square import margin
from explainfb.robustness.target import target_of
from explainfb.study.settings import StudySettings, command_line
from explainfb.study.study import task_of
from explainfb.tasks.task import Split, Task

HERE = Path(__file__).parent
EPSILONS = (0.05, 0.1)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One change, and how deep to look."""

    name: str
    """What is changed, in a word or two; a result already kept under it is not computed again."""
    arm: str = "feedback"
    """What is done, by its name in `arms.py` or `leads.py`."""
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
    arm = (ARMS | LEADS).get(probe.arm)
    if arm is None:
        raise SystemExit(f"Unknown arm {probe.arm!r}; expected one of {', '.join(ARMS | LEADS)}.")
    for seed in probe.seeds:
        settings = replace(probe.study, seed=seed)
        key = {"name": probe.name, "arm": probe.arm, "task": settings.task, "seed": seed, "depth": probe.depth}
        if any(all(row[name] == value for name, value in key.items()) for row in kept(probe.results)):
            continue
        start = time.monotonic()
        task = task_of(settings, probe.data_dir)
        folder = probe.work / f"{probe.name}-{probe.arm}-{settings.task}-{seed}"
        classifier, learned = arm(folder, settings, task)
        tuned = time.monotonic()
        found = {"pgd": measure, "full": measure_fully}[probe.depth](classifier, task, seed)
        found["validation"] = validation_accuracy(classifier, task, settings)
        times = {"seconds": round(tuned - start, 1), "evaluation_seconds": round(time.monotonic() - tuned, 1)}
        row = key | {"command": command_line(settings)} | found | learned | times
        with probe.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps({name: value for name, value in row.items() if name != "command"}), flush=True)


def kept(path: Path) -> list[dict[str, Any]]:
    """Every result so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


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


def validation_accuracy(classifier: Classifier, task: Task, settings: StudySettings) -> float | None:
    """On validation images whose shortcut points at a random class: what may be chosen by."""
    if task.sound_validation is None:
        return None
    return accuracy(classifier, with_random_patches(task.sound_validation, task, settings, "validation"))


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
