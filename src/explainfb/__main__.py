"""`python -m explainfb` is `explainfb`; nothing that takes time is imported before it may be interrupted."""

import sys


def start() -> None:
    """What the command `explainfb` calls: Ctrl-C is answered in a sentence while it is still being read, too."""
    try:
        from explainfb.cli.commands import main

        main()
    except KeyboardInterrupt:
        print("Stopped before anything was begun.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    start()
