"""Pictures of a global fit: scheme, traces with residuals, species, contours and profiles."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from stopflow.mechanism.contours import Contour
from stopflow.mechanism.determined import RISE, Determination
from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.scheme import Scheme, Step, write_side
from stopflow.report.mechanism.view import (
    LOGARITHMIC,
    MixturePanel,
    choose_spread,
    describe_mixture,
)
from stopflow.report.paper.legend import say_above
from stopflow.report.paper.page import Page
from stopflow.report.paper.rounding import concentration_unit
from stopflow.report.paper.scales import use_log_x
from stopflow.report.paper.style import (
    ACCENT,
    CATEGORY_COLOURS,
    INK,
    LINE_STYLES,
    MUTED,
    shorten_middle,
)
from stopflow.trace import FloatArray
from stopflow.wording import join_words

ROW_MM = 12.0
_ARROW_MM = 26.0
_MOST_RISE = 3.0
MOST_MARKS = 8
TITLE_CHARACTERS, NAME_CHARACTERS = 40, 28
"""Of a panel, in small and in larger type; more would reach into the next one."""
KEY_COLUMNS = 4
"""Names of species side by side, in rows above the curves."""
EXCESS = 10.0
"""Of a species that is left out of the picture, in largest changes of a concentration."""
FINE_POINTS = 400
"""Of a profile, between whose points the root of the rise is straight."""


def pair_steps(scheme: Scheme) -> list[tuple[Step, Step | None]]:
    """Put the two directions of a reversible step together."""
    rows: list[tuple[Step, Step | None]] = []
    for step in scheme.steps:
        before = rows[-1] if rows else None
        if (
            before is not None
            and before[1] is None
            and dict(before[0].reactants) == dict(step.products)
            and dict(before[0].products) == dict(step.reactants)
        ):
            rows[-1] = (before[0], step)
        else:
            rows.append((step, None))
    return rows


def draw_scheme(page: Page, x_mm: float, y_mm: float, *, scheme: Scheme) -> None:
    """Draw each reaction in a row: reactants, arrow with its constants, products."""
    rows = pair_steps(scheme)
    left = [write_side(step.reactants) for step, _ in rows]
    right = [write_side(step.products) for step, _ in rows]
    wide = max(page.ruler.width_mm(text, 10.0, bold=True) for text in left)
    for number, (step, back) in enumerate(rows):
        middle = y_mm + ROW_MM * (number + 0.5)
        start = x_mm + wide + 4.0
        page.text(x_mm + wide, middle + 1.3, left[number], size=10.0, bold=True, align="right")
        page.text(start + _ARROW_MM + 4.0, middle + 1.3, right[number], size=10.0, bold=True)
        centre = start + 0.5 * _ARROW_MM
        apart = 0.7 if back is not None else 0.0
        _draw_arrow(page, start, middle - apart, _ARROW_MM)
        page.text(centre, middle - 2.2, step.constant, size=7.5, colour=ACCENT, align="center")
        if back is not None:
            _draw_arrow(page, start + _ARROW_MM, middle + apart, -_ARROW_MM)
            page.text(centre, middle + 4.4, back.constant, size=7.5, colour=ACCENT, align="center")


def _draw_arrow(page: Page, x_mm: float, y_mm: float, long_mm: float) -> None:
    axes = page.axes(min(x_mm, x_mm + long_mm), y_mm - 1.5, width_mm=abs(long_mm), height_mm=3.0)
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-1, 1)
    ends = ((1.0, 0.0), (0.0, 0.0)) if long_mm > 0 else ((0.0, 0.0), (1.0, 0.0))
    style = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.8, "mutation_scale": 7.0}
    axes.annotate("", xy=ends[0], xytext=ends[1], arrowprops={**style, "shrinkA": 0, "shrinkB": 0})


def draw_panel(axes: Axes, panel: MixturePanel, *, signal_name: bool) -> None:
    """Draw the shots of a mixture and the fitted curve."""
    axes.plot(panel.time_s, panel.signal, ".", color="#9aa3ab", markersize=1.6)
    for curve_s, curve in panel.curves:
        axes.plot(curve_s, curve, color=CATEGORY_COLOURS[0], linewidth=1.1)
    axes.set_title(shorten_middle(panel.title, TITLE_CHARACTERS), fontsize=6.0, fontweight="normal")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    _time_axis(axes, panel.time_s)
    axes.tick_params(axis="x", which="both", labelbottom=False)
    if signal_name:
        axes.set_ylabel("change of the signal")


def draw_residual(axes: Axes, panel: MixturePanel, *, names: bool) -> None:
    """Draw the residuals of the same points in units of the noise."""
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.plot(panel.time_s, panel.residual, ".", color="#5c6670", markersize=1.6)
    reach = max(3.5, float(np.abs(panel.residual).max(initial=0.0)) * 1.05)
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    _time_axis(axes, panel.time_s)
    axes.set_xlabel("time / s")
    say_above(axes, f"mean square {panel.mean_square:.2f}")
    if names:
        axes.set_ylabel("residual / noise")


def _time_axis(axes: Axes, time_s: np.ndarray) -> None:
    positive = time_s[time_s > 0]
    if len(positive) and positive.max() / positive.min() > LOGARITHMIC:
        use_log_x(axes, float(positive.min()), float(positive.max()))
    else:
        axes.set_xlim(0, float(time_s.max()))


def draw_species(axes: Axes, fit: GlobalFit, mixture: int, *, key: bool) -> None:
    """Draw the concentrations of all species of a mixture against time."""
    problem = fit.problem
    c = problem.concentrations(np.asarray(fit.best.theta))[mixture]
    excess = find_excess(c)
    most = float(c[:, ~excess].max())
    factor, unit = concentration_unit(most)
    for place in np.flatnonzero(~excess):
        name = problem.scheme.species[place]
        axes.plot(
            problem.times_s,
            factor * c[:, place],
            color=CATEGORY_COLOURS[place % len(CATEGORY_COLOURS)],
            linestyle=LINE_STYLES[place % len(LINE_STYLES)],
            label=name,
        )
    axes.set_title(
        shorten_middle(describe_mixture(fit, mixture), TITLE_CHARACTERS),
        fontsize=6.0,
        fontweight="normal",
    )
    _time_axis(axes, problem.times_s)
    rows = -(-len(problem.scheme.species) // KEY_COLUMNS) if key else int(excess.any())
    axes.set_ylim(0, factor * most * (1.05 + 0.15 * rows))
    axes.set_xlabel("time / s")
    axes.set_ylabel(f"concentration / {unit}")
    if excess.any():
        absent = [name for name, gone in zip(problem.scheme.species, excess, strict=True) if gone]
        said = f"{join_words(absent)} in excess"
        axes.annotate(said, (1.0, 1.0), xycoords="axes fraction", ha="right", va="top",
                      fontsize=6.0, color=MUTED)  # fmt: skip
    if key:
        axes.legend(loc="upper left", ncols=KEY_COLUMNS, fontsize=6.2, handlelength=1.4,
                    columnspacing=0.8, borderaxespad=0.1)  # fmt: skip


def find_excess(c: FloatArray) -> NDArray[np.bool_]:
    """Find species (s,) of which, in c (n, s), so much more is there than changes of any.

    Beside them no other concentration could be read; without any that changes, none is left out.
    """
    change = np.ptp(c, axis=0).max()
    excess = (c.min(axis=0) > EXCESS * change) & (change > 0)
    return np.asarray(excess & ~excess.all())


def draw_contour(axes: Axes, fit: GlobalFit, contour: Contour) -> None:
    """Draw the joint 95 % region of two constants; triangles mark where it goes on."""
    constants = fit.problem.constants
    x, y = (_shown(fit, place, contour.points[:, i]) for i, place in enumerate(contour.places))
    if contour.is_whole:
        axes.fill(x, y, color=CATEGORY_COLOURS[0], alpha=0.12, linewidth=0)
        x, y = np.append(x, x[0]), np.append(y, y[0])
    axes.plot(x, y, color=CATEGORY_COLOURS[0])
    best = [_shown(fit, place, np.array([fit.best.theta[place]]))[0] for place in contour.places]
    axes.plot(*best, "+", color=INK, markersize=7)
    going_on = np.flatnonzero(contour.is_open)
    if len(going_on):
        shown = going_on[choose_spread(len(going_on), MOST_MARKS)]
        axes.plot(x[shown], y[shown], linestyle="none", marker=">", color=CATEGORY_COLOURS[1])
    for axis, place in zip((axes.xaxis, axes.yaxis), contour.places, strict=True):
        axis.set_label_text(_axis_name(fit, place))
        axis.set_major_locator(MaxNLocator(4))
    first, second = (constants.names[place] for place in contour.places)
    axes.set_title(shorten_middle(f"{first}, {second}: joint 95 %", NAME_CHARACTERS))


def draw_profile(axes: Axes, fit: GlobalFit, found: Determination, place: int) -> None:
    """Draw how the squares rise as one constant is held away from its best value."""
    profile = found.profiles[place]
    x = _shown(fit, place, profile[:, 0])
    rise = np.minimum(profile[:, 1], 1e6)
    side = np.sign(profile[:, 0] - float(fit.best.theta[place]))
    fine = np.linspace(x.min(), x.max(), FINE_POINTS)
    axes.plot(fine, np.interp(fine, x, side * np.sqrt(rise)) ** 2, color=INK)
    axes.plot(x, rise, linestyle="none", marker="o", markersize=2.6, color=INK)
    axes.axhline(RISE, color=CATEGORY_COLOURS[1], linewidth=0.8, linestyle=LINE_STYLES[1])
    axes.set_ylim(-0.2, _MOST_RISE * RISE)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel(_axis_name(fit, place))
    axes.set_ylabel("rise of the squares")
    name = fit.problem.constants.names[place]
    axes.set_title(shorten_middle(f"{name}: profile", NAME_CHARACTERS))


def _shown(fit: GlobalFit, place: int, values: np.ndarray) -> np.ndarray:
    """Powers of ten of constants, enthalpies as they are."""
    return values / np.log(10) if fit.problem.constants.is_logarithm[place] else values


def _axis_name(fit: GlobalFit, place: int) -> str:
    constants = fit.problem.constants
    name, unit = constants.names[place], constants.units[place]
    plain = unit.replace("^-1", "⁻¹")
    return f"log₁₀({name} / {plain})" if constants.is_logarithm[place] else f"{name} / {plain}"
