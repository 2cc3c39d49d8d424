"""What the terminal says of a lab that is done."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stopflow.cli.console import warn
from stopflow.cli.voice import Voice

if TYPE_CHECKING:
    from stopflow.pipeline.run import ProcessedLab


def conclude(voice: Voice, done: "ProcessedLab", *, reports: Path) -> None:
    """Print the outcome of a run; leave with 1 where something could not be used."""
    summary = done.summary
    voice.result(
        lambda: {**summary.as_dict(), "written": done.written, "set_aside": done.set_aside}
    )
    voice.table(summary.columns, summary.rows)
    for choice in summary.shown_choices:
        voice.say(choice)
    if voice.quiet:
        voice.problems(summary.errors)
    elif summary.problems:
        if summary.disagreements:
            warn("the sources of the conditions disagree:")
            voice.problems(summary.disagreements)
        if summary.grouped:
            warn(f"{summary.things}:")
            voice.problems(summary.grouped)
        warn(f"  each of them is in {reports / 'rates.xlsx'}, sheet problems")
    if done.unpredicted:
        warn(f"error: the rates are fitted, but not predicted as well: {done.unpredicted}")
    if done.undrawn:
        warn(f"error: kinetics.pdf could not be drawn, the tables are whole: {done.undrawn}")
    voice.set_aside(done.set_aside)
    voice.notes(summary.hints if not voice.quiet else ())
    voice.written(done.written)
    voice.say(f"{summary.headline}; read {reports / 'kinetics.pdf'}")
    raise typer.Exit(done.exit_code)
