"""What the README prints is typed here line after line, in one folder, as a newcomer would type it.

Three things are done otherwise, so that it takes a minute or two: nothing is installed, since these tests run in an
environment that has been; the first study is small; and what waits for people is stopped once it does.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from explainfb import Study
from explainfb.store import Store

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = """ --rounds 1 --comparisons-per-round 24 --training.steps 60 --lime.n-samples 52 --reward.steps 20
    --finetune.steps 6 --evaluation.linf .1 --evaluation.l2 --evaluation.attack-images 4 --evaluation.explain-images 4
""".replace("\n", " ")
"""Put behind the lines that begin a study, which takes minutes as it is printed."""


def blocks() -> Iterator[tuple[str, str]]:
    """(language, text) of every block of code, in the order in which they stand."""
    yield from re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the first line leaves it: the environment in .venv, with the `explainfb` of this checkout."""
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    (commands / "explainfb").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m explainfb "$@"\n')
    (commands / "explainfb").chmod(0o755)
    (commands / "activate").write_text(f'PATH="{commands}:$PATH"\n')
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"} | more


def typed(line: str, folder: Path) -> str:
    """What a line prints; it must succeed."""
    words = ["bash", "-c", line]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def left_running(line: str, folder: Path, *, until: Callable[[], bool]) -> Iterator[None]:
    """A line that goes on, from when `until` is so."""
    printed = folder / "printed.txt"
    with printed.open("w") as output:
        words = ["bash", "-c", f"exec {line}"]
        process = subprocess.Popen(words, cwd=folder, env=environment(), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 240
        while not until():
            assert process.poll() is None, f"{line}\n{printed.read_text()}"
            assert time.monotonic() < deadline, f"{line}\n{printed.read_text()}"
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.timeout(900)
def test_every_line_does_what_the_readme_says_in_the_order_in_which_they_stand(folder: Path) -> None:
    shell, python = ([text.strip() for language, text in blocks() if language == name] for name in ("sh", "python"))
    first, tests, activate, doctor, people = shell
    results_and_picture, pictures = python
    for line in (first, tests):
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")

    printed = typed(first.rpartition(" && ")[2] + SMALL, folder)
    assert (folder / "studies/digits-decoy-1/report/index.html").is_file()

    def in_python(code: str) -> str:
        return typed(f"{activate} && {shlex.quote(sys.executable)} -c {shlex.quote(code)}", folder)

    accuracies, explained = in_python(results_and_picture).splitlines()
    results = Study.open(folder / "studies/digits-decoy-1").run()
    assert results.before.shifted_accuracy is not None
    assert float(accuracies.split()[0]) == results.before.shifted_accuracy.estimate
    assert 0 <= int(explained.split()[0]) <= 9
    with Image.open(folder / "why.png") as picture:
        assert picture.size == (2 * 224 + 8, 224)

    in_python(pictures)
    assert "13 of 13 checks passed" in typed(f"{activate} && {doctor}", folder)
    people_answer(people.splitlines(), folder)
    assert_is_as_printed(printed)


def people_answer(lines: list[str], folder: Path) -> None:
    """The run asks and waits; the app shows whoever has a personal link its page."""
    run, label, add = (f".venv/bin/{line}" for line in lines)
    port = free_port()
    with (
        left_running(run + SMALL, folder, until=lambda: is_asking(folder / "studies/mine")),
        left_running(f"{label} --port {port}", folder, until=lambda: answers(f"http://127.0.0.1:{port}")),
    ):
        link = re.search(r"http://\S+", typed(add, folder))
        assert link is not None
        assert f":{port}/" in link.group()
        assert answers(link.group())


def is_asking(study: Path) -> bool:
    if not (study / "study.db").is_file():
        return False
    with Store(study / "study.db") as store:
        return bool(store.comparisons())


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a page comes up."""
    try:
        with urllib.request.urlopen(url, timeout=10) as page:
            return bool(page.status == 200)
    except OSError:
        return False


def assert_is_as_printed(printed: str) -> None:
    """The block that shows what the first line prints is that, but for its numbers."""
    shown = next(text for language, text in blocks() if not language).splitlines()
    said = printed.splitlines()
    assert len(shown) == 10
    assert shown[1].split() in [line.split() for line in said], "the heads of the columns"
    for line in shown[2:8]:
        label = re.split(r"\s{2,}", line)[0]
        assert any(re.match(rf"{re.escape(label)}\s+\d", each) for each in said), f"a row called {label}"
    assert shown[-1] == said[-1]


def test_every_option_in_the_readme_and_the_pages_is_one_that_the_program_knows() -> None:
    """In blocks of shell, which `--help-all` of the same command must name."""
    texts = [README, *(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md")))]
    found = "\n".join(block for text in texts for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL))
    lines = [shlex.split(line)[1:] for line in found.splitlines() if line.startswith("explainfb ")]
    known = {command: help_of(command) for command in {line[0] for line in lines}}
    assert {"run", "label", "doctor", "sweep", "export"} <= known.keys()
    unknown = [
        (line[0], word) for line in lines for word in line if word.startswith("--") and word not in known[line[0]]
    ]
    assert unknown == []


def help_of(command: str) -> str:
    """All options of a command; one that has few has them all in --help."""
    words = [sys.executable, "-m", "explainfb", command]
    done = [
        subprocess.run([*words, option], capture_output=True, text=True, env=environment(), check=False)
        for option in ("--help", "--help-all")
    ]
    return "".join(each.stdout for each in done if each.returncode == 0)


def test_a_newcomer_reads_it_in_three_minutes() -> None:
    assert len(re.sub(r"```.*?```", "", README, flags=re.DOTALL).split()) <= 700


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [target for target in targets if not (ROOT / target).exists()] == []
