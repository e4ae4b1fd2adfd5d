"""explainfb: a classifier explains itself, people compare its explanations, and it is fine-tuned on what they say.

Everything public is imported from here. A name is loaded when it is first asked for: PyTorch and what stands on it take
seconds, which a command that needs neither should not wait for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explainfb.classifiers.classifier import Classifier
    from explainfb.classifiers.networks import BUILDERS
    from explainfb.classifiers.settings import TrainingSettings
    from explainfb.classifiers.training import train
    from explainfb.classifiers.transfer import pretrained
    from explainfb.classifiers.wrapping import wrap
    from explainfb.core.errors import InputError
    from explainfb.core.types import (
        Answer,
        Comparison,
        CrossCheck,
        Explanation,
        Interval,
        Preference,
        RobustAccuracy,
        ThreatModel,
    )
    from explainfb.evaluation.evaluator import Evaluation, evaluate
    from explainfb.evaluation.settings import EvaluationSettings
    from explainfb.explanations.lime import explain
    from explainfb.explanations.plots import save_overlay
    from explainfb.explanations.settings import LimeSettings
    from explainfb.finetuning.feedback import finetune
    from explainfb.finetuning.optimisation import batch_draws, optimise
    from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
    from explainfb.preferences.settings import QuerySettings
    from explainfb.preferences.simulated import SimulatedAnnotator
    from explainfb.results.records import StudyResults
    from explainfb.rewards.ensemble import RewardEnsemble
    from explainfb.rewards.settings import RewardSettings
    from explainfb.robustness.accuracy import robust_accuracy
    from explainfb.robustness.settings import AttackSettings
    from explainfb.study.arms import ARMS, Tuned
    from explainfb.study.settings import StudySettings
    from explainfb.study.study import Study
    from explainfb.tasks.datasets import load_task
    from explainfb.tasks.task import Split, Task

    __version__: str

HOMES = {
    "ARMS": "study.arms",
    "BUILDERS": "classifiers.networks",
    "Answer": "core.types",
    "AttackSettings": "robustness.settings",
    "BaselineSettings": "finetuning.settings",
    "Classifier": "classifiers.classifier",
    "Comparison": "core.types",
    "CrossCheck": "core.types",
    "Evaluation": "evaluation.evaluator",
    "EvaluationSettings": "evaluation.settings",
    "Explanation": "core.types",
    "FinetuneSettings": "finetuning.settings",
    "InputError": "core.errors",
    "Interval": "core.types",
    "LimeSettings": "explanations.settings",
    "Preference": "core.types",
    "QuerySettings": "preferences.settings",
    "RewardEnsemble": "rewards.ensemble",
    "RewardSettings": "rewards.settings",
    "RobustAccuracy": "core.types",
    "SimulatedAnnotator": "preferences.simulated",
    "Split": "tasks.task",
    "Study": "study.study",
    "StudyResults": "results.records",
    "StudySettings": "study.settings",
    "Task": "tasks.task",
    "ThreatModel": "core.types",
    "TrainingSettings": "classifiers.settings",
    "Tuned": "study.arms",
    "batch_draws": "finetuning.optimisation",
    "evaluate": "evaluation.evaluator",
    "explain": "explanations.lime",
    "finetune": "finetuning.feedback",
    "load_task": "tasks.datasets",
    "optimise": "finetuning.optimisation",
    "pretrained": "classifiers.transfer",
    "robust_accuracy": "robustness.accuracy",
    "save_overlay": "explanations.plots",
    "train": "classifiers.training",
    "wrap": "classifiers.wrapping",
}
"""The module under explainfb that each public name is from."""

__all__ = [
    "ARMS",
    "BUILDERS",
    "Answer",
    "AttackSettings",
    "BaselineSettings",
    "Classifier",
    "Comparison",
    "CrossCheck",
    "Evaluation",
    "EvaluationSettings",
    "Explanation",
    "FinetuneSettings",
    "InputError",
    "Interval",
    "LimeSettings",
    "Preference",
    "QuerySettings",
    "RewardEnsemble",
    "RewardSettings",
    "RobustAccuracy",
    "SimulatedAnnotator",
    "Split",
    "Study",
    "StudyResults",
    "StudySettings",
    "Task",
    "ThreatModel",
    "TrainingSettings",
    "Tuned",
    "__version__",
    "batch_draws",
    "evaluate",
    "explain",
    "finetune",
    "load_task",
    "optimise",
    "pretrained",
    "robust_accuracy",
    "save_overlay",
    "train",
    "wrap",
]


def __getattr__(name: str) -> object:
    """A public name that was not asked for before; from then on it is an attribute as any other."""
    if name == "__version__":
        found: object = import_module("importlib.metadata").version("explainfb")
    elif name in HOMES:
        found = getattr(import_module(f"explainfb.{HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'explainfb' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
