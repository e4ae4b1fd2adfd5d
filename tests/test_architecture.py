"""The architecture: a package is a small concept, imports between packages go one way, some libraries have one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import explainfb

SOURCE = Path(explainfb.__file__).parent
CHECKOUT = Path(__file__).parents[1]
MOST_MODULES = 12
"""In one package, `__init__` included."""
MOST_LINES = 300
FLOORS = (
    ("core",),
    ("tasks", "store", "results", "statistics"),
    ("classifiers", "export"),
    ("explanations", "robustness", "doctor"),
    ("rewards", "evaluation", "report", "selection"),
    ("questions", "finetuning"),
    ("preferences",),
    ("study",),
    ("clips",),
    ("sweeps", "labelling"),
    ("archive",),
    ("cli", "testing"),
    ("__init__",),
    ("__main__",),
)
"""From the ground up: a package imports itself and packages of lower floors."""
DOORS = {"lime": "explanations", "foolbox": "robustness", "art": "robustness", "sqlalchemy": "store", "streamlit": ""}
"""The one package that may import each of these libraries; the app alone imports Streamlit."""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "explainfb":
                yield from (f"explainfb.{alias.name}" for alias in node.names)
            else:
                yield node.module


def violations(root: Path) -> list[str]:
    """What imports what it may not, in sentences."""
    floor = {package: number for number, packages in enumerate(FLOORS) for package in packages}
    found = []
    for path in sorted(root.rglob("*.py")):
        here = path.relative_to(root).parts[0].removesuffix(".py")
        if here not in floor:
            found.append(f"{here} stands on no floor")
            continue
        for name in imports(path):
            library, _, rest = name.partition(".")
            there = rest.split(".")[0]
            if library == "explainfb" and there not in ("", here) and floor[there] >= floor[here]:
                found.append(f"{path.relative_to(root)} imports {there}, which is not below {here}")
            if DOORS.get(library, here) != here:
                found.append(f"{path.relative_to(root)} imports the library {library}")
    return found


def test_packages_import_only_from_below() -> None:
    assert violations(SOURCE) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("from explainfb.study.study import Study", "imports study"),
        ("from explainfb import cli", "imports cli"),
        ("import explainfb.robustness", "imports robustness"),
        ("import foolbox", "imports the library foolbox"),
        ("from lime.lime_base import LimeBase", "imports the library lime"),
    ],
)
def test_a_violation_is_seen(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "classifiers").mkdir()
    (tmp_path / "classifiers" / "new.py").write_text(line)
    assert any(complaint in found for found in violations(tmp_path))


def test_a_package_without_a_floor_is_seen(tmp_path: Path) -> None:
    (tmp_path / "attic.py").write_text("")
    assert violations(tmp_path) == ["attic stands on no floor"]


def test_no_module_has_the_name_of_a_function_beside_it() -> None:
    """`import explainfb.PACKAGE.NAME as module` would give a function where a package exports one of that name."""
    clashes = []
    for package in (path for path in SOURCE.iterdir() if path.is_dir()):
        modules = {path.stem for path in package.glob("*.py")}
        for path in package.glob("*.py"):
            functions = {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}
            clashes += [f"{path.relative_to(SOURCE)}: {name}" for name in sorted(functions & modules)]
    assert clashes == []


def test_no_package_has_too_many_modules() -> None:
    packages = [
        folder for root in (SOURCE, CHECKOUT / "apps") for folder in (root, *root.rglob("*")) if folder.is_dir()
    ]
    sizes = {str(folder): len(list(folder.glob("*.py"))) for folder in packages}
    assert {"explainfb", "screens"} <= {folder.name for folder in packages}
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def test_no_file_is_too_long() -> None:
    files = [file for folder in (SOURCE, CHECKOUT / "apps", CHECKOUT / "tests") for file in folder.rglob("*.py")]
    lengths = {str(file): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert str(Path(__file__)) in lengths
    assert {file: length for file, length in lengths.items() if length > MOST_LINES} == {}
