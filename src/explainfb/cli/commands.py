"""The command line: each command is a record of its options, and calling it does the work."""

import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import tyro
from rich.console import Console
from tyro.conf import DisallowNone, subcommand

import explainfb
from explainfb.cli import study, sweep
from explainfb.cli.answers import Export, Import
from explainfb.cli.doctor import Doctor
from explainfb.cli.help_pages import option_rules
from explainfb.cli.keeping import Backup, Check, Verify
from explainfb.cli.old_options import with_new_names
from explainfb.cli.people import Annotators, Label, Wording
from explainfb.cli.printing import say
from explainfb.cli.study import Evaluate, Report, Run
from explainfb.cli.sweep import Sweep
from explainfb.core.errors import InputError
from explainfb.core.names import check_name, printable
from explainfb.study.starting.begun import with_own_settings
from explainfb.study.starting.presets import with_preset

Command = (
    Annotated[Run, subcommand("run")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Report, subcommand("report")]
    | Annotated[Check, subcommand("check")]
    | Annotated[Verify, subcommand("verify")]
    | Annotated[Backup, subcommand("backup")]
    | Annotated[Doctor, subcommand("doctor")]
    | Annotated[Sweep, subcommand("sweep")]
    | Annotated[Label, subcommand("label")]
    | Annotated[Annotators, subcommand("annotators")]
    | Annotated[Wording, subcommand("wording")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Import, subcommand("import")]
)
USUAL_OPTIONS = {"run": study.USUAL_OPTIONS, "sweep": sweep.USUAL_OPTIONS}
"""What the first page of help shows of the commands that have many options."""
DESCRIPTION = """A classifier explains itself, people compare its explanations, and it is fine-tuned on what they say.
`explainfb COMMAND --help` tells more of a command, and `explainfb --version` which explainfb this is."""


def read(words: Sequence[str]) -> Command:
    """The command that is meant. Prints help, or what is wrong, and raises `SystemExit`, where none is."""
    command, usual = list(words), None
    if "--help-all" in words:
        command = [*(word for word in words[:1] if word != "--help-all"), "--help"]
    elif {"-h", "--help"} & set(words):
        usual = USUAL_OPTIONS.get(words[0])
    try:
        return tyro.cli(
            Command,
            prog="explainfb",
            description=DESCRIPTION,
            args=command,
            config=(DisallowNone,),
            registry=option_rules(usual),
        )
    except BrokenPipeError:  # `explainfb run --help | head`: the reader has gone, which is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def print_anywhere() -> None:
    """Have a terminal that cannot show a sign be told which it was, in place of an error in the middle of the work.

    Warnings come without the line of code that gives them.
    """
    warnings.formatwarning = lambda message, *_: f"explainfb: {message}\n"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(arguments: Sequence[str] | None = None) -> None:
    """What `explainfb` does when it is typed, for a file of your own that has put its arms and networks there first.

    `arguments` are the words behind the program's name, those that were typed unless they are given. It never returns:
    it exits, with status 2 and one sentence for bad input.

    >>> from explainfb import main
    >>> main(["run", "--rounds", "0"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    print_anywhere()
    if threading.current_thread() is threading.main_thread():  # no other may say what a signal does
        signal.signal(signal.SIGTERM, _terminate)
    words, told = with_new_names(sys.argv[1:] if arguments is None else arguments)
    aside = Console(stderr=True)
    for sentence in told:
        say(aside, sentence)
    if words == ["--version"]:
        say(Console(), f"explainfb {explainfb.__version__}")
        sys.exit(0)
    try:
        for word in words:
            check_name(word, "Something on the command line")  # a folder, a person, a task: all names come in here
        sys.exit(read(with_own_settings(with_preset(words)))(Console()))
    except InputError as error:
        aside.print(f"explainfb: {printable(str(error))}", style="bold red", markup=False, highlight=False)
        sys.exit(2)
    except BrokenPipeError:  # `explainfb annotators list | head`: the reader has gone, which is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        place = error.filename if isinstance(error.filename, str) else os.fsdecode(error.filename)
        complaint = f"explainfb: {printable(place)} cannot be read or written ({error.strerror}); choose another place."
        aside.print(complaint, style="bold red", markup=False, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        aside.print(
            "Stopped; the same command goes on after the last stage that is done. The one under way begins anew."
        )
        sys.exit(130)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End as Ctrl+C does, so that what a stage took so far is written down: a scheduler ends its jobs like this."""
    sys.exit(128 + number)
