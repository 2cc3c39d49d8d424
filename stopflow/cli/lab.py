"""Commands around a lab's dataset: report, merge, simulate, doctor."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stopflow.cli.console import command_line
from stopflow.cli.options import (
    DATASET,
    REPORTS,
    DatasetFolder,
    Figures,
    HtmlLight,
    Paper,
    ReportsFolder,
)
from stopflow.cli.voice import Voice, speaks

app = typer.Typer()


@app.command(epilog="Example: stopflow report --paper letter --export prism")
@speaks
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
    voice: Voice,
) -> None:
    """Build the PDFs and tables again from what ingest and train left."""
    from stopflow.pipeline.reports import rebuild_reports

    with voice.progress() as progress:
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
    voice.set_aside(rebuilt.set_aside)
    voice.problems(rebuilt.problems)
    voice.result(lambda: asdict(rebuilt))
    voice.written(rebuilt.written)
    voice.say(f"{len(rebuilt.written)} files written again from {dataset}")
    raise typer.Exit(int(bool(rebuilt.problems)))


@app.command(epilog="Example: stopflow merge lab_a/ingested lab_b/ingested --out both")
@speaks
def merge(
    datasets: Annotated[list[Path], typer.Argument(help="Folders that ingest wrote, two or more.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Where the joined dataset goes.")],
    voice: Voice,
) -> None:
    """Join datasets: what an ingest of all their folders gives, without fitting again."""
    from stopflow.pipeline.lab.merge import merge_datasets

    with voice.progress() as progress:
        made = merge_datasets(datasets, out=out, command=command_line(), progress=progress)
    experiments = made.shots["experiment"].nunique()
    voice.result(lambda: {"out": out, "experiments": experiments, "shots": len(made.shots)})
    voice.say(
        f"wrote {out}: {experiments} experiments, {len(made.shots)} shots; "
        f"report it with: stopflow report --dataset {out}"
    )


@app.command(epilog="Example: stopflow simulate data/simulated --folders 6")
@speaks
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
    voice: Voice,
) -> None:
    """Write a lab of .bka folders and workbooks whose true rates are known (truth.csv)."""
    from stopflow.pipeline.simulate import simulate as simulate_to

    with voice.progress() as progress:
        made = simulate_to(out, folders=folders, points=points, seed=seed, progress=progress)
    voice.result(
        lambda: {"out": out, "folders": made.folders, "shots": made.shots, "truth": made.truth}
    )
    voice.say(f"wrote {out}: {made.folders} folders, {made.shots} shots, truth in {made.truth}")


@app.command(epilog="Example: stopflow doctor")
@speaks
def doctor(*, voice: Voice) -> None:
    """Say what is installed, which device there is, which data was found, and what is wrong."""
    from stopflow.pipeline.doctor import examine

    findings = examine(Path.cwd())
    voice.result(lambda: [{"what": f.what, "found": f.found, "wrong": f.wrong} for f in findings])
    rows = [(f.what, f.found, "" if not f.wrong else f"! {f.wrong}") for f in findings]
    voice.table(("", "found", "to do"), rows)
    wrong = sum(bool(f.wrong) for f in findings)
    voice.say(f"{wrong} of {len(findings)} need something done" if wrong else "all is well")
    raise typer.Exit(1 if wrong else 0)
