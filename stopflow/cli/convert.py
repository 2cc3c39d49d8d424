"""Commands about file formats: formats, convert."""

from pathlib import Path
from typing import Annotated

import typer

from stopflow.cli.options import TimeUnit
from stopflow.cli.voice import Voice, speaks

app = typer.Typer()


@app.command(epilog="Example: stopflow formats")
@speaks
def formats(*, voice: Voice) -> None:
    """List the formats of trace files that are read; a file is told by its content."""
    from stopflow.pipeline.one_file.convert import format_rows

    voice.listing(("key", "format", "usual endings", "unit of time"), format_rows())


@app.command(epilog="Example: stopflow convert scan.csv --to bka --blank buffer.csv")
@speaks
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
    voice: Voice,
) -> None:
    """Write traces of any format as another; a file that is there is never overwritten."""
    from stopflow.pipeline.one_file.convert import convert as convert_files

    done = convert_files(files, to=to, out=out, average=average, blank=blank, time_unit=time_unit)
    voice.result(lambda: {"written": done.written, "notes": done.notes})
    voice.written(done.written)
    voice.notes(done.notes)
