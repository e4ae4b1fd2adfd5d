"""Where the command line meets a terminal, a disk and a user's Ctrl-C, it says a sentence and shows no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import run


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_sign_is_told_which(encoding: str) -> None:
    lines = "from rich.console import Console; from explainfb.cli.commands import print_anywhere; print_anywhere()"
    words = [sys.executable, "-c", f"{lines}; Console().print('✓ ε caf\\udce9')"]
    ended = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, check=True)
    assert ended.stdout.decode(encoding).startswith("\\u2713 \\u03b5 caf\\udce9")


def test_a_name_that_is_no_utf_8_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(Path("pictures"))
    os.rename(b"pictures/a", b"pictures/caf\xe9")
    assert run("run", "--task", "folder:pictures", "--study", "s") == 2
    assert "caf\\udce9" in capsys.readouterr().err.encode("ascii", "strict").decode()
    assert not Path("s/study.toml").exists()


def hear_interrupts() -> None:
    """As a terminal's programs do; a script that runs tests in the background has them ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.timeout(120)  # else a run that was not interrupted would go on
@pytest.mark.parametrize("imported", ["explainfb.cli", "numpy", "explainfb.study.settings"])
def test_ctrl_c_while_it_starts_is_answered_in_a_sentence(imported: str) -> None:
    words = [sys.executable, "-X", "importtime", "-m", "explainfb", "run", "--study", "s", "--rounds", "1"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=hear_interrupts)
    assert process.stderr is not None
    # by what it has imported, since how long that takes is another matter
    for line in process.stderr:
        if line.decode().rpartition("|")[2].strip() == imported:
            break
    process.send_signal(signal.SIGINT)
    err = process.stderr.read()
    process.stderr.close()
    # Python itself ends by the signal where an import was interrupted within an `exec`
    assert process.wait(timeout=60) in (130, -signal.SIGINT)
    assert b"Traceback" not in err
    assert b"Stopped" in err


@pytest.mark.parametrize("words", ["run --study file", "run --study file/below", "label --study file"])
def test_a_file_where_a_folder_should_be_is_told(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert run(*words.split()) == 2
    assert capsys.readouterr().err.startswith("explainfb: ")


def test_a_file_that_the_system_refuses_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def refused(command: object, console: object) -> int:
        raise PermissionError(13, "Permission denied", "s/report")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explainfb.cli.study.Report.__call__", refused)
        assert run("report", "--study", "s") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said == "explainfb: s/report cannot be read or written (Permission denied); choose another place."


def fill(root: Path) -> Path:
    for index in range(60):
        file = root / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        levels = np.random.default_rng(index).integers(0, 4096, (12, 12)).astype(np.uint16)
        Image.fromarray(levels).save(file)
    return root


def test_what_was_read_of_a_folder_is_said_before_it_is_trained_on(capsys: pytest.CaptureFixture[str]) -> None:
    fill(Path("pictures"))
    Path("pictures/notes.txt").touch()
    task = ["--task", "folder:pictures", "--image-size", "12"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explainfb.study.study.Study.run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run("run", "--study", "s", *task, "--annotator", "human", "--comparisons-per-round", "8") == 130
    said = capsys.readouterr().out
    for words in (
        "Classes, with training + validation + test pictures: a ",
        "Each 12×12 pixels, grey; masks: none",
        "Left out, because it lies beside the class folders: pictures/notes.txt.",
        "No picture is brighter than",
    ):
        assert words in said


TRIES = """
import os
try:
    os.kill(os.getpid(), 2)
except BaseException:
    pass
"""
IMPORTS = """
import signal
from explainfb.__main__ import _interrupt
signal.signal(2, _interrupt)
import tries
print("went on")
"""


def test_ctrl_c_is_not_swallowed_by_a_library_that_tries_an_import(tmp_path: Path) -> None:
    (tmp_path / "tries.py").write_text(TRIES)
    places = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, "-c", IMPORTS]
    ended = subprocess.run(
        words, capture_output=True, env=os.environ | {"PYTHONPATH": places}, preexec_fn=hear_interrupts
    )
    assert (ended.returncode, ended.stdout) == (130, b"")
    assert ended.stderr.startswith(b"Stopped")
