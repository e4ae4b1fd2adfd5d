"""Every word that people see: whole in every language, checked when the app starts, and nowhere else in the screens."""

import ast
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.labelling.server import app_script
from explainfb.labelling.wording_files import (
    LANGUAGES,
    WORDING,
    Language,
    check_texts,
    wording_in,
    wording_of,
    write_wording,
)
from explainfb.preferences.settings import QuerySettings
from explainfb.study.settings import StudySettings

SCREENS = app_script().parent / "screens"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_wording(tmp_path / WORDING, "en")
    return tmp_path


def change(study: Path, old: str, new: str) -> None:
    path = study / WORDING
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_comes_along_whole(language: Language, tmp_path: Path) -> None:
    write_wording(tmp_path / WORDING, language)
    words = wording_of(tmp_path)
    assert words == wording_in(language)
    assert words.language.startswith(language)
    assert (words.direction == "rtl") == (language == "ar")


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_what_is_said_is_translated(language: Language) -> None:
    """All but the scale's numbers; instructions name the keys, which are the same everywhere."""
    english, other = asdict(wording_in("en")), asdict(wording_in(language))
    same = [
        f"{section}.{name}"
        for section, lines in english.items()
        if isinstance(lines, dict)
        for name, line in lines.items()
        if line == other[section][name] and re.search(r"[a-z]{3}", re.sub(r"{\w+}", "", line))
    ]
    assert set(same) <= {
        "buttons.pause",
        "buttons.instructions",
        "welcome.instructions_title",
        "practice.triangle",
        "stimuli.points",
    }
    for question in ("compare", "rate"):
        assert all(f"{key} " in other[question]["keys"] for key in "UPOI")
        assert "**" in other[question]["instructions"]


def test_a_study_without_a_file_is_asked_in_english(tmp_path: Path) -> None:
    assert wording_of(tmp_path) == wording_in("en")


def test_a_study_may_change_every_line(study: Path) -> None:
    change(study, '"Left is better"', '"The left bird, “please”"')
    assert wording_of(study).answers.left == "The left bird, “please”"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('undo = "Undo"\n', "", "missing buttons.undo"),
        ('undo = "Undo"', 'undo = "Undo"\nundone = "Done"', "unknown buttons.undone"),
        ("[history]", "[histroy]", "missing history"),
        ('pause = "Pause"', 'pause = ""', "buttons.pause"),
        ('pause = "Pause"', 'pause = "  "', "buttons.pause is '  ', expected a text"),
        ('"about {hours} h"', '"about {hours:>99999999} h"', "progress.hours needs {hours}"),
        ('"about {hours} h"', '"about {hours!r} h"', "progress.hours needs {hours}"),
        ('pause = "Pause"', "pause = 3", "buttons.pause is '3', expected a text"),
        ('"{done} of {total}, {time} left"', '"{done} done"', "progress.text needs {done} and {time} and {total}"),
        ('"about {hours} h"', '"about {hours h"', "progress.hours needs {hours}"),
        ('"Undo"', '"Undo {this}"', "buttons.undo needs no braces"),
        ('"ltr"  #', '"up"  #', "direction is 'up'"),
        ("[history]", "[history", "cannot be read"),
    ],
)
def test_a_line_that_does_not_fit_is_named_when_the_app_starts(study: Path, old: str, new: str, told: str) -> None:
    change(study, old, new)
    with pytest.raises(InputError) as refused:
        wording_of(study)
    assert told in str(refused.value)
    assert WORDING in str(refused.value)


def test_an_editors_mark_of_utf_8_is_passed_over(study: Path) -> None:
    (study / WORDING).write_text("\ufeff" + (study / WORDING).read_text(encoding="utf-8"), encoding="utf-8")
    assert wording_of(study) == wording_in("en")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("Wording.toml", b"", "call it wording.toml"),
        ("practice.toml.txt", b"", "call it practice.toml"),
        ("CONSENT.MD", b"Agreed?", "call it consent.md"),
        ("consent.md", "Für alle".encode("latin-1"), "as a text in UTF-8"),
        ("instructions.md", b"\x1b[2J", "command a terminal"),
        ("practice.toml", None, "no file that can be read"),
    ],
)
def test_a_file_that_nobody_would_see_or_not_as_it_was_meant_is_named(
    tmp_path: Path, name: str, text: bytes | None, told: str
) -> None:
    path = tmp_path / name
    path.symlink_to("nowhere") if text is None else path.write_bytes(text)
    with pytest.raises(InputError, match=told):
        check_texts(tmp_path)


def test_what_people_wrote_may_have_several_lines_and_languages(tmp_path: Path) -> None:
    (tmp_path / "consent.md").write_bytes("\ufeffFür alle,\r\n\tвсе".encode())
    (tmp_path / "notes.md").write_bytes(b"\xff")  # whatever else lies there is nobody's to judge
    check_texts(tmp_path)


SUPERPIXELS = StudySettings(queries=QuerySettings(compared="superpixels"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_parts_of_one_picture_are_asked_about_in_words_of_their_own(language: Language, tmp_path: Path) -> None:
    write_wording(tmp_path / WORDING, language)
    usual, words = wording_of(tmp_path), wording_of(tmp_path, SUPERPIXELS)
    for section in ("compare", "rate", "practice"):
        changed = [
            name
            for name, line in vars(getattr(usual, section)).items()
            if getattr(words, section).__dict__[name] != line
        ]
        spoken = ["left_better", "right_better", "both_good", "both_bad", "good", "bad"]
        assert changed == (spoken if section == "practice" else ["title", "instructions", "question", "again"])
    assert usual.answers == words.answers
    assert words.compare.instructions.count("**") >= 8  # same picture, choose, no difference, both good, both bad


@pytest.mark.parametrize("settings", [StudySettings(), SUPERPIXELS])
def test_a_file_of_before_says_of_superpixels_what_it_said_then(tmp_path: Path, settings: StudySettings) -> None:
    write_wording(tmp_path / WORDING, "de")
    text = (tmp_path / WORDING).read_text(encoding="utf-8")
    old = re.sub(r"\[superpixels\].*?(?=\[yes_no\])", "", text, flags=re.DOTALL)
    assert old != text
    (tmp_path / WORDING).write_text(old, encoding="utf-8")
    words = wording_of(tmp_path, settings)
    assert (words.compare, words.practice) == (wording_in("de").compare, wording_in("de").practice)


def test_what_was_worked_on_is_not_overwritten(study: Path) -> None:
    with pytest.raises(InputError, match="is there already"):
        write_wording(study / WORDING, "de")


def words_in(source: str) -> list[str]:
    """The texts of a screen that read like something to be read: a capital and small letters, or several words.

    Those that name keys of widgets, styles and errors of the program do not.
    """
    found = []
    tree = ast.parse(source)
    documented = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            text = re.sub(r"<[^>]*>?|[^<]*>", "", node.value).strip()
            if re.match(r"[A-Z][a-z]+\b", text) or re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", text):
                found.append(text)
    return found


KEYS = {"Left", "Right", "Up", "Down", "Enter", "Escape"}


def test_the_screens_take_every_word_from_the_wording() -> None:
    """The researchers' page is in English, as the report is, and what callbacks log is for its readers."""
    screens = [path for path in SCREENS.glob("*.py") if path.name != "researcher.py"]
    assert len(screens) > 8
    said = {path.name: [text for text in words_in(path.read_text()) if text not in KEYS] for path in screens}
    assert {name: texts for name, texts in said.items() if texts} == {}


@pytest.mark.parametrize(
    "line", ['st.write("Thank you very much!")', 'button("Undo")', 'st.html("<h1>Well done</h1>")']
)
def test_a_word_in_a_screen_is_seen(line: str) -> None:
    assert words_in(line)
    assert words_in(f"def screen():\n    {line}")
