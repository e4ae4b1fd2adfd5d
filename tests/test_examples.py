"""Every public name has an example in its docstring, which does what it says, and a place in the reference."""

import ast
import doctest
import inspect
import re
from itertools import pairwise
from pathlib import Path

import pytest

import explainfb
from explainfb.results.json_file import write_results
from results_example import example_results

ROOT = Path(__file__).parents[1]
NAMES = [name for name in explainfb.__all__ if name != "__version__"]
DATA = {name for name in NAMES if name.isupper()}


def docstring(name: str) -> str:
    """Of a class or function; of a dictionary, what stands below it in its module."""
    if name not in DATA:
        return inspect.getdoc(getattr(explainfb, name)) or ""
    home = ROOT / "src" / "explainfb" / f"{explainfb.HOMES[name].replace('.', '/')}.py"
    body = ast.parse(home.read_text(encoding="utf-8")).body
    for line, below in pairwise(body):
        names = [node.id for node in ast.walk(line) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        match below:
            case ast.Expr(value=ast.Constant(value=str(text))) if names == [name]:
                return text
    return ""


@pytest.fixture
def finished_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one's own, in which studies/first has been run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies" / "first").mkdir(parents=True)
    write_results(example_results(), tmp_path / "studies" / "first" / "results.json")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("finished_study")
def test_the_example_does_what_it_says(name: str) -> None:
    example = doctest.DocTestParser().get_doctest(docstring(name), {}, name, None, None)
    assert example.examples, f"{name} has no example in its docstring"
    said: list[str] = []
    failed, _ = doctest.DocTestRunner().run(example, out=said.append)
    assert failed == 0, "".join(said)


def test_every_public_name_is_in_the_reference() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.rst"))
    there = re.findall(r"^\.\. auto\w+:: (?:explainfb\.[\w.]+\.)?(\w+)$", pages, flags=re.MULTILINE)
    assert sorted(there) == sorted(NAMES)
