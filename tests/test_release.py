"""What a release is made of: every dependency has a reason and a use, and the lock file is of these dependencies."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?P<marker> ;.*)? \\$", re.MULTILINE)
INSIDE = {"tensorboard", "psycopg", "multiprocess"}
"""Imported by others: by torch.utils.tensorboard, SQLAlchemy and ART."""
BROUGHT_ALONG = {"starlette": "streamlit", "dask": "distributed", "markupsafe": "jinja2", "playwright": "test"}
"""Imported here, and brought by what needs it in any case; playwright only by what tests of one's own may import."""


def distributions() -> dict[str, set[str]]:
    """What is installed, by the names under which it is imported."""
    return {name: set(map(canonicalize_name, found)) for name, found in metadata.packages_distributions().items()}


def imported() -> set[str]:
    """The libraries that explainfb and the app import, also by name."""
    found = set()
    for path in (*ROOT.glob("src/**/*.py"), *ROOT.glob("apps/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
                name = node.args[0]  # where it is not written down, it is one that the user names
                found |= {str(name.value).partition(".")[0]} if isinstance(name, ast.Constant) else set()
    return found - set(sys.stdlib_module_names) - {"explainfb", "screens"}


def needed() -> set[str]:
    wanted = (*PROJECT["dependencies"], *EXTRAS["postgresql"], *EXTRAS["art"], *EXTRAS["cluster"])
    return {canonicalize_name(Requirement(each).name) for each in wanted}


def test_every_dependency_is_imported_and_every_import_is_a_dependency() -> None:
    by_name, libraries = distributions(), imported()
    found = {library: by_name.get(library, {canonicalize_name(library)}) for library in libraries}
    assert needed() - set().union(*found.values()) - INSIDE <= {"ray", "adversarial-robustness-toolbox"}
    undeclared = {library for library, names in found.items() if not names & needed()}
    assert undeclared - {"art"} == BROUGHT_ALONG.keys()  # art goes by another name, and need not be installed


def lines_of_dependencies() -> Iterator[tuple[str, str]]:
    """Each line that names a dependency, and the line above it."""
    within, above = False, ""
    for line in PYPROJECT.splitlines():
        within = within or line.startswith("dependencies = [") or line == "[project.optional-dependencies]"
        within = within and line != "[project.scripts]"
        if within and '"' in line:
            yield line, above
        above = line


def test_no_dependency_is_without_a_reason() -> None:
    lines = list(lines_of_dependencies())
    assert len(lines) > 40
    assert [line for line, above in lines if "  # " not in line and not above.strip().startswith("#")] == []


def locked() -> dict[str, str]:
    return {canonicalize_name(found["name"]): found["version"] for found in PINNED.finditer(LOCK)}


def test_the_lock_satisfies_every_requirement_and_what_those_need() -> None:
    """As far as they are installed here, in their turn."""
    pins = locked()
    to_see = [Requirement(each) for each in (*PROJECT["dependencies"], *EXTRAS["postgresql"])]
    seen: set[str] = set()
    while to_see:
        wanted = to_see.pop()
        name = canonicalize_name(wanted.name)
        assert name in pins, f"{name} is not locked; make requirements.lock anew"
        assert wanted.specifier.contains(pins[name], prereleases=True), f"{wanted} is not {pins[name]}"
        if name in seen:
            continue
        seen.add(name)
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if metadata.version(name) == pins[name]:
            to_see += [each for each in map(Requirement, requires) if _applies(each, wanted.extras)]
    assert len(seen) > 60


def _applies(wanted: Requirement, extras: set[str]) -> bool:
    if wanted.marker is None:
        return True
    return any(wanted.marker.evaluate({**default_environment(), "extra": extra}) for extra in (extras or {""}))


def test_everything_that_is_locked_has_its_hashes_and_no_place_where_it_comes_from() -> None:
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked()) > 80
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    assert not re.search(r"//|file:|@|--(extra-)?index", LOCK)


@pytest.mark.parametrize("words", ["Report", "docs/reliability.md", "explainfb label"])
def test_there_is_a_page_on_security(words: str) -> None:
    assert words in (ROOT / "SECURITY.md").read_text()
