"""`check` reads what people wrote for whoever answers, before the first of them does."""

from pathlib import Path

import pytest

from command_line import run
from explainfb.explanations.storage import explanations_path, load_explanations
from kept_studies import KEPT, unpacked


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return unpacked(KEPT[-1], tmp_path / "study")


def said(study: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = run("check", str(study))
    return status, " ".join(capsys.readouterr().out.split())


def test_texts_that_fit_are_sound(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("wording", "--study", str(study)) == 0
    example = "left = 'round-0/{}'\nright = 'round-0/{}'\nanswer = 'left'\nbecause = 'so'\n"
    (study / "practice.toml").write_text("[[example]]\n" + example.format(*images_of(study)[:2]))
    assert said(study, capsys)[0] == 0


def images_of(study: Path) -> list[int]:
    return [key.image for key in load_explanations(explanations_path(study, 1))]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (
            "wording.toml",
            "[compare\n",
            "wording.toml cannot be read (Expected ']' at the end of a table declaration (at",
        ),
        ("wording.toml", "direction = 'ltr'\ncolour = 'red'\n", "unknown colour"),
        ("practice.toml", "[[example]]\nleft = 'round-0/1'\n", "example 1 needs left, right, answer and because"),
        (
            "practice.toml",
            "[[example]]\nleft = 'round-0/99998'\nright = 'round-0/99999'\nanswer = 'left'\nbecause = 'so'\n",
            "round 1 has no explanation round-0/99998",
        ),
        (
            "practice.toml",
            "[[example]]\nleft = 'round-0/1'\nright = 'round-0/2'\nanswer = 'left'\nbecause = 'so'\nround = 9\n",
            "practice.toml cannot be used",
        ),
        ("consent.md", "\x1b[31m", "consent.md has characters that command a terminal"),
    ],
)
def test_what_nobody_could_be_shown_is_named(
    name: str, text: str, found: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / name).write_text(text)
    status, told = said(study, capsys)
    assert status == 1
    assert found in told
    assert "Mend it, or restore it from a copy." in told
