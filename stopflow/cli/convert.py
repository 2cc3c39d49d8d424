"""Commands about file formats: formats, convert."""

from pathlib import Path
from typing import Annotated

import typer

from stopflow.cli.console import Debug, Json, Quiet, say_json, say_table, say_written, warn
from stopflow.cli.options import TimeUnit


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow formats")(formats)
    app.command(epilog="Example: stopflow convert scan.csv --to bka --blank buffer.csv")(convert)


def formats(*, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """List the formats of trace files that are read; a file is told by its content."""
    from stopflow.pipeline.one_file.convert import format_rows

    rows = format_rows()
    columns = ("key", "format", "usual endings", "unit of time")
    if as_json:
        say_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        say_table(columns, rows, quiet=quiet, names_whole=True)


def convert(
    files: Annotated[list[Path], typer.Argument(help="Trace files, or BOOK[NAME].")],
    *,
    to: Annotated[str, typer.Option("--to", help="bka, csv, kintek or prism.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder or file to write; default: here.")
    ] = None,
    average: Annotated[
        bool, typer.Option("--average", help="Write the mean of all traces instead.")
    ] = False,
    blank: Annotated[
        Path | None, typer.Option("--blank", help="Subtract this file's trace first.")
    ] = None,
    time_unit: TimeUnit = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write traces of any format as another; a file that is there is never overwritten."""
    from stopflow.pipeline.one_file.convert import convert as convert_files

    done = convert_files(files, to=to, out=out, average=average, blank=blank, time_unit=time_unit)
    if as_json:
        say_json({"written": done.written, "notes": done.notes})
        return
    say_written(list(done.written), quiet=quiet)
    for note in done.notes:
        warn(f"note: {note}")
