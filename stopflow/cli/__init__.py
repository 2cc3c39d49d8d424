"""The command line: parse, call the pipeline, say where the result is.

Nothing heavy is imported here: torch, matplotlib, numpy and pandas load inside the command that
needs them, so that ``stopflow --help`` answers at once.
"""

import os
import sys
from typing import Annotated, NoReturn

import typer

from stopflow import __version__
from stopflow.cli import (
    bench,
    convert,
    decide,
    ingest,
    kinetics,
    lab,
    mechanism,
    models,
    refine,
    reproduce,
    serve,
)
from stopflow.cli.console import say_fault, say_wrong_use, warn
from stopflow.cli.idle_threads import let_idle_threads
from stopflow.cli.interrupts import INTERRUPTED, Interrupts, listening
from stopflow.cli.streams import flush_streams, prepare_streams, write_line
from stopflow.errors import StopflowError
from stopflow.workers import OPENBLAS

WRONG_USE = 2

app = typer.Typer(
    name="stopflow",
    help="Rate constants from stopped-flow traces: honest errors, verdicts, a PDF, a network.",
    epilog="Start with: stopflow run FOLDER   (FOLDER holds trace files, or folders of them)",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for commands in (
    ingest,
    lab,
    serve,
    kinetics,
    mechanism,
    decide,
    convert,
    models,
    refine,
    reproduce,
):
    app.add_typer(commands.app)
app.add_typer(bench.app, name="bench")


def _say_version(wanted: bool) -> None:
    if wanted:
        write_line(f"stopflow {__version__}", sys.stdout)
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_say_version
        ),
    ] = False,
) -> None:
    """Take the options that stand without a command."""


def main() -> None:
    """Run the command line; no traceback reaches a user unless --debug asks for it."""
    os.environ.setdefault(OPENBLAS, "1")  # small matrices: several threads would only wait
    let_idle_threads("PASSIVE")
    os.environ["MPLBACKEND"] = "agg"
    prepare_streams()
    with listening() as interrupts:
        try:
            _run()
        except BaseException as error:
            cut_off = isinstance(error, KeyboardInterrupt)
            cut_off |= isinstance(error, SystemExit) and error.code == INTERRUPTED
            if not (interrupts.said() or cut_off):
                raise
            _leave(interrupts)


def _run() -> None:
    """Run the command that was typed, and flush all that it printed."""
    try:
        try:
            app()
        finally:
            flush_streams()
    except StopflowError as error:
        _fail(error)
    except BrokenPipeError:
        _drop_stdout()
        sys.exit(1)
    except OSError as error:
        _fail(error)
    except Exception as error:  # the outermost barrier: a fault of the program
        if "--debug" in sys.argv:
            raise
        _fail(error)


def _leave(interrupts: Interrupts) -> NoReturn:
    """Say in a line that the run was cut off."""
    warn(interrupts.said() or Interrupts(code=INTERRUPTED).said())
    sys.exit(interrupts.code or INTERRUPTED)


def _drop_stdout() -> None:
    """Discard what is still waiting for a reader that has gone."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


def _fail(error: Exception) -> NoReturn:
    if "--debug" in sys.argv:
        raise error
    if isinstance(error, OSError):
        _drop_stdout_if_full()
    known = isinstance(error, StopflowError | OSError)
    warn(say_wrong_use(error) if known else say_fault(error))
    sys.exit(WRONG_USE)


def _drop_stdout_if_full() -> None:
    """Discard what a full disk refused, so that it does not fail again at exit."""
    try:
        flush_streams()
    except OSError:
        _drop_stdout()
