"""explainfb: a classifier explains itself, people compare its explanations, and it is fine-tuned on what they say.

Everything public is imported from here. A name is loaded when it is first asked for: PyTorch and what stands on it take
seconds, which a command that needs neither should not wait for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explainfb.classifiers.classifier import Classifier
    from explainfb.classifiers.loading.any_network import network
    from explainfb.classifiers.loading.preprocessing import IMAGENET
    from explainfb.classifiers.loading.transferable import Network
    from explainfb.classifiers.networks import BUILDERS
    from explainfb.classifiers.settings import TrainingSettings
    from explainfb.classifiers.torchvision_networks import Preprocessing
    from explainfb.classifiers.training import predict_logits, train
    from explainfb.classifiers.transfer import pretrained
    from explainfb.classifiers.wrapping import wrap
    from explainfb.cli.commands import main
    from explainfb.clips.clip import Clip
    from explainfb.clips.study import ClipSettings, ClipStudy
    from explainfb.core.errors import InputError
    from explainfb.core.types import (
        Answer,
        Comparison,
        CrossCheck,
        ExplanationKey,
        Interval,
        Preference,
        RobustAccuracy,
        ThreatModel,
    )
    from explainfb.evaluation.evaluator import Evaluation, evaluate
    from explainfb.evaluation.settings import EvaluationSettings
    from explainfb.explanations.explainer import Explainer, explain
    from explainfb.explanations.explanation import Explanation
    from explainfb.explanations.metrics import deletion, infidelity, insertion, sensitivity
    from explainfb.explanations.plots import save_overlay
    from explainfb.explanations.settings import LimeSettings
    from explainfb.finetuning.batches import training_batches
    from explainfb.finetuning.feedback import finetune
    from explainfb.finetuning.objective import Objective, Penalty
    from explainfb.finetuning.optimisation import optimise
    from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
    from explainfb.preferences.random_utility import RandomUtilityAnnotator
    from explainfb.preferences.settings import CareSettings, QuerySettings, RandomUtilitySettings
    from explainfb.preferences.simulated import SimulatedAnnotator
    from explainfb.results.json_file import read_results
    from explainfb.results.records import StudyResults
    from explainfb.rewards.dataset import PreferenceBatch, as_seen_by_reward
    from explainfb.rewards.ensemble import RewardEnsemble
    from explainfb.rewards.features import ClassifierFeatures
    from explainfb.rewards.fitting import fit_ensemble
    from explainfb.rewards.settings import RewardSettings
    from explainfb.robustness.accuracy import robust_accuracy
    from explainfb.robustness.learned.adversary import Adversary, aggrieve
    from explainfb.robustness.learned.settings import AdvGANSettings
    from explainfb.robustness.settings import AttackSettings
    from explainfb.selection.images import pick
    from explainfb.selection.picked import Pick
    from explainfb.selection.submodular import submodular_pick
    from explainfb.study.arms.arm import FinetunedArm
    from explainfb.study.arms.registry import ARMS
    from explainfb.study.settings import StudySettings
    from explainfb.study.starting.presets import PHOTOGRAPHS
    from explainfb.study.study import Study
    from explainfb.sweeps.runner import run_grid
    from explainfb.sweeps.settings import Grid, GridSettings
    from explainfb.tasks.datasets import TASKS, folder, load_task
    from explainfb.tasks.planting.kinds import Background, Frame, Grey, Position, Sticker, Tint, Watermark
    from explainfb.tasks.task import Split, Task

    __version__: str

HOMES = {
    "ARMS": "study.arms.registry",
    "BUILDERS": "classifiers.networks",
    "AdvGANSettings": "robustness.learned.settings",
    "Adversary": "robustness.learned.adversary",
    "Answer": "core.types",
    "AttackSettings": "robustness.settings",
    "BaselineSettings": "finetuning.settings",
    "CareSettings": "preferences.settings",
    "Classifier": "classifiers.classifier",
    "ClassifierFeatures": "rewards.features",
    "Clip": "clips.clip",
    "ClipSettings": "clips.study",
    "ClipStudy": "clips.study",
    "Comparison": "core.types",
    "CrossCheck": "core.types",
    "Evaluation": "evaluation.evaluator",
    "EvaluationSettings": "evaluation.settings",
    "Explanation": "explanations.explanation",
    "ExplanationKey": "core.types",
    "FinetuneSettings": "finetuning.settings",
    "Grid": "sweeps.settings",
    "GridSettings": "sweeps.settings",
    "InputError": "core.errors",
    "Interval": "core.types",
    "LimeSettings": "explanations.settings",
    "IMAGENET": "classifiers.loading.preprocessing",
    "Network": "classifiers.loading.transferable",
    "PHOTOGRAPHS": "study.starting.presets",
    "Preprocessing": "classifiers.torchvision_networks",
    "Objective": "finetuning.objective",
    "Penalty": "finetuning.objective",
    "Pick": "selection.picked",
    "Preference": "core.types",
    "PreferenceBatch": "rewards.dataset",
    "QuerySettings": "preferences.settings",
    "RandomUtilityAnnotator": "preferences.random_utility",
    "RandomUtilitySettings": "preferences.settings",
    "RewardEnsemble": "rewards.ensemble",
    "RewardSettings": "rewards.settings",
    "RobustAccuracy": "core.types",
    "SimulatedAnnotator": "preferences.simulated",
    "Split": "tasks.task",
    "Study": "study.study",
    "StudyResults": "results.records",
    "StudySettings": "study.settings",
    "TASKS": "tasks.datasets",
    "Task": "tasks.task",
    "ThreatModel": "core.types",
    "TrainingSettings": "classifiers.settings",
    "FinetunedArm": "study.arms.arm",
    "aggrieve": "robustness.learned.adversary",
    "as_seen_by_reward": "rewards.dataset",
    "evaluate": "evaluation.evaluator",
    "deletion": "explanations.metrics",
    "infidelity": "explanations.metrics",
    "insertion": "explanations.metrics",
    "sensitivity": "explanations.metrics",
    "Explainer": "explanations.explainer",
    "explain": "explanations.explainer",
    "finetune": "finetuning.feedback",
    "fit_ensemble": "rewards.fitting",
    "load_task": "tasks.datasets",
    "folder": "tasks.datasets",
    **dict.fromkeys(
        ("Background", "Frame", "Grey", "Position", "Sticker", "Tint", "Watermark"), "tasks.planting.kinds"
    ),
    "main": "cli.commands",
    "optimise": "finetuning.optimisation",
    "pick": "selection.images",
    "network": "classifiers.loading.any_network",
    "predict_logits": "classifiers.training",
    "pretrained": "classifiers.transfer",
    "read_results": "results.json_file",
    "robust_accuracy": "robustness.accuracy",
    "run_grid": "sweeps.runner",
    "save_overlay": "explanations.plots",
    "submodular_pick": "selection.submodular",
    "train": "classifiers.training",
    "training_batches": "finetuning.batches",
    "wrap": "classifiers.wrapping",
}
"""The module under explainfb that each public name is from."""

__all__ = [
    "ARMS",
    "BUILDERS",
    "IMAGENET",
    "PHOTOGRAPHS",
    "TASKS",
    "AdvGANSettings",
    "Adversary",
    "Answer",
    "AttackSettings",
    "Background",
    "BaselineSettings",
    "CareSettings",
    "Classifier",
    "ClassifierFeatures",
    "Clip",
    "ClipSettings",
    "ClipStudy",
    "Comparison",
    "CrossCheck",
    "Evaluation",
    "EvaluationSettings",
    "Explainer",
    "Explanation",
    "ExplanationKey",
    "FinetuneSettings",
    "FinetunedArm",
    "Frame",
    "Grey",
    "Grid",
    "GridSettings",
    "InputError",
    "Interval",
    "LimeSettings",
    "Network",
    "Objective",
    "Penalty",
    "Pick",
    "Position",
    "Preference",
    "PreferenceBatch",
    "Preprocessing",
    "QuerySettings",
    "RandomUtilityAnnotator",
    "RandomUtilitySettings",
    "RewardEnsemble",
    "RewardSettings",
    "RobustAccuracy",
    "SimulatedAnnotator",
    "Split",
    "Sticker",
    "Study",
    "StudyResults",
    "StudySettings",
    "Task",
    "ThreatModel",
    "Tint",
    "TrainingSettings",
    "Watermark",
    "__version__",
    "aggrieve",
    "as_seen_by_reward",
    "deletion",
    "evaluate",
    "explain",
    "finetune",
    "fit_ensemble",
    "folder",
    "infidelity",
    "insertion",
    "load_task",
    "main",
    "network",
    "optimise",
    "pick",
    "predict_logits",
    "pretrained",
    "read_results",
    "robust_accuracy",
    "run_grid",
    "save_overlay",
    "sensitivity",
    "submodular_pick",
    "train",
    "training_batches",
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
