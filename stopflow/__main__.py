"""`python -m stopflow`: the same as the command `stopflow`."""

from stopflow.cli import main

main()
