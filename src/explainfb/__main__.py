"""`python -m explainfb` is `explainfb`; nothing that takes time is imported before it may be interrupted."""

import os
import signal
import sys
import threading
from types import FrameType


def start() -> None:
    """What the command `explainfb` calls: Ctrl-C is answered in a sentence while it is still being read, too."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from explainfb.cli.commands import main

        main()
    except KeyboardInterrupt:
        print("Stopped before anything was begun.", file=sys.stderr)
        sys.exit(130)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C. Within an import it ends the process at once: some libraries try an import and take every exception, also
    this one, to mean that what they looked for is not installed, and the command would go on without a word."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar may have hidden the cursor
            print(f"{shown}Stopped; the same command goes on with what is not done.", file=sys.stderr, flush=True)
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    start()
