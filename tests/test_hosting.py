"""The files for hosting: what they tell Docker to run exists, and where there is Docker it runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOSTING = Path(__file__).parents[1] / "hosting"
COMPOSE, DOCKERFILE = HOSTING / "compose.yaml", HOSTING / "Dockerfile"
SETTINGS = {"SITE": "study.example.org", "DATABASE_PASSWORD": "secret"}


def commands() -> list[list[str]]:
    """What the services run inside the image, with the settings filled in."""
    found = re.findall(r"command: >-\n((?:      .*\n)+)", COMPOSE.read_text())
    filled = [re.sub(r"\$\{(\w+)[^}]*\}", lambda match: SETTINGS[match[1]], each) for each in found]
    return [shlex.split(each) for each in filled]


def test_the_image_is_told_commands_that_there_are() -> None:
    """Each is understood, as it comes to what is wrong here: that there is no such folder, or no such server."""
    assert [words[0] for words in commands()] == ["run", "label"]
    assert 'ENTRYPOINT ["explainfb"]' in DOCKERFILE.read_text()
    for words in commands():
        words = [word.replace("@database/", "@127.0.0.1:9/") for word in words]
        done = subprocess.run(
            [sys.executable, "-m", "explainfb", *words, "--help"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"usage: explainfb {words[0]}")


def test_what_is_copied_into_the_image_is_what_is_installed() -> None:
    ignored = (HOSTING.parent / ".dockerignore").read_text().split()
    assert {".git", "hosting/.env"} <= set(ignored)
    assert not {"src", "apps", "pyproject.toml", "README.md", "LICENSE"} & set(ignored)


def docker_runs() -> bool:
    """Whether there is Docker, with compose and a daemon."""
    asked = (["docker", "compose", "version"], ["docker", "info"])
    return shutil.which("docker") is not None and all(
        subprocess.run(words, capture_output=True, check=False, timeout=20).returncode == 0 for words in asked
    )


@pytest.mark.skipif(not docker_runs(), reason="there is no Docker here")
def test_docker_understands_it_and_the_image_answers() -> None:
    environment = os.environ | SETTINGS
    subprocess.run(["docker", "compose", "-f", str(COMPOSE), "config", "-q"], env=environment, check=True)
    subprocess.run(["docker", "compose", "-f", str(COMPOSE), "build", "app"], env=environment, check=True)
    said = subprocess.run(["docker", "run", "--rm", "explainfb", "--version"], capture_output=True, check=True).stdout
    assert said
