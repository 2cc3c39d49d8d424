"""What the terminal says of a lab that is done."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stopflow.cli.console import (
    list_problems,
    say,
    say_json,
    say_set_aside,
    say_table,
    say_written,
    warn,
)

if TYPE_CHECKING:
    from stopflow.pipeline.run import ProcessedLab


def conclude(done: "ProcessedLab", *, reports: Path, as_json: bool, quiet: bool) -> None:
    """Print the outcome of a run; leave with 1 where something could not be used."""
    from stopflow.report.kinetics.summary import count_things

    summary = done.summary
    if as_json:
        say_json({**summary.as_dict(), "written": done.written, "set_aside": done.set_aside})
    else:
        say_table(summary.columns, summary.rows, quiet=quiet)
        for choice in summary.shown_choices:
            say(choice, quiet=quiet)
    if quiet:
        list_problems([line for line in summary.grouped if line.startswith("error")])
    elif summary.problems:
        if summary.disagreements:
            warn("the sources of the conditions disagree:")
            list_problems(summary.disagreements)
        if summary.grouped:
            warn(f"{count_things(len(summary.problems), 'thing')} in the input to look at:")
            list_problems(summary.grouped)
        warn(f"  each of them is in {reports / 'rates.xlsx'}, sheet problems")
    if done.unpredicted:
        warn(f"error: the rates are fitted, but not predicted as well: {done.unpredicted}")
    if done.undrawn:
        warn(f"error: kinetics.pdf could not be drawn, the tables are whole: {done.undrawn}")
    say_set_aside(done.set_aside, quiet=quiet)
    for hint in summary.hints if not quiet else ():
        warn(f"note: {hint}")
    if not as_json:
        say_written(done.written, quiet=quiet)
        say(f"{summary.headline}; read {reports / 'kinetics.pdf'}", quiet=quiet)
    raise typer.Exit(done.exit_code)
