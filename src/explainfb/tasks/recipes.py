"""task.toml: what a task is made of, in a file beside its pictures."""

from dataclasses import replace
from pathlib import Path

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields
from explainfb.core.files import parse_toml
from explainfb.tasks.settings import TaskRecipe

KNOWN = ("path", "task", "train_images", "shortcut", "image_size", "fit", "plant", "rate", "seed")


def read_recipe(file: Path, given: TaskRecipe) -> TaskRecipe:
    """What the file says, and of the rest what is given. Raises `InputError` naming it where it is damaged."""
    try:
        found = parse_toml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as settings of a task ({error}).") from error
    if unknown := sorted(found.keys() - set(KNOWN)):
        raise InputError(f"{file} has settings that no task has: {', '.join(unknown)}; known are {', '.join(KNOWN)}.")
    if ("path" in found) == ("task" in found):
        raise InputError(f"{file} has neither or both of path (a folder of pictures) and task (a name); give one.")
    if "path" in found:
        found["task"] = f"folder:{file.parent / str(found.pop('path'))}"
    recipe = replace(given, **found)
    check_fields(recipe, f"{file}: ")
    return recipe
