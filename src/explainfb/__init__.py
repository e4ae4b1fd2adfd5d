"""explainfb: a classifier explains itself, people compare its explanations, and it is fine-tuned on what they say."""

from explainfb.ensemble import RewardEnsemble
from explainfb.evaluation import evaluate
from explainfb.finetune import finetune
from explainfb.lime import LimeSettings, explain
from explainfb.pretrained import pretrained
from explainfb.settings import StudySettings
from explainfb.study import Study
from explainfb.tasks import load_task
from explainfb.training import TrainingSettings, train

__all__ = [
    "LimeSettings",
    "RewardEnsemble",
    "Study",
    "StudySettings",
    "TrainingSettings",
    "evaluate",
    "explain",
    "finetune",
    "load_task",
    "pretrained",
    "train",
]
