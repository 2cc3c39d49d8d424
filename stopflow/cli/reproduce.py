"""The command that trains published tables again."""

from pathlib import Path
from typing import Annotated

import typer

from stopflow.cli.console import warn
from stopflow.cli.options import DATASET, REPORTS, DatasetFolder, Epochs, Paper, ReportsFolder
from stopflow.cli.voice import Voice, speaks

IMAGES = Path("data/mnist")


app = typer.Typer()


@app.command(epilog="Example: stopflow reproduce thesis-5.3 --seeds 1 --epochs 10")
@speaks
def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME ...]", help="Tables or rows; default: all.")
    ] = None,
    *,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the rows and their published figures.")
    ] = False,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds for each variant.")] = 5,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="The first of them.")] = 0,
    epochs: Epochs = None,
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", help="as_published, sound or best; default: all three."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few steps of every row: does it run at all?")
    ] = False,
    data: Annotated[Path, typer.Option("--data", help="Folder of IDX files.")] = IMAGES,
    dataset: DatasetFolder = DATASET,
    reports: ReportsFolder = REPORTS,
    paper: Paper = "a4",
    voice: Voice,
) -> None:
    """Train published tables again: as published, with sound methods, and at their best."""
    from stopflow.pipeline.published.reproduce import list_rows, reproduce

    if show_list:
        voice.listing(*list_rows(names or ()))
        return
    with voice.progress() as progress:
        done = reproduce(
            names or (),
            data=data,
            dataset=dataset,
            reports=reports,
            seeds=seeds,
            first_seed=first_seed,
            epochs=epochs,
            variants=tuple(variant or ()),
            quick=quick,
            paper=paper,
            progress=progress,
        )
    for note in done.notes:
        warn(note)
    voice.result(lambda: done.rows)
    if not done.rows and not voice.as_json:
        raise typer.Exit(1)
    voice.table(*done.table())
    voice.written(done.written)
    voice.say("runs that are finished are kept; repeat the command to draw them again")
