"""A study of a task and a classifier that are at hand, as they are in a program."""

from dataclasses import replace
from pathlib import Path

import torch

from explainfb.classifiers.classifier import Classifier, check_classifier, save_classifier
from explainfb.classifiers.loading.transferable import Origin
from explainfb.core.errors import InputError
from explainfb.study.folder import SETTINGS
from explainfb.study.rounds import OWN_START, START
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import read_settings
from explainfb.study.starting.presets import PHOTOGRAPHS, are_photographs
from explainfb.study.study import Study
from explainfb.tasks.task import Task


def begin_with(
    folder: Path,
    task: Task,
    model: Classifier,
    settings: StudySettings | None,
    *,
    device: torch.device | str,
    database: str | Path | None,
) -> Study:
    """As `Study.begin` says."""
    check_classifier(model)
    if model.architecture.classes != len(task.class_names):
        raise InputError(
            f"The classifier has {model.architecture.classes} classes and {task.name} has {len(task.class_names)}; "
            "transfer the network to this task first."
        )
    if settings is None and (folder / SETTINGS).is_file():
        settings = read_settings(folder / SETTINGS)  # what was usual when it was begun
    wanted = settings_for(task, model, settings)
    origin = model.origin if isinstance(model.origin, Origin) else None
    start = None if origin is None else origin.network
    recipe = task.recipe
    assert recipe is not None
    study = Study.open(
        folder, wanted, data_dir=recipe.data_dir, device=device, database=database, task=task, start=start
    )
    first = study.context.feedback_folder.classifier_path(0)
    if start is not None and not (folder / START).is_file():
        save_classifier(start, folder / START)
    if not first.is_file():
        save_classifier(model, first)
    return study


def settings_for(task: Task, model: Classifier, settings: StudySettings | None) -> StudySettings:
    """The settings with this task and this classifier in them."""
    recipe = task.recipe
    if recipe is None:
        raise InputError(
            f"{task.name} was made by hand, and a study must be able to make it again: put what makes it into "
            "explainfb.TASKS and take it from load_task."
        )
    settings = settings or (PHOTOGRAPHS if are_photographs(task.image_shape) else StudySettings())
    training = replace(settings.training, classifier=model.architecture.name, train=model.architecture.train)
    origin = model.origin if isinstance(model.origin, Origin) else None
    return replace(
        settings,
        task=recipe.task,
        train_images=recipe.train_images,
        shortcut=recipe.shortcut,
        shortcut_rate=recipe.rate,
        image_size=recipe.image_size,
        fit=recipe.fit,
        plant=recipe.plant,
        seed=recipe.seed,
        weights=None if origin is None else OWN_START,
        training=training if origin is None else origin.settings,
    )
