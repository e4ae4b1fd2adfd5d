"""`python -m explainfb` is `explainfb`."""

from explainfb.cli.main import main

main()
