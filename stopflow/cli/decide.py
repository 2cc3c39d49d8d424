"""Commands that write decisions down: exclude, include, set-window."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopflow.cli.console import warn
from stopflow.cli.voice import Voice, speaks

if TYPE_CHECKING:
    from stopflow.pipeline.one_file.decide import Decided

Files = Annotated[list[Path], typer.Argument(help="Trace files, or BOOK[NAME] of a workbook.")]
OneChannel = Annotated[
    int | None, typer.Option("--channel", min=1, help="One signal of it; default: all.")
]


app = typer.Typer()


@app.command(epilog="Example: stopflow exclude lab/shot_03.bka --why bubble")
@speaks
def exclude(
    files: Files,
    *,
    why: Annotated[str, typer.Option("--why", help="The reason, kept beside the decision.")],
    channel: OneChannel = None,
    voice: Voice,
) -> None:
    """Leave traces out of every result; the files stay as they are."""
    from stopflow.pipeline.one_file.decide import exclude as decide

    _conclude(voice, decide(files, why=why, channel=channel))


@app.command(epilog="Example: stopflow include lab/shot_03.bka")
@speaks
def include(files: Files, *, channel: OneChannel = None, voice: Voice) -> None:
    """Take traces in again that were left out."""
    from stopflow.pipeline.one_file.decide import include as decide

    _conclude(voice, decide(files, channel=channel))


@app.command(epilog="Example: stopflow set-window lab/shot_04.bka --start '5 ms' --end '0.3 s'")
@speaks
def set_window(
    file: Annotated[Path, typer.Argument(help="A trace file, or BOOK[NAME] of a workbook.")],
    *,
    start: Annotated[
        str | None,
        typer.Option("--start", help="Start of the fit: '5 ms', or 5 in the file's own unit."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", help="End of the fit: '0.3 s', or in the file's unit.")
    ] = None,
    channel: OneChannel = None,
    why: Annotated[str, typer.Option("--why", help="The reason, kept beside the decision.")] = "",
    voice: Voice,
) -> None:
    """Fix where the fit of a trace starts or ends, for every command from now on."""
    from stopflow.pipeline.one_file.decide import set_window as decide

    _conclude(voice, decide(file, start=start, end=end, channel=channel, why=why))


def _conclude(voice: Voice, decided: "Decided") -> None:
    """Say what was written; leave with 1 where something was not there."""
    voice.result(
        lambda: {"written": decided.written, "done": decided.done, "problems": decided.problems}
    )
    for line in decided.done:
        voice.say(line)
    voice.written(decided.written)
    for problem in decided.problems:
        warn(f"error: {problem}")
    raise typer.Exit(1 if decided.problems else 0)
