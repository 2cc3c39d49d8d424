"""stopflow bench: speed ratios against peers, measured alternately in one run."""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer

from stopflow.cli.idle_threads import let_idle_threads
from stopflow.cli.options import MODELS, Device, ModelsFolder
from stopflow.cli.voice import Voice, speaks

app = typer.Typer(
    no_args_is_help=True, help="Measure speeds as ratios against peers, alternately in one run."
)

COLUMNS_ABREAST = 6
"""Tables with more columns are transposed."""

STEP_HEADINGS = {
    "median_ms": "ms",
    "times_dense": "faster",
    "peak_mb": "MB",
    "dense_memory_ratio": "smaller",
}
"""Short enough for whole names of variants within 80 columns."""

MECHANISM_HEADINGS = {
    f"{way}_{key}": f"{way} {said}"
    for way in ("scipy", "copasi")
    for key, said in (("times", "x"), ("squares_above", "squares"), ("constants_apart", "k apart"))
}

INGEST_HEADINGS = {
    "megabytes": "MB",
    "cpu_ms_per_trace": "CPU ms/trace",
    "traces_per_s": "traces/s",
    "megabytes_per_s": "MB/s",
    "cpu_ratio": "CPU ratio",
    "wall_ratio": "wall ratio",
    "peak_mb": "peak MB",
    "median_log_error": "error of ln k",
}

PAGE_HEADINGS = {
    "script_ms": "script ms",
    "script_worst_ms": "worst",
    "frame_ms": "frame ms",
    "frame_worst_ms": "worst frame",
    "release_worst_ms": "release worst ms",
    "settled_ms": "settled ms",
}

Rounds = Annotated[int, typer.Option("--rounds", min=1, help="Rounds of alternation.")]


@app.command(epilog="Example: stopflow bench fit")
@speaks
def fit(
    *,
    traces: Annotated[int, typer.Option("--traces", min=10, help="Traces of the batch.")] = 100_000,
    voice: Voice,
) -> None:
    """Fit speed against scipy's curve_fit with analytic Jacobian, wrong answers counted."""
    from stopflow.kinetics.bench import bench_fit

    _show(voice, bench_fit(traces=traces))


@app.command(epilog="Example: stopflow bench ingest --folders 8 --points 2000")
@speaks
def ingest(
    *,
    folders: Annotated[int, typer.Option("--folders", min=1, help="Experiments of the lab.")] = 45,
    shots: Annotated[
        int | None, typer.Option("--shots", min=4, help="Shots of each; default 15 to 45.")
    ] = None,
    points: Annotated[int, typer.Option("--points", min=50, help="Points of a trace.")] = 15_001,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes of the ingest; 0: one a core.")
    ] = 0,
    rounds: Rounds = 3,
    voice: Voice,
) -> None:
    """Whole ingest of a simulated lab against a plain script (read_csv, one curve_fit a trace)."""
    from stopflow.pipeline.bench.ingest import bench_ingest
    from stopflow.simulate import LabSpec

    traces = (shots, shots) if shots else LabSpec().traces
    spec = LabSpec(folders=folders, traces=traces, points=points)
    with voice.progress() as progress:
        rows = bench_ingest(spec, workers=workers, rounds=rounds, progress=progress)
    _show(voice, rows, headings=INGEST_HEADINGS)
    voice.say("ratios: times the first line, the plain script on one core")


@app.command(epilog="Example: stopflow bench page --json")
@speaks
def page(
    *,
    points: Annotated[int, typer.Option("--points", min=300, help="Points of a trace.")] = 15_001,
    steps: Annotated[int, typer.Option("--steps", min=10, help="Frames of each drag.")] = 100,
    voice: Voice,
) -> None:
    """Frames of the live page while the start of a fit is dragged, in headless Chromium.

    Needs playwright and an installed Chromium.
    """
    from stopflow.pipeline.bench.page import bench_page

    with voice.progress() as progress:
        rows = bench_page(points=points, steps=steps, progress=progress)
    _show(voice, rows, headings=PAGE_HEADINGS)
    voice.say(
        "script: fit, table and drawing commands; frame: with painting; release worst: the busiest "
        "frame until the fit to all digits has come; settled: when it stands in the page"
    )


@app.command(epilog="Example: stopflow bench step --batch-size 64")
@speaks
def step(
    *,
    batch_size: Annotated[
        list[int], typer.Option("--batch-size", min=1, help="May be repeated.")
    ] = [32, 64],  # noqa: B006
    rank: Annotated[int, typer.Option("--rank", min=1)] = 50,
    hidden: Annotated[
        list[int],
        typer.Option("--hidden", min=1, help="Width of a hidden layer, repeated for each."),
    ] = [512, 512, 256],  # noqa: B006
    inputs: Annotated[int, typer.Option("--inputs", min=1, help="Inputs.")] = 28_000,
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", help='A line of the table, as "dlrt, SGD"; may be repeated.'),
    ] = None,
    rounds: Rounds = 15,
    device: Device = None,
    voice: Voice,
) -> None:
    """Training step of every layer against tuned dense Adam at the published size.

    Idle threads spin, which is best for every variant, unless OMP_WAIT_POLICY is set.
    """
    let_idle_threads("ACTIVE")
    from stopflow.learn.device import require_device
    from stopflow.lowrank.bench.bench import BenchSize, bench_step
    from stopflow.lowrank.bench.variants import VARIANTS

    place = "cpu" if device is None else device
    require_device(place)
    size = BenchSize(inputs=inputs, dims=tuple(hidden), rank=rank)
    done = count(1)
    with voice.progress() as progress:
        rows = bench_step(
            size=size,
            batches=batch_size,
            variants=tuple(variant or VARIANTS),
            rounds=rounds,
            device=place,
            progress=lambda what: progress(what, next(done), 0),
        )
    _show(voice, rows, headings=STEP_HEADINGS)
    voice.say("faster and smaller (peak memory): times the first line, tuned dense Adam")


@app.command(epilog="Example: stopflow bench mechanism --rounds 5")
@speaks
def mechanism(
    *,
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", min=1, help="Rounds of alternation; default 3, with --quick 1."),
    ] = None,
    points: Annotated[int, typer.Option("--points", min=50, help="Points of a shot.")] = 2_000,
    quick: Annotated[
        bool, typer.Option("--quick", help="Four of the problems, in one round.")
    ] = False,
    voice: Voice,
) -> None:
    """Global fits of mechanisms against scipy and, where it is installed, COPASI."""
    from stopflow.mechanism.bench.cases import CASES, QUICK
    from stopflow.mechanism.bench.compare import bench_mechanism

    with voice.progress() as progress:
        rows = bench_mechanism(
            names=QUICK if quick else tuple(CASES),
            rounds=rounds or (1 if quick else 3),
            points=points,
            progress=progress,
        )
    _show(voice, rows, headings=MECHANISM_HEADINGS)
    voice.say(
        "x: processor time over that of this program; squares: how far above (relative); "
        "k apart: the largest relative difference of a constant"
    )


@app.command(epilog="Example: stopflow bench model --seeds 3 --real data/fe_scn")
@speaks
def model(
    name: Annotated[
        str | None, typer.Argument(help="A model's name or folder; default: the shipped one.")
    ] = None,
    *,
    seeds: Annotated[
        int, typer.Option("--seeds", min=0, help="Simulated labs to judge it on.")
    ] = 3,
    real: Annotated[
        list[Path] | None, typer.Option("--real", help="Folders of real shots to judge it on.")
    ] = None,
    models: ModelsFolder = MODELS,
    voice: Voice,
) -> None:
    """Accuracy of a model beside the fit on labs it never saw."""
    from stopflow.pipeline.networks.measure import measure_model

    with voice.progress() as progress:
        rows = measure_model(
            name, models=models, seeds=seeds, folders=tuple(real or ()), progress=progress
        )
    _show(voice, rows)


def _show(
    voice: Voice, rows: Sequence[Mapping[str, Any]], *, headings: Mapping[str, str] | None = None
) -> None:
    voice.result(lambda: rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    heads = [(headings or {}).get(column, column) for column in columns]
    table = [heads, *([_text(row.get(column, "")) for column in columns] for row in rows)]
    if len(columns) > COLUMNS_ABREAST:
        table = [list(line) for line in zip(*table, strict=True)]
    voice.table(table[0], table[1:])
    voice.say("medians of one run; only ratios within a run mean something")


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
