"""`python -m explainfb` is `explainfb`."""

from explainfb.cli import main

main()
