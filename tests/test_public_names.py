"""What documents import from explainfb is there, and costs nothing before it is asked for."""

import dataclasses
import inspect
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


def test_wherever_a_path_is_taken_a_string_is() -> None:
    """Of settings, `check_fields` makes a path of it."""
    public = {name: getattr(explainfb, name) for name in explainfb.__all__}
    methods = {
        f"{name}.{method}": function
        for name, item in public.items()
        if inspect.isclass(item)
        for method, function in inspect.getmembers(item, callable)
        if method in vars(item) and not method.startswith("_")
    }
    functions = {name: item for name, item in public.items() if callable(item) and not dataclasses.is_dataclass(item)}
    wanting = []
    for name, function in (functions | methods).items():
        try:
            taken = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # of classes written in C
            continue
        wanting += [f"{name}: {one}" for one in taken if "Path" in str(one.annotation) and "str" not in str(one)]
    assert not wanting


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    code = (
        "import sys, explainfb; assert 'numpy' not in sys.modules; explainfb.StudySettings; explainfb.InputError; "
        "assert 'torch' not in sys.modules; explainfb.train; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
