"""What documents import from explainfb is there, and costs nothing before it is asked for."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import explainfb

CONTRACT = {
    "load_task",
    "train",
    "pretrained",
    "wrap",
    "explain",
    "RewardEnsemble",
    "finetune",
    "evaluate",
    "robust_accuracy",
    "Study",
    "StudySettings",
    "TrainingSettings",
    "LimeSettings",
    "QuerySettings",
    "RewardSettings",
    "FinetuneSettings",
    "EvaluationSettings",
    "AttackSettings",
    "BaselineSettings",
}
"""What others rely on."""


def test_every_public_name_can_be_imported() -> None:
    names: dict[str, object] = {}
    exec("from explainfb import *", names)
    assert set(explainfb.__all__) <= set(names)
    assert CONTRACT <= set(explainfb.__all__) <= set(dir(explainfb))
    assert explainfb.__version__ == version("explainfb")


def test_a_name_that_is_not_there_is_missing_as_anywhere() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        explainfb.nonsense  # noqa: B018


def test_a_module_is_imported_as_a_module() -> None:
    import explainfb.finetuning.feedback as module

    assert module.finetune is explainfb.finetune


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    code = (
        "import sys, explainfb; assert 'numpy' not in sys.modules; explainfb.StudySettings; explainfb.InputError; "
        "assert 'torch' not in sys.modules; explainfb.train; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
