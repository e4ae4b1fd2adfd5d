"""The floors of the house: a module imports only from floors below its own, and four packages have one door each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import explainfb

SOURCE = Path(explainfb.__file__).parent
FLOORS = [
    {"errors", "seeds"},
    {"attack_settings", "files", "finetune_settings", "types"},
    {"overlays", "pictures", "torchvision_networks"},
    {"classifiers", "devices", "folders", "hiding", "masks", "progress", "shortcuts"}
    | {"pgd", "square", "statistics", "store", "superpixels", "temperature"},
    {"answers", "budget", "honesty", "lime", "penalties", "results", "reward", "surroundings", "target", "tasks"},
    {
        "annotators",
        "attacks",
        "descent",
        "ensemble",
        "exchange",
        "explanations",
        "gold",
        "export",
        "quality",
        "training",
    }
    | {"wrapping"},
    {"evidence", "fitting"},
    {
        "asking",
        "autoattack",
        "doctor",
        "finetune",
        "foretelling",
        "labelling",
        "pretrained",
        "queries",
        "report",
        "robustness",
    },
    {"baselines", "curves", "evaluation"},
    {"contrasts", "outcomes", "settings"},
    {"exhibits", "loop", "study_folder"},
    {"bench", "material", "practice"},
    {"arms"},
    {"study"},
    {"finished", "workplace", "__init__"},
    {"spreading"},
    {"sweep"},
    {"grid"},
    {"grid_page"},
    {"grid_figures"},
    {"serving"},
    {"cli_people"},
    {"cli"},
    {"__main__"},
]
ONLY_IMPORTERS = {
    "lime": {"lime"},
    "foolbox": {"attacks"},
    "art": {"autoattack"},
    "sqlalchemy": {"store"},
    "streamlit": set(),
}
"""Which of our modules may import these packages."""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "explainfb":
                yield from (f"explainfb.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room_of(path: Path, root: Path) -> str:
    """The module, or the package that it lies in."""
    return path.relative_to(root).parts[0].removesuffix(".py")


def broken_floors(root: Path) -> list[str]:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    broken = []
    for path in sorted(root.rglob("*.py")):
        room = room_of(path, root)
        if room not in floor:
            broken.append(f"{room} stands on no floor")
            continue
        for name in imports(path):
            top, _, rest = name.partition(".")
            if top == "explainfb" and rest and (other := rest.split(".")[0]) != room and floor[other] >= floor[room]:
                broken.append(f"{path.relative_to(root)} imports {other}, which is not below it")
            if top in ONLY_IMPORTERS and top != "explainfb" and room not in ONLY_IMPORTERS[top]:
                broken.append(f"{path.relative_to(root)} imports the package {top}")
    return broken


def test_every_module_imports_only_from_below() -> None:
    assert broken_floors(SOURCE) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("from explainfb.study import Study", "imports study"),
        ("from explainfb import cli", "imports cli"),
        ("import explainfb.lime", "imports lime"),
        ("import foolbox", "imports the package foolbox"),
        ("from lime.lime_base import LimeBase", "imports the package lime"),
    ],
)
def test_a_broken_floor_is_seen(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "masks.py").write_text(line)
    assert any(complaint in found for found in broken_floors(tmp_path))


def test_a_module_without_a_floor_is_seen(tmp_path: Path) -> None:
    (tmp_path / "attic.py").write_text("")
    assert broken_floors(tmp_path) == ["attic stands on no floor"]
