"""explainfb: a classifier explains itself, people compare its explanations, and it is fine-tuned on what they say."""

from explainfb.attack_settings import AttackSettings
from explainfb.ensemble import RewardEnsemble
from explainfb.errors import InputError
from explainfb.evaluation import EvaluationSettings, evaluate
from explainfb.finetune import finetune
from explainfb.finetune_settings import FinetuneSettings
from explainfb.lime import LimeSettings, explain
from explainfb.pretrained import pretrained
from explainfb.robustness import robust_accuracy
from explainfb.settings import StudySettings
from explainfb.study import Study
from explainfb.tasks import load_task
from explainfb.training import TrainingSettings, train
from explainfb.types import ThreatModel
from explainfb.wrapping import wrap

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
