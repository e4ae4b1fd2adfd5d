"""explainfb: a classifier explains itself, people compare its explanations, and it is fine-tuned on what they say."""

from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import train
from explainfb.classifiers.transfer import pretrained
from explainfb.classifiers.wrapping import wrap
from explainfb.core.errors import InputError
from explainfb.core.types import ThreatModel
from explainfb.evaluation.evaluator import evaluate
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.lime import explain
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.settings import AttackSettings
from explainfb.study.settings import StudySettings
from explainfb.study.study import Study
from explainfb.tasks.datasets import load_task

__all__ = [
    "AttackSettings",
    "EvaluationSettings",
    "FinetuneSettings",
    "InputError",
    "LimeSettings",
    "RewardEnsemble",
    "Study",
    "StudySettings",
    "ThreatModel",
    "TrainingSettings",
    "evaluate",
    "explain",
    "finetune",
    "load_task",
    "pretrained",
    "robust_accuracy",
    "train",
    "wrap",
]
