"""Drawing one experiment: traces and fits, residuals, the log-time view, k against the cut."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stopflow.report.kinetics.conditions import ConditionSeries
from stopflow.report.kinetics.experiment_numbers import (
    DrawnCurve,
    ExperimentPicture,
    ResidualBand,
    ShotPicture,
)
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.marks import (
    draw_level,
    draw_lines,
    draw_uprights,
    fill_band,
    fill_outlines,
    shade_between,
)
from stopflow.report.paper.page import Page
from stopflow.report.paper.scales import use_log_x
from stopflow.report.paper.style import INK, MUTED, SHADE, VERDICT_COLOURS, LineStyle, printable

_GUTTER_MM = 15.0
_LABEL_SIZE = 7.5
"""Size of the names of axes in points, as the house style sets it."""
_BOLD, _HALO = 1.3, 2.2
"""Widths of the fits and of the white below them."""


def draw_traces(
    page: Page,
    picture: ExperimentPicture,
    x_mm: float,
    y_mm: float,
    *,
    width_mm: float,
    tall_mm: float,
) -> None:
    """Draw signal and residuals against time, and beside them against time since the cut.

    The four panels fill ``tall_mm``; labels included.
    """
    y = y_mm + _draw_key(
        page, picture.series, x_mm + _GUTTER_MM, y_mm, width_mm=width_mm - _GUTTER_MM
    )
    room = y_mm + tall_mm - y - 9.0
    residual_mm = room * 0.26 if picture.residuals is not None else 0.0
    signal_mm = room - residual_mm - (2.5 if residual_mm else 0.0)
    linear_mm = (width_mm - _GUTTER_MM) * 0.60
    log_x = x_mm + _GUTTER_MM + linear_mm + 4.0
    log_mm = x_mm + width_mm - log_x
    main = page.axes(x_mm + _GUTTER_MM, y, width_mm=linear_mm, height_mm=signal_mm)
    side = page.axes(log_x, y, width_mm=log_mm, height_mm=signal_mm, sharey=main)
    _draw_signal(main, picture)
    _draw_log_signal(side, picture)
    main.set_ylabel(f"signal / {printable(picture.signal_unit)}")
    lowest = [main, side]
    if picture.residuals is not None and picture.log_residuals is not None:
        place = y + signal_mm + 2.5
        under = page.axes(
            x_mm + _GUTTER_MM, place, width_mm=linear_mm, height_mm=residual_mm, sharex=main
        )
        beside = page.axes(
            log_x, place, width_mm=log_mm, height_mm=residual_mm, sharex=side, sharey=under
        )
        shift = _first_start(picture) * picture.time_factor
        reach = max(picture.residuals.reach, picture.log_residuals.reach)
        _draw_residuals(under, picture.residuals, picture, shift=shift, reach=reach)
        _draw_residuals(beside, picture.log_residuals, picture, shift=0.0, reach=reach)
        named = f"residual / {printable(picture.signal_unit)}"
        # Where there is no room beside a low panel, its unit is that of the signal above.
        fits = page.ruler.width_mm(named, _LABEL_SIZE) <= residual_mm + 2.5
        under.set_ylabel(named if fits else "residual")
        beside.tick_params(labelleft=False)
        shade_artefact(under, picture)
        for axes in (main, side):
            axes.tick_params(labelbottom=False)
        lowest = [under, beside]
    side.tick_params(labelleft=False)
    lowest[0].set_xlabel(f"time / {picture.time_unit}")
    lowest[1].set_xlabel(f"time since the cut / {picture.time_unit} (logarithmic)")
    for axes in (main, lowest[0]):
        axes.yaxis.set_label_coords(-0.8 * _GUTTER_MM / linear_mm, 0.5)


def _starts(picture: ExperimentPicture) -> FloatArray:
    starts = np.array([shot.start_s for shot in picture.shots])
    return starts[np.isfinite(starts)]


def _first_start(picture: ExperimentPicture) -> float:
    starts = _starts(picture)
    return float(np.median(starts)) if len(starts) else 0.0


def _draw_signal(axes: Axes, picture: ExperimentPicture) -> None:
    _draw_shots(axes, picture, [shot.trace for shot in picture.shots])
    _draw_fits(axes, picture, [shot.fit for shot in picture.shots])
    ends = [shot.trace.x for shot in picture.shots]
    low = min(x.min() for x in ends) * picture.time_factor
    high = max(x.max() for x in ends) * picture.time_factor
    axes.set_xlim(low, high + 0.01 * (high - low))
    axes.set_ylim(*_signal_limits(picture))
    shade_artefact(axes, picture, labelled=True)


def _draw_log_signal(axes: Axes, picture: ExperimentPicture) -> None:
    curves = [shot.log_trace for shot in picture.shots]
    _draw_shots(axes, picture, curves)
    _draw_fits(axes, picture, [shot.log_fit for shot in picture.shots])
    drawn = [curve.x for curve in curves if curve is not None]
    if drawn:
        high = max(x.max() for x in drawn) * picture.time_factor
        low = max(min(x.min() for x in drawn) * picture.time_factor, high / 3e4)
        use_log_x(axes, low, high * 1.05)


def _draw_shots(
    axes: Axes, picture: ExperimentPicture, curves: Sequence[DrawnCurve | None]
) -> None:
    shown = [
        (np.column_stack([curve.x * picture.time_factor, curve.y]), shot)
        for curve, shot in zip(curves, picture.shots, strict=True)
        if curve is not None
    ]
    # Shots without a rate lie below the others, which they would hide.
    shown.sort(key=lambda item: item[1].fit is not None)
    outlines = [points for points, _ in shown]
    colours = [
        _trace_colour(picture, shot, judged=any(item.fit is not None for item in picture.shots))
        for _, shot in shown
    ]
    if picture.outlined:
        fill_outlines(axes, outlines, colours=colours, edge=0.25, alpha=0.28)
    else:
        alpha = 0.9 if len(outlines) < 3 else 0.45
        draw_lines(axes, outlines, colours=colours, width=0.5, alpha=alpha)


def _trace_colour(picture: ExperimentPicture, shot: ShotPicture, *, judged: bool) -> str:
    """Red tells shots without a rate from the others; grey sets a single condition off its fit."""
    if judged and shot.fit is None:
        return VERDICT_COLOURS["FAIL"]
    return MUTED if len(picture.series) == 1 else picture.series[shot.series].colour


def _draw_fits(axes: Axes, picture: ExperimentPicture, curves: Sequence[DrawnCurve | None]) -> None:
    bold = [(curve, place) for place in picture.bold if (curve := curves[place]) is not None]
    lines = [np.column_stack([c.x * picture.time_factor, c.y]) for c, _ in bold]
    series = [picture.series[picture.shots[place].series] for _, place in bold]
    styles = [item.line_style for item in series]
    for colours, width in (("white", _HALO), ([item.colour for item in series], _BOLD)):
        # Dashes grow with the width of their line; those of both are to lie on each other.
        dashes = [_shorten_dashes(style, _BOLD / width) for style in styles]
        draw_lines(axes, lines, colours=colours, width=width, styles=dashes)


def _shorten_dashes(style: LineStyle, factor: float) -> LineStyle:
    return style if isinstance(style, str) else (0, [factor * length for length in style[1]])


def _signal_limits(picture: ExperimentPicture) -> tuple[float, float]:
    """Make room for what follows the cut; an artefact may leave the frame, but not of one shot.

    So may shots without a rate, beside others with one.
    """
    fitted = [shot for shot in picture.shots if shot.fit is not None] or picture.shots
    after = [shot.log_trace.y for shot in fitted if shot.log_trace is not None]
    everything = [shot.trace.y for shot in picture.shots]
    values = np.concatenate(after if after and len(picture.shots) > 1 else everything)
    whole = np.concatenate(everything)
    low, high = float(values.min()), float(values.max())
    span = high - low or max(abs(high), 1.0) * 0.1
    low = max(low - 0.12 * span, min(low, float(whole.min())))
    high = min(high + 0.12 * span, max(high, float(whole.max())))
    return low - 0.05 * span, high + 0.05 * span


def shade_artefact(axes: Axes, picture: ExperimentPicture, *, labelled: bool = False) -> None:
    """Shade what lies before the cuts and mark them."""
    starts = np.unique(_starts(picture)) * picture.time_factor
    left, _ = axes.get_xlim()
    if not len(starts) or starts.max() <= left:
        return
    shade_between(axes, left, starts.min(), colour=SHADE)
    marked = starts[:: max(len(starts) // 12, 1)]
    draw_uprights(axes, marked, colour=INK, width=0.6, style=(0, (2, 1.5)))
    if labelled:
        low, high = f"{starts.min():.4g}", f"{starts.max():.4g}"
        said = low if low == high else f"{low} to {high}"
        axes.annotate(
            f"cut at {said} {picture.time_unit}",
            (starts.max(), 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 1.5),
            textcoords="offset points",
            fontsize=6.3,
            color=MUTED,
            va="bottom",
        )


def _draw_residuals(
    axes: Axes, band: ResidualBand, picture: ExperimentPicture, *, shift: float, reach: float
) -> None:
    x = band.middle * picture.time_factor + shift
    ends = np.array([x[0], x[-1]])
    noise = np.full(2, band.noise)
    fill_band(axes, ends, -noise, noise, colour="#dfe3e7")
    draw_level(axes, 0, colour=MUTED, width=0.5)
    # What lies beyond runs along the edge.
    lines = [
        np.column_stack([x, np.clip(mean, -reach, reach)])[np.isfinite(mean)] for mean in band.means
    ]
    colours = [series.colour for series in picture.series]
    draw_lines(axes, lines, colours=colours, width=0.8)
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))


def _draw_key(
    page: Page, series: Sequence[ConditionSeries], x_mm: float, y_mm: float, *, width_mm: float
) -> float:
    """Draw the key of colours above a picture; return the height it took."""
    if len(series) < 2:
        return 3.4
    widths = [page.ruler.width_mm(printable(item.label), 6.8) + 14.0 for item in series]
    if sum(widths) > 2 * width_mm:
        return _draw_scale(page, series, x_mm, y_mm)
    x, y = x_mm, y_mm + 2.6
    for item, width in zip(series, widths, strict=True):
        if x + width > x_mm + width_mm and x > x_mm:
            x, y = x_mm, y + 3.8
        page.rule(x, y - 1.1, length_mm=8.5, colour=item.colour, width=1.7, style=item.line_style)
        label = page.ruler.shorten(printable(item.label), 6.8, width_mm=width_mm - 10)
        page.text(x + 10.0, y, label, size=6.8)
        x += width
    return y - y_mm + 4.4


def _draw_scale(page: Page, series: Sequence[ConditionSeries], x_mm: float, y_mm: float) -> float:
    """Draw many conditions as a strip of colours with the first, middle and last named."""
    wide = 90.0 / len(series)
    for place, item in enumerate(series):
        page.box(x_mm + place * wide, y_mm, width_mm=wide, height_mm=2.0, colour=item.colour)
    named: list[tuple[int, str]] = [
        (0, "left"),
        (len(series) // 2, "center"),
        (len(series) - 1, "right"),
    ]
    for place, align in named:
        label = page.ruler.shorten(printable(series[place].label), 6.8, width_mm=28)
        edge = {"left": 0.0, "center": 0.5, "right": 1.0}[align]
        page.text(x_mm + (place + edge) * wide, y_mm + 5.0, label, size=6.8, align=align)  # type: ignore[arg-type]
    return 9.4
