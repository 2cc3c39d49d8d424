"""Commands for one file: fit, plan, view, spectrum; and laws."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from stopflow.cli.gather import Option, gathers
from stopflow.cli.options import Channel, Law, Robust, TimeUnit, Wavelength
from stopflow.cli.voice import Voice, speaks

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


app = typer.Typer()


@app.command(epilog="Example: stopflow fit shot.bka --law double --plot shot.png")
@gathers("fitted_as", FITTED)
@speaks
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
    voice: Voice,
) -> None:
    """Fit one trace: rate constant, interval, verdict, and what other laws say."""
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.one_file.single import Wanted, draw_trace, fit_file

    if plot is not None:
        from stopflow.report.paper.pictures import require_picture

        require_picture(plot)
    law, wanted = fitted_as.pop("law"), Wanted(**fitted_as)
    fitted = fit_file(require_file(file), wanted, law=law, fixed=fix or (), robust=robust)
    voice.result(fitted.as_dict)
    voice.table(("", "value", "error", "unit"), fitted.lines())
    voice.say(fitted.headline())
    voice.notes(fitted.notes)
    if plot is not None:
        draw_trace(fitted, plot)
        voice.written([plot])
    raise typer.Exit(0 if fitted.ok else 1)


@app.command(epilog="Example: stopflow plan shot.bka --precision 2%")
@gathers("signal", SIGNAL)
@speaks
def plan(
    file: File,
    *,
    precision: Annotated[
        str, typer.Option("--precision", help="Wanted relative error of k, e.g. 2% or 0.02.")
    ] = "2%",
    signal: dict[str, Any],
    voice: Voice,
) -> None:
    """Say how long to record and how many shots it takes, from a first trace."""
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.one_file.single import Wanted, plan_file

    planned = plan_file(require_file(file), Wanted(**signal), precision=precision)
    voice.result(planned.as_dict)
    voice.say(planned.headline())
    if planned.plan.recordings:
        voice.table(*planned.table())
        voice.say(planned.plan.note)
    voice.notes(planned.notes)
    raise typer.Exit(1 if planned.plan.reason else 0)


@app.command(epilog="Example: stopflow view shot.bka")
@gathers("fitted_as", FITTED)
@speaks
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
    voice: Voice,
) -> None:
    """Draw a trace with its fit, its residuals and the cut, and open the picture."""
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.one_file.single import Wanted, draw_trace, fit_file, fresh_picture

    law, wanted = fitted_as.pop("law"), Wanted(**fitted_as)
    fitted = fit_file(require_file(file), wanted, law=law)
    picture = out or fresh_picture(fitted)
    draw_trace(fitted, picture)
    voice.result(lambda: {**fitted.as_dict(), "written": [picture]})
    voice.written([picture])
    voice.say(fitted.headline())
    if open_ and not voice.quiet and not voice.as_json and _has_screen():
        typer.launch(str(picture))


def _has_screen() -> bool:
    """Tell whether a picture can be shown; without a screen the system's opener only complains."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@app.command(epilog="Example: stopflow spectrum scan.csv --law double --plot scan.png")
@gathers("window", WINDOW)
@speaks
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
    voice: Voice,
) -> None:
    """Fit all signals of a file with one set of rates: amplitudes by wavelength, components."""
    from stopflow.pipeline.find import require_file
    from stopflow.pipeline.one_file.spectrum import draw_spectrum, fit_signals, save_spectrum

    if plot is not None:
        from stopflow.report.paper.pictures import require_picture

        require_picture(plot)
    fitted = fit_signals(require_file(file), law=law, **window)
    voice.result(fitted.as_dict)
    voice.table(*fitted.table())
    voice.say(fitted.headline())
    voice.notes(fitted.notes)
    written = []
    if out is not None:
        save_spectrum(fitted, out)
        written.append(out)
    if plot is not None:
        draw_spectrum(fitted, plot)
        written.append(plot)
    voice.written(written)
    raise typer.Exit(0 if fitted.ok else 1)


@app.command(epilog="Example: stopflow laws")
@speaks
def laws(*, voice: Voice) -> None:
    """List the rate laws that --law knows: name, formula, and when to use it."""
    from stopflow.kinetics.laws import describe_laws

    voice.listing(("law", "formula", "use"), describe_laws())
