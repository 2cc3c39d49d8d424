"""stopflow bench: speed ratios against peers, measured alternately in one run."""

from typing import Annotated

import typer

from stopflow.cli.console import Debug, Json, say, say_json, say_table
from stopflow.cli.options import Device

app = typer.Typer(
    no_args_is_help=True,
    help="Measure speeds as ratios against peers, alternately in one run.",
)

Rounds = Annotated[int | None, typer.Option("--rounds", min=1, help="Rounds of alternation.")]


@app.command(epilog="Example: stopflow bench fit")
def fit(
    *,
    traces: Annotated[
        int | None, typer.Option("--traces", min=10, help="Traces of the batch; default 100000.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit speed against scipy's curve_fit with analytic Jacobian, wrong answers counted."""
    from stopflow.pipeline.bench import measure_fit

    _show(measure_fit(traces=traces), as_json=as_json)


@app.command(epilog="Example: stopflow bench step --batch-size 64")
def step(
    *,
    batch_size: Annotated[
        list[int] | None, typer.Option("--batch-size", min=1, help="May be repeated.")
    ] = None,
    rank: Annotated[int, typer.Option("--rank", min=1)] = 50,
    rounds: Rounds = None,
    device: Device = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Training step of every layer against tuned dense Adam at the published size."""
    from stopflow.pipeline.bench import measure_step

    _show(
        measure_step(batch_sizes=batch_size or [32, 64], rank=rank, rounds=rounds, device=device),
        as_json=as_json,
    )


def _show(rows: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        say_json(rows)
        return
    columns = list(rows[0])
    say_table(columns, [[_text(row[column]) for column in columns] for row in rows])
    say("medians of one run; only ratios within a run mean something")


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
