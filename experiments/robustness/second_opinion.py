"""What AutoAttack leaves of the first attacked images of a study's feedback, beside what the study left of them.

    python experiments/robustness/second_opinion.py --study studies/hardened/seed-11

needs the extra `art`.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from explainfb import classifiers
from explainfb.autoattack import autoattack
from explainfb.evaluation import load_evaluation
from explainfb.seeds import derive, torch_generator
from explainfb.settings import read_settings, task_of
from explainfb.study import last_classifier
from explainfb.types import ThreatModel


@dataclass(frozen=True, kw_only=True)
class SecondOpinion:
    study: Path
    images: int = 50
    epsilon: float = 0.1
    """In L∞; one of those that the study measured."""
    data_dir: Path | None = None


def main(wanted: SecondOpinion) -> None:
    torch.set_num_threads(1)
    settings = read_settings(wanted.study / "study.toml")
    test = task_of(settings, wanted.data_dir).test
    generator = torch_generator(derive(settings.seed, "evaluation"), "test images")  # as the study drew them
    some = test.take(torch.randperm(len(test), generator=generator)[: wanted.images])
    threat = ThreatModel("linf", wanted.epsilon)
    classifier = classifiers.load(last_classifier(wanted.study))
    held = autoattack(classifier, some.images, some.labels, threat_model=threat, seed=0)
    robust = load_evaluation(wanted.study / "evaluations" / "feedback.safetensors").robust
    ours = next(record for record in robust if record.threat_model == threat).survived[: wanted.images]
    print(f"AutoAttack {held.mean():.3f}, the study {sum(ours) / len(ours):.3f}, of {len(ours)} images")


if __name__ == "__main__":
    main(tyro.cli(SecondOpinion))
