"""Commands around a lab's dataset: report, merge, simulate, doctor."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stopflow.cli.console import (
    Debug,
    Json,
    Quiet,
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
    REPORTS,
    DatasetFolder,
    Figures,
    HtmlLight,
    Paper,
    ReportsFolder,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow report --paper letter --export prism")(report)
    app.command(epilog="Example: stopflow merge lab_a/ingested lab_b/ingested --out both")(merge)
    app.command(epilog="Example: stopflow simulate data/simulated --folders 6")(simulate)
    app.command(epilog="Example: stopflow doctor")(doctor)


def report(
    *,
    dataset: DatasetFolder = DATASET,
    reports: ReportsFolder = REPORTS,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--model", help="Rebuild the PDF and page of this model folder too. May be repeated."
        ),
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
    from stopflow.pipeline.lab.merge import merge_datasets

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
