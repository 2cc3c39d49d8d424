"""Axes that say their numbers plainly."""

import math

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from stopflow.report.paper.rounding import power

_SHORT = 0.6
"""Decades below which round numbers at equal steps read better than 1, 2 and 5."""


def name_log_ticks(axis: Axis, low: float, high: float) -> None:
    """Label a logarithmic axis with plain numbers, also between decades where it is short.

    Parameters
    ----------
    low, high
        The range shown, both positive.
    """
    decades = math.log10(high / low)
    if decades < _SHORT:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:.6g}"))
        axis.set_minor_locator(NullLocator())
        return
    step = max(1, math.ceil(decades / 7))
    axis.set_major_locator(LogLocator(base=10.0**step, numticks=12))
    axis.set_major_formatter(FuncFormatter(_plain_tick))
    between = tuple(range(2, 10)) if decades < 2.2 else (2, 5)
    axis.set_minor_locator(LogLocator(base=10.0, subs=between, numticks=12))
    if decades < 1.0:
        axis.set_minor_formatter(FuncFormatter(_plain_tick))
    elif decades < 2.2:
        axis.set_minor_formatter(FuncFormatter(_two_and_five))
    else:
        axis.set_minor_formatter(NullFormatter())


def use_log_x(axes: Axes, low: float, high: float) -> None:
    """Make x logarithmic from `low` to `high`."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    name_log_ticks(axes.xaxis, low, high)


def use_log_y(axes: Axes, low: float, high: float) -> None:
    """Make y logarithmic from `low` to `high`."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    name_log_ticks(axes.yaxis, low, high)


def _plain_tick(value: float, _place: int | None = None) -> str:
    exponent = math.floor(math.log10(value) + 1e-9)
    if -4 < exponent < 5:
        return f"{value:.{max(0, -exponent)}f}"
    mantissa = value / 10.0**exponent
    return f"10{power(exponent)}" if abs(mantissa - 1) < 1e-6 else ""


def _two_and_five(value: float, place: int | None = None) -> str:
    leading = value / 10.0 ** math.floor(math.log10(value) + 1e-9)
    return _plain_tick(value, place) if round(leading) in (2, 5) else ""
