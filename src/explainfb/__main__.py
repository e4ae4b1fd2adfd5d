"""`python -m explainfb` is `explainfb`."""

from explainfb.cli.commands import main

main()
