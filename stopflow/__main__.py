"""`python -m stopflow`, and the command `stopflow`: one entry for both."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded is said in a line too."""
    try:
        from stopflow.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing was done\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
