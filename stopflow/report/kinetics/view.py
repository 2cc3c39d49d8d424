"""The picture of a single shot: trace and fit, residuals, k against the cut, the numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stopflow import column_names as col
from stopflow.kinetics.laws import error_columns
from stopflow.kinetics.verdicts.findings import parse_findings
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.experiment_figures import draw_traces
from stopflow.report.kinetics.experiment_numbers import ExperimentPicture, build_experiment_picture
from stopflow.report.kinetics.experiment_strip import draw_cuts
from stopflow.report.kinetics.experiment_tables import take_experiment
from stopflow.report.kinetics.reasons import say_in_print
from stopflow.report.kinetics.summary import FURTHER_RATES, OF_ALL_PHASES
from stopflow.report.paper.page import Page
from stopflow.report.paper.rounding import (
    MISSING,
    format_digits,
    format_half_life,
    format_interval,
    format_pm,
    format_time,
)
from stopflow.report.paper.style import (
    INK,
    MUTED,
    VERDICT_COLOURS,
    VERDICT_SIGNS,
    Paper,
    Ruler,
    printable,
    styled,
)

_SHEET = Paper(key="picture", width_mm=220.0, height_mm=140.0, side_mm=8.0)
_TEXT_MM = 54.0
_FINDING_SIZES = (7.4, 6.8, 6.2, 5.6)
"""Type of the reasons of a verdict in points: the largest that leaves room for the numbers."""
_LEADING_MM = 0.57
"""Step between lines, over the size of the type."""
_LEAST_STEP_MM = 8.0
"""Between two numbers with their labels."""


@styled
def plot_shot(data: KineticsReportData, row: int = 0) -> Figure:
    """Draw one shot of a dataset.

    Parameters
    ----------
    row
        Row number in ``data.shots``.

    Returns
    -------
    figure
        220 x 140 mm; not saved.
    """
    shot = data.shots.iloc[row]
    page = Page(_SHEET, Ruler())
    name = printable(f"{shot[col.FILE]}  ·  {shot[col.EXPERIMENT]}".strip(" ·"))
    shown = page.ruler.shorten(name, 11.0, width_mm=_SHEET.text_width_mm, bold=True)
    page.text(_SHEET.side_mm, 10.0, shown, size=11.0, bold=True)
    width = _SHEET.text_width_mm - _TEXT_MM - 8.0
    tables = take_experiment(data, [row])
    picture = build_experiment_picture(data, tables)
    with_cuts = bool(picture.shots and tables.cuts)
    tall = 84.0 if with_cuts else 120.0
    if picture.shots:
        draw_traces(page, picture, _SHEET.side_mm, 13.0, width_mm=width, tall_mm=tall)
    else:
        page.text(_SHEET.side_mm, 24.0, "There is no trace to draw.", colour=MUTED)
    if with_cuts:
        axes = page.axes(_SHEET.side_mm + 15.0, 101.0, width_mm=width - 15.0, height_mm=24.5)
        draw_cuts(axes, tables, picture)
    if picture.shots:
        key = page.ruler.shorten(say_key(picture, with_cuts=with_cuts), 7.0, width_mm=width)
        page.text(_SHEET.side_mm, _SHEET.height_mm - 1.8, key, size=7.0, colour=MUTED)
    _write_numbers(page, shot, _SHEET.width_mm - _SHEET.side_mm - _TEXT_MM)
    return page.figure


def say_key(picture: ExperimentPicture, *, with_cuts: bool = False) -> str:
    """Say what is what in the picture."""
    drawn = picture.shots[0]
    said = ["grey: recorded"]
    if drawn.fit is not None:
        said += ["line: the fit", "below: residuals"]
    if np.isfinite(drawn.start_s):
        said.append("shaded: left out")
    if with_cuts:
        said.append("lowest: k of one exponential with slope by cut")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _write_numbers(page: Page, shot: pd.Series, x_mm: float) -> None:
    verdict = str(shot[col.VERDICT])
    y = 19.0
    page.text(
        x_mm,
        y,
        f"{VERDICT_SIGNS.get(verdict, '')} {verdict}",
        size=11.0,
        bold=True,
        colour=VERDICT_COLOURS.get(verdict, INK),
    )
    facts = _facts(shot)
    findings = [f"•  {say_in_print((one,))}" for one in parse_findings(str(shot[col.FINDINGS]))]
    room = _SHEET.height_mm - 8.0 - y - 4.0 - _LEAST_STEP_MM * len(facts)
    for line, size, step in _fitting_lines(page, findings, room):
        y += step
        page.text(x_mm, y, line, size=size, colour=MUTED)
    y += 4.0
    step = min(9.4, (_SHEET.height_mm - 8.0 - y) / len(facts))
    for label, value in facts:
        y += step
        page.text(x_mm, y, label, size=6.8, colour=MUTED)
        text = page.ruler.shorten(printable(value), 8.8, width_mm=_TEXT_MM, bold=True)
        page.text(x_mm, y + 4.1, text, size=8.8, bold=True)


def _fitting_lines(
    page: Page, findings: Sequence[str], room_mm: float
) -> list[tuple[str, float, float]]:
    """Break findings into lines, each with its size and step, smaller ones where there are many."""
    made: list[tuple[str, float, float]] = []
    for size in _FINDING_SIZES:
        step = size * _LEADING_MM
        lines = [
            line
            for said in findings
            for line in page.ruler.wrap(printable(said), size, width_mm=_TEXT_MM)
        ]
        made = [(line, size, step) for line in lines]
        if len(made) * step <= room_mm:
            return made
    kept = made[: int(room_mm / step)]
    return [*kept[:-1], (f"{kept[-1][0]} …", *kept[-1][1:])]


def _facts(shot: pd.Series) -> list[tuple[str, str]]:
    def number(name: str) -> float:
        return float(shot.get(name, np.nan))

    error, unit = number(col.K_STDERR_PER_S), str(shot.get(col.SIGNAL_UNIT, "") or "")
    half = number(col.HALF_LIFE_S)
    of = OF_ALL_PHASES if np.isfinite(number(col.K2_PER_S)) else ""
    interval = format_interval(number(col.K_LOW95_PER_S), number(col.K_HIGH95_PER_S), error=error)
    facts = [
        ("rate constant k / s⁻¹", format_pm(number(col.K_PER_S), error)),
        ("95 % interval / s⁻¹", interval),
        *(
            (f"rate constant {name} / s⁻¹", format_pm(number(rate), number(error_columns(rate)[0])))
            for name, rate in FURTHER_RATES.items()
        ),
        (f"half-life{of}", format_half_life(half, half * error / (number(col.K_PER_S) or np.nan))),
        (f"amplitude at the cut / {unit}", format_digits(number("amplitude"), 4)),
        ("signal to noise", format_digits(number(col.SIGNAL_TO_NOISE), 3)),
        (
            "start of the fit",
            f"{format_time(number(col.START_S), 4, exact=True)} ({shot[col.START_SOURCE]})",
        ),
        ("detected end of the artefact", format_time(number(col.DETECTED_START_S), 4, exact=True)),
        ("the lab's own rate / s⁻¹", format_digits(number(col.WORKBOOK_RATE_PER_S), 4)),
    ]
    return [(label, text) for label, text in facts if not text.startswith(MISSING)]
