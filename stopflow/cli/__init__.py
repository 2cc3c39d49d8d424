"""The command line: parse, call the pipeline, say where the result is.

Nothing heavy is imported here: torch, matplotlib, numpy and pandas load inside the command that
needs them, so that ``stopflow --help`` answers at once.
"""

import os
import sys
from typing import Annotated

import typer

from stopflow import __version__
from stopflow.cli import bench, kinetics, lab, mechanism, models, refine, reproduce
from stopflow.cli.console import say_wrong_use, warn
from stopflow.errors import StopflowError

INTERRUPTED = 130
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""Small matrices by the thousand: several BLAS threads would only wait for each other."""

app = typer.Typer(
    name="stopflow",
    help="Rate constants from stopped-flow traces: honest errors, verdicts, a PDF, a network.",
    epilog="Start with: stopflow run FOLDER   (FOLDER holds .bka files, or folders of them)",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for commands in (lab, kinetics, mechanism, models, refine, reproduce):
    commands.register(app)
app.add_typer(bench.app, name="bench")


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"stopflow {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; no traceback reaches a user unless --debug asks for it."""
    os.environ.setdefault(BLAS_THREADS, "1")
    try:
        app()
    except StopflowError as error:
        _fail(error, code=2)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            warn("interrupted; earlier results are as they were")
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(error, code=2)


def _fail(error: Exception, *, code: int) -> None:
    if "--debug" in sys.argv:
        raise error
    warn(say_wrong_use(error))
    sys.exit(code)
