"""The pictures of an experiment with their captions: traces, and below them the strip."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from stopflow import column_names as col
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.experiment_figures import draw_traces
from stopflow.report.kinetics.experiment_numbers import (
    ExperimentPicture,
    build_experiment_picture,
)
from stopflow.report.kinetics.experiment_room import Room
from stopflow.report.kinetics.experiment_strip import draw_cuts, draw_rates
from stopflow.report.kinetics.experiment_tables import ExperimentTables
from stopflow.report.kinetics.summary import Counts
from stopflow.report.paper.flow import FlowBlock, Picture, build_note
from stopflow.report.paper.page import Page
from stopflow.report.paper.style import MUTED


class Captions(NamedTuple):
    """What is said of both pictures below the strip, and of each below itself."""

    both: str
    traces: str
    strip: str


def write_captions(counts: Counts, *, has_cuts: bool) -> Captions:
    """Say what the pictures show; there is no strip where no shot was fitted."""
    if not counts.fitted:
        said = "Recorded signals; none could be fitted."
        return Captions(both=said, traces=said, strip="")
    traces = _say_traces(counts.read)
    below, strip = (
        _say_strip(counts.fitted, has_cuts=has_cuts, place=place) for place in ("Below", "")
    )
    return Captions(both=f"{traces} {below}", traces=traces, strip=strip)


def _say_traces(shots: int) -> str:
    if shots <= 6:
        drawn = "Faint lines are the recorded shots, bold lines their fits"
    else:
        drawn = (
            "Faint areas span the recorded shots; a bold line is the fit of the shot of median k "
            "of its condition"
        )
    return (
        f"{drawn}; red marks shots without a rate. The shaded part was left out as mixing "
        "artefact. Residuals: the grey band is one standard deviation of a shot's noise to either "
        "side, and the lines are the means of the conditions."
    )


def _say_strip(fitted: int, *, has_cuts: bool, place: str) -> str:
    """Say what the strip shows: one picture or two."""
    cuts = "k of one exponential with a slope for other cuts, relative to k for the cut used"
    cuts += "; the black line is the median" * (fitted > 3)
    rates = (
        "k of each shot with its 95 % interval; open symbols did not pass, and the bar is the mean"
    )
    shown = [cuts] * has_cuts + [rates] * (fitted > 1 or not has_cuts)
    sides = [" left", " right"] if len(shown) > 1 else [""]
    heads = [f"{place}{side}".strip().capitalize() for side in sides]
    said = [f"{head}: {text}." if head else text for head, text in zip(heads, shown, strict=True)]
    return " ".join(text[0].upper() + text[1:] for text in said)


def build_picture_blocks(
    data: KineticsReportData,
    tables: ExperimentTables,
    name: str,
    *,
    room: Room,
    captions: Captions,
) -> Sequence[FlowBlock]:
    """Compose the pictures of an experiment, in the room they have; some shot must be readable."""
    # Drawn from once for both, and not before they are drawn.
    prepare = cache(partial(build_experiment_picture, data, tables))
    traces = Picture(
        tall_mm=room.traces_mm,
        paint=partial(_paint_traces, prepare, room.traces_mm),
        after_mm=1.0 if room.strip_beside_tables or not room.strip_mm else 0.0,
        shows=f"{name} traces",
    )
    if not room.strip_mm:
        return traces, build_note(captions.traces)
    strip = Picture(
        tall_mm=room.strip_mm,
        paint=partial(_paint_strip, prepare, tables, room.strip_mm),
        after_mm=1.0,
        shows=f"{name} rates",
    )
    if room.strip_beside_tables:
        return traces, build_note(captions.traces), strip, build_note(captions.strip)
    return traces, strip, build_note(captions.both)


def _paint_traces(
    prepare: Callable[[], ExperimentPicture],
    tall_mm: float,
    page: Page,
    x_mm: float,
    y_mm: float,
    width_mm: float,
) -> None:
    picture = prepare()
    if not picture.shots:
        page.text(x_mm, y_mm + 4, "The traces are not stored.", colour=MUTED)
        return
    draw_traces(page, picture, x_mm, y_mm, width_mm=width_mm, tall_mm=tall_mm)


def _paint_strip(
    prepare: Callable[[], ExperimentPicture],
    tables: ExperimentTables,
    tall_mm: float,
    page: Page,
    x_mm: float,
    y_mm: float,
    width_mm: float,
) -> None:
    picture = prepare()
    if not picture.shots:
        return
    fitted = int(np.isfinite(tables.shots[col.K_PER_S]).sum())
    half, whole = (width_mm - 36.0) / 2, width_mm - 15.0
    place = partial(page.axes, y_mm=y_mm + 5.0, height_mm=tall_mm - 18.0)
    if tables.cuts:
        wide = whole if fitted == 1 else half
        draw_cuts(place(x_mm + 15.0, width_mm=wide), tables, picture)
    if fitted > 1 or not tables.cuts:
        wide = half if tables.cuts else whole
        axes = place(x_mm + width_mm - wide, width_mm=wide)
        draw_rates(axes, tables, page.ruler, width_mm=wide)
