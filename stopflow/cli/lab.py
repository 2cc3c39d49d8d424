"""Commands for a whole lab: run, ingest, report, merge, simulate, doctor."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopflow.cli.console import (
    Debug,
    Json,
    Quiet,
    announcer,
    command_line,
    list_problems,
    progress_bar,
    say,
    say_json,
    say_set_aside,
    say_table,
    say_written,
)
from stopflow.cli.options import (
    DATASET,
    MODELS,
    REPORTS,
    Channel,
    Config,
    DatasetFolder,
    Figures,
    HtmlLight,
    Law,
    Paper,
    ReportsFolder,
    TimeUnit,
    Wavelength,
)
from stopflow.cli.outcome import conclude
from stopflow.errors import SettingsError

if TYPE_CHECKING:
    from stopflow.pipeline.ingest import IngestSettings

Folder = Annotated[
    Path, typer.Argument(help="A folder of trace files, or of such folders, however deep.")
]
Out = Annotated[Path, typer.Option("--out", help="Where the dataset goes.")]
DeadTime = Annotated[
    float | None,
    typer.Option("--dead-time", help="Dead time of the instrument in ms, where no file says it."),
]
MixingRatio = Annotated[
    float | None,
    typer.Option(
        "--mixing-ratio",
        help="Divide the workbook's concentrations by this (2 for 1:1 mixing of stock "
        "solutions); default 1: they are after mixing.",
    ),
]
Replicates = Annotated[
    str | None,
    typer.Option(
        "--replicates",
        metavar="each|mean|joint",
        help="Rate of a condition: mean of the rates of each shot (default), fit of the mean "
        "trace, or a joint fit with own amplitudes; each shot is fitted alone in any case.",
    ),
]
Average = Annotated[bool, typer.Option("--average", help="The same as --replicates mean.")]
Blank = Annotated[
    Path | None, typer.Option("--blank", help="Subtract this file's trace from every other first.")
]
Robust = Annotated[
    bool, typer.Option("--robust", help="Soft-L1 loss: spikes and bubbles count less.")
]

Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="tcp://HOST:PORT",
        help="Let the workers of this Dask scheduler read and fit; they need the folders under "
        "the same paths.",
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Do every folder, also those that are as they were last time."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow run data/fe_scn")(run)
    app.command(epilog="Example: stopflow ingest data/ --law auto")(ingest)
    app.command(epilog="Example: stopflow report --paper letter --export prism")(report)
    app.command(epilog="Example: stopflow merge lab_a/ingested lab_b/ingested --out both")(merge)
    app.command(epilog="Example: stopflow simulate data/simulated --folders 6")(simulate)
    app.command(epilog="Example: stopflow doctor")(doctor)


def ingest(
    folder: Folder,
    *,
    out: Out = DATASET,
    reports: ReportsFolder = REPORTS,
    law: Law = None,
    channel: Channel = None,
    wavelength: Wavelength = None,
    time_unit: TimeUnit = None,
    replicates: Replicates = None,
    average: Average = False,
    blank: Blank = None,
    robust: Robust = False,
    dead_time: DeadTime = None,
    mixing_ratio: MixingRatio = None,
    config: Config = None,
    cluster: Cluster = None,
    fresh: Fresh = False,
    paper: Paper = "a4",
    html_light: HtmlLight = False,
    figures: Figures = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read, trim, fit and judge every shot below FOLDER; write rates, tables and the PDF."""
    from stopflow.pipeline.ingest import Execution
    from stopflow.pipeline.lab import process_lab

    settings = _settings(
        config,
        law=law,
        channel=channel,
        wavelength=wavelength,
        time_unit=time_unit,
        replicates=_replicates(replicates, average=average),
        blank=blank,
        robust=robust,
        dead_time_ms=dead_time,
        mixing_ratio=mixing_ratio,
    )
    with progress_bar(quiet=quiet) as progress:
        done = process_lab(
            folder,
            out=out,
            reports=reports,
            settings=settings,
            execution=Execution(cluster=cluster, fresh=fresh),
            paper=paper,
            html_light=html_light,
            figures=figures,
            command=command_line(),
            progress=progress,
            announce=announcer(quiet=quiet),
        )
    conclude(done, reports=reports, as_json=as_json, quiet=quiet)


def run(
    folder: Folder,
    *,
    out: Out = DATASET,
    reports: ReportsFolder = REPORTS,
    model: Annotated[
        str | None, typer.Option("--model", help="Model that predicts; default: the shipped one.")
    ] = None,
    law: Law = None,
    channel: Channel = None,
    wavelength: Wavelength = None,
    time_unit: TimeUnit = None,
    replicates: Replicates = None,
    average: Average = False,
    blank: Blank = None,
    robust: Robust = False,
    dead_time: DeadTime = None,
    mixing_ratio: MixingRatio = None,
    config: Config = None,
    cluster: Cluster = None,
    fresh: Fresh = False,
    paper: Paper = "a4",
    html_light: HtmlLight = False,
    figures: Figures = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Do the whole job: ingest, predict with the shipped model, write every report."""
    from stopflow.pipeline.find import find_model
    from stopflow.pipeline.ingest import Execution
    from stopflow.pipeline.lab import Prediction, process_lab

    find_model(model, MODELS)
    settings = _settings(
        config,
        law=law,
        channel=channel,
        wavelength=wavelength,
        time_unit=time_unit,
        replicates=_replicates(replicates, average=average),
        blank=blank,
        robust=robust,
        dead_time_ms=dead_time,
        mixing_ratio=mixing_ratio,
    )
    with progress_bar(quiet=quiet) as progress:
        done = process_lab(
            folder,
            out=out,
            reports=reports,
            settings=settings,
            execution=Execution(cluster=cluster, fresh=fresh),
            prediction=Prediction(model=model, models=MODELS),
            paper=paper,
            html_light=html_light,
            figures=figures,
            command=command_line(),
            progress=progress,
            announce=announcer(quiet=quiet),
        )
    conclude(done, reports=reports, as_json=as_json, quiet=quiet)


def _replicates(replicates: str | None, *, average: bool) -> str | None:
    """Return what is done with replicates.

    Raises
    ------
    SettingsError
        `--average` beside another `--replicates`.
    """
    if average and replicates not in (None, "mean"):
        raise SettingsError("replicates", replicates, valid="mean with --average")
    return "mean" if average else replicates


def _settings(
    config: Path | None,
    *,
    law: str | None,
    channel: str | None,
    wavelength: float | None,
    time_unit: str | None,
    replicates: str | None,
    blank: Path | None,
    robust: bool,
    dead_time_ms: float | None,
    mixing_ratio: float | None,
) -> "IngestSettings":
    """Compose the settings: options where they are given, else the configuration file."""
    from stopflow.io.channels import parse_channel
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.ingest import ingest_settings

    return ingest_settings(
        config,
        law=law,
        channel=parse_channel(channel),
        wavelength_nm=wavelength,
        time_unit=time_unit,
        replicates=replicates,
        blank=None if blank is None else str(require_file(blank)),
        robust=robust or None,
        dead_time_s=None if dead_time_ms is None else dead_time_ms / 1000,
        mixing_ratio=mixing_ratio,
    )


def report(
    *,
    dataset: DatasetFolder = DATASET,
    reports: ReportsFolder = REPORTS,
    models: Annotated[
        list[Path] | None,
        typer.Option("--model", help="Rebuild the PDF of this model folder too. May be repeated."),
    ] = None,
    exports: Annotated[
        list[str] | None,
        typer.Option("--export", help="Tables for prism, origin or kintek. May be repeated."),
    ] = None,
    paper: Paper = "a4",
    html_light: HtmlLight = False,
    figures: Figures = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Build the PDFs and tables again from what ingest and train left."""
    from stopflow.pipeline.reports import rebuild_reports

    with progress_bar(quiet=quiet) as progress:
        rebuilt = rebuild_reports(
            dataset,
            reports,
            models=models or (),
            exports=exports or (),
            paper=paper,
            html_light=html_light,
            figures=figures,
            progress=progress,
        )
    say_set_aside(rebuilt.set_aside, quiet=quiet)
    list_problems(rebuilt.problems)
    if as_json:
        say_json(asdict(rebuilt))
    else:
        say_written(rebuilt.written, quiet=quiet)
        say(f"{len(rebuilt.written)} files written again from {dataset}", quiet=quiet)
    raise typer.Exit(int(bool(rebuilt.problems)))


def merge(
    datasets: Annotated[list[Path], typer.Argument(help="Folders that ingest wrote, two or more.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Where the joined dataset goes.")],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Join datasets: what an ingest of all their folders gives, without fitting again."""
    from stopflow.pipeline.merge import merge_datasets

    with progress_bar(quiet=quiet) as progress:
        made = merge_datasets(datasets, out=out, command=command_line(), progress=progress)
    experiments = made.shots["experiment"].nunique()
    if as_json:
        say_json({"out": out, "experiments": experiments, "shots": len(made.shots)})
    say(
        f"wrote {out}: {experiments} experiments, {len(made.shots)} shots; "
        f"report it with: stopflow report --dataset {out}",
        quiet=quiet or as_json,
    )


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write; new, or an earlier simulation.")],
    *,
    folders: Annotated[
        int | None, typer.Option("--folders", min=1, help="Number of experiment folders.")
    ] = None,
    points: Annotated[
        int | None, typer.Option("--points", min=50, help="Points of a trace; default 15001.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same lab.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a lab of .bka folders and workbooks whose true rates are known (truth.csv)."""
    from stopflow.pipeline.simulate import simulate as simulate_to

    with progress_bar(quiet=quiet) as progress:
        made = simulate_to(out, folders=folders, points=points, seed=seed, progress=progress)
    if as_json:
        say_json({"out": out, "folders": made.folders, "shots": made.shots, "truth": made.truth})
    say(
        f"wrote {out}: {made.folders} folders, {made.shots} shots, truth in {made.truth}",
        quiet=quiet or as_json,
    )


def doctor(*, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Say what is installed, which device there is, which data was found, and what is wrong."""
    from stopflow.pipeline.doctor import examine

    findings = examine(Path.cwd())
    if as_json:
        say_json([{"what": f.what, "found": f.found, "wrong": f.wrong} for f in findings])
    else:
        rows = [(f.what, f.found, "" if not f.wrong else f"! {f.wrong}") for f in findings]
        say_table(("", "found", "to do"), rows, quiet=quiet)
        wrong = sum(bool(f.wrong) for f in findings)
        say(
            f"{wrong} of {len(findings)} need something done" if wrong else "all is well",
            quiet=quiet,
        )
    raise typer.Exit(1 if any(f.wrong for f in findings) else 0)
