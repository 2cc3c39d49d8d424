"""The picture of signals recorded together: amplitude spectra and singular values."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from stopflow.report.paper.page import Page
from stopflow.report.paper.style import (
    CATEGORY_COLOURS,
    INK,
    MUTED,
    Paper,
    Ruler,
    printable,
    styled,
)
from stopflow.trace import FloatArray

if TYPE_CHECKING:  # whoever draws does not fit
    from stopflow.kinetics.many.spectrum import SpectrumFit

_SHEET = Paper(key="picture", width_mm=220.0, height_mm=110.0, side_mm=8.0)
_SHOWN_VALUES = 20


@styled
def plot_spectrum(
    *, axis: FloatArray, has_wavelengths: bool, fit: "SpectrumFit", title: str
) -> Figure:
    """Draw amplitudes against wavelength (or channel), and singular values.

    Parameters
    ----------
    axis
        (n,) wavelengths in nm, or channel numbers.

    Returns
    -------
    figure
        220 x 110 mm; not saved.
    """
    page = Page(_SHEET, Ruler())
    shown = page.ruler.shorten(printable(title), 9.0, width_mm=_SHEET.text_width_mm, bold=True)
    page.text(_SHEET.side_mm, 9.0, shown, size=9.0, bold=True)
    left = page.axes(_SHEET.side_mm + 16.0, 18.0, width_mm=116.0, height_mm=76.0)
    _draw_amplitudes(left, axis, fit, has_wavelengths=has_wavelengths)
    right = page.axes(_SHEET.side_mm + 154.0, 18.0, width_mm=46.0, height_mm=76.0)
    _draw_values(right, fit)
    return page.figure


def _draw_amplitudes(
    axes: Axes, axis: FloatArray, fit: "SpectrumFit", *, has_wavelengths: bool
) -> None:
    order = np.argsort(axis)
    for place, name in enumerate(fit.law.linear):
        colour = CATEGORY_COLOURS[place % len(CATEGORY_COLOURS)]
        values, errors = fit.coefficients[name][order], fit.coefficient_stderr[name][order]
        if has_wavelengths:
            axes.plot(axis[order], values, color=colour, linewidth=1.2, label=name)
            low, high = values - 2 * errors, values + 2 * errors
            axes.fill_between(axis[order], low, high, color=colour, alpha=0.25, linewidth=0)
        else:
            axes.errorbar(axis[order], values, 2 * errors, fmt="o", color=colour, label=name)
    axes.axhline(0.0, color=MUTED, linewidth=0.5)
    axes.set_xlabel("wavelength / nm" if has_wavelengths else "channel")
    axes.set_ylabel("value ± 2 standard errors")
    if not has_wavelengths:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best", fontsize=7)


def _draw_values(axes: Axes, fit: "SpectrumFit") -> None:
    values = fit.decomposition.singular_values[:_SHOWN_VALUES]
    numbers = np.arange(1, len(values) + 1)
    above = numbers <= fit.decomposition.components
    axes.semilogy(numbers[above], values[above], "o", color=CATEGORY_COLOURS[0], label="above")
    axes.semilogy(numbers[~above], values[~above], "o", color=MUTED, label="noise")
    axes.axhline(fit.decomposition.edge, color=INK, linewidth=0.8, linestyle="--")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("component")
    axes.set_ylabel("singular value / noise")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
