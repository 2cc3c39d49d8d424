"""Commands for one file: fit, plan, view."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from stopflow.cli.console import Debug, Json, Quiet, say, say_json, say_table, say_written, warn
from stopflow.cli.gather import Option, gathers
from stopflow.cli.options import Channel, Law, Robust, TimeUnit, Wavelength

File = Annotated[
    Path, typer.Argument(help="A trace file of any known format (stopflow formats), or BOOK[NAME].")
]
WINDOW: Final = {
    "start": Option(
        Annotated[
            float | None,
            typer.Option("--start", help="Start time in the file's own unit; default: detected."),
        ]
    ),
    "end": Option(
        Annotated[
            float | None,
            typer.Option(
                "--end", help="Last time to fit, in the file's own unit; default: the last."
            ),
        ]
    ),
    "time_unit": Option(TimeUnit),
}
"""Which points of the recording are fitted."""
SIGNAL: Final = {"channel": Option(Channel), "wavelength": Option(Wavelength), **WINDOW}
"""Which points of one signal are fitted."""
FITTED: Final = {"law": Option(Law), **SIGNAL}
"""What is fitted to which points of one signal."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: stopflow fit shot.bka --law double --plot shot.png")(fit)
    app.command(epilog="Example: stopflow plan shot.bka --precision 2%")(plan)
    app.command(epilog="Example: stopflow view shot.bka")(view)
    app.command(epilog="Example: stopflow spectrum scan.csv --law double --plot scan.png")(spectrum)
    app.command(epilog="Example: stopflow laws")(laws)


@gathers("fitted_as", FITTED)
def fit(
    file: File,
    *,
    fitted_as: dict[str, Any],
    fix: Annotated[
        list[str] | None,
        typer.Option("--fix", "--pin", help="Hold a parameter: slope_per_s=0. May be repeated."),
    ] = None,
    robust: Robust = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw trace, fit and residuals to this file.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fit one trace: rate constant, interval, verdict, and what other laws say."""
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.one_file.single import draw_trace, fit_file

    if plot is not None:
        from stopflow.report.paper.pictures import require_picture

        require_picture(plot)
    fitted = fit_file(
        require_file(file),
        **fitted_as,
        fixed=fix or (),
        robust=robust,
    )
    if as_json:
        say_json(fitted.as_dict())
    else:
        say_table(("", "value", "error", "unit"), fitted.lines(), quiet=quiet)
        say(fitted.headline(), quiet=quiet)
        for note in fitted.notes:
            warn(f"note: {note}")
    if plot is not None:
        draw_trace(fitted, plot)
        say_written([plot], quiet=quiet or as_json)
    raise typer.Exit(0 if fitted.ok else 1)


def laws(*, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """List the rate laws that --law knows: name, formula, and when to use it."""
    from stopflow.kinetics.laws import describe_laws

    rows = describe_laws()
    if as_json:
        say_json([dict(zip(("law", "formula", "use"), row, strict=True)) for row in rows])
    else:
        say_table(("law", "formula", "use"), rows, quiet=quiet, names_whole=True)


@gathers("signal", SIGNAL)
def plan(
    file: File,
    *,
    precision: Annotated[
        str, typer.Option("--precision", help="Wanted relative error of k, e.g. 2% or 0.02.")
    ] = "2%",
    signal: dict[str, Any],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say how long to record and how many shots it takes, from a first trace."""
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.one_file.single import plan_file

    planned = plan_file(
        require_file(file),
        precision=precision,
        **signal,
    )
    if as_json:
        say_json(planned.as_dict())
    else:
        say(planned.headline(), quiet=quiet)
        if planned.plan.recordings:
            say_table(*planned.table(), quiet=quiet)
            say(planned.plan.note, quiet=quiet)
        for note in planned.notes:
            warn(f"note: {note}")
    raise typer.Exit(1 if planned.plan.reason else 0)


@gathers("fitted_as", FITTED)
def view(
    file: File,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Picture to write; default: FOLDER-FILE.png here.")
    ] = None,
    fitted_as: dict[str, Any],
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Show the picture in the system's viewer.")
    ] = True,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw a trace with its fit, its residuals and the cut, and open the picture."""
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.one_file.single import draw_trace, fit_file, fresh_picture

    fitted = fit_file(
        require_file(file),
        **fitted_as,
    )
    picture = out or fresh_picture(fitted)
    draw_trace(fitted, picture)
    if as_json:
        say_json({**fitted.as_dict(), "written": [picture]})
    else:
        say_written([picture], quiet=quiet)
        say(fitted.headline(), quiet=quiet)
    if open_ and not quiet and not as_json and _has_screen():
        typer.launch(str(picture))


def _has_screen() -> bool:
    """Tell whether a picture can be shown; without a screen the system's opener only complains."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@gathers("window", WINDOW)
def spectrum(
    file: File,
    *,
    law: Law = None,
    window: dict[str, Any],
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the amplitude spectra to this file.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the amplitudes of all signals to this CSV.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fit all signals of a file with one set of rates: amplitudes by wavelength, components."""
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.one_file.spectrum import draw_spectrum, fit_signals, save_spectrum

    if plot is not None:
        from stopflow.report.paper.pictures import require_picture

        require_picture(plot)
    fitted = fit_signals(require_file(file), law=law, **window)
    if as_json:
        say_json(fitted.as_dict())
    else:
        say_table(*fitted.table(), quiet=quiet)
        say(fitted.headline(), quiet=quiet)
        for note in fitted.notes:
            warn(f"note: {note}")
    written = []
    if out is not None:
        save_spectrum(fitted, out)
        written.append(out)
    if plot is not None:
        draw_spectrum(fitted, plot)
        written.append(plot)
    say_written(written, quiet=quiet or as_json)
    raise typer.Exit(0 if fitted.ok else 1)
