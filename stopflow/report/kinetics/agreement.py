"""How the rates agree with the lab's own, with known truth, and where the fits begin."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.kinetics.verdicts.findings import Verdict
from stopflow.report.paper.flow import (
    FlowBlock,
    Paragraph,
    build_heading,
    build_subheading,
    row_picture,
)
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.legend import put_legend_above
from stopflow.report.paper.rounding import format_digits, format_percent, format_value
from stopflow.report.paper.scales import use_log_x
from stopflow.report.paper.style import INK, MUTED, VERDICT_COLOURS, VERDICT_MARKERS

_LISTED = 10
_ENOUGH = 5
_MARK = 4.2
_CROWD = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Difference:
    """Differences between our rates and others, shot by shot.

    Attributes
    ----------
    mean_per_s
        (n,) mean of the two rates.
    relative
        (n,) ours over the other, minus 1.
    verdict
        (n,) of the shot.
    median, low, high
        Median of `relative` and the limits that hold 95 % of the shots.
    """

    mean_per_s: NDArray[np.float64]
    relative: NDArray[np.float64]
    verdict: NDArray[np.str_]
    median: float
    low: float
    high: float


def compare_rates(shots: pd.DataFrame, column: str) -> Difference | None:
    """Compare k with another rate of the same shots; None when there is none to compare."""
    both = _with_both(shots, column)
    if both.empty:
        return None
    ours, theirs = both[col.K_PER_S].to_numpy(float), both[column].to_numpy(float)
    relative = ours / theirs - 1
    low, middle, high = np.quantile(relative, [0.025, 0.5, 0.975])
    return Difference(
        mean_per_s=(ours + theirs) / 2,
        relative=relative,
        verdict=both[col.VERDICT].to_numpy(str),
        median=float(middle),
        low=float(low),
        high=float(high),
    )


def _with_both(shots: pd.DataFrame, column: str) -> pd.DataFrame:
    if column not in shots:
        return shots.iloc[:0]
    ours, theirs = shots[col.K_PER_S].astype(float), shots[column].astype(float)
    return shots[np.isfinite(ours) & np.isfinite(theirs) & (ours > 0) & (theirs > 0)]


def build_agreement_blocks(shots: pd.DataFrame) -> list[FlowBlock]:
    """Compose the pictures of agreement; empty when there is nothing to compare with."""
    blocks: list[FlowBlock] = []
    lab = compare_rates(shots, col.WORKBOOK_RATE_PER_S)
    starts = _with_starts(shots)
    if lab is not None:
        blocks += [
            build_heading("Agreement with the lab's own rates"),
            Paragraph(
                text=describe_difference(
                    lab, "the rates in the workbooks", one="the rate in the workbook"
                ),
                keep_with_next=True,
            ),
        ]
        if len(lab.relative) >= _ENOUGH:
            draw_starts = [partial(draw_start_difference, shots=starts)] if len(starts) else []
            differences = partial(draw_difference, found=lab, other="lab")
            blocks.append(
                row_picture(
                    [differences, *draw_starts],
                    tall_mm=66.0,
                    top_mm=8.5,
                    shows=("rates of the lab", "starts of the lab"),
                )
            )
        blocks += _disagreement_blocks(shots)
    elif len(starts) >= _ENOUGH:
        blocks += [
            build_heading("Start of the fit: workbook and detected"),
            row_picture(
                [partial(draw_start_difference, shots=starts)],
                tall_mm=62.0,
                top_mm=8.5,
                shows=("starts of the lab",),
            ),
        ]
    truth = compare_rates(shots, col.K_TRUE_PER_S)
    if truth is not None:
        blocks += [
            build_heading("Agreement with the known truth"),
            Paragraph(
                text=describe_difference(
                    truth,
                    "the true rates of the simulated shots",
                    one="the true rate of the simulated shot",
                ),
                keep_with_next=len(truth.relative) >= _ENOUGH,
            ),
        ]
    if truth is not None and len(truth.relative) >= _ENOUGH:
        blocks.append(
            row_picture(
                [
                    partial(draw_difference, found=truth, other="truth"),
                    partial(draw_pulls, shots=_with_both(shots, col.K_TRUE_PER_S)),
                ],
                tall_mm=66.0,
                top_mm=8.5,
                shows=("rates and the truth", "pulls"),
            )
        )
    return blocks


def describe_difference(found: Difference, other: str, *, one: str) -> str:
    """Say the difference in a sentence; `one` names the other rate where there is a single shot."""
    count = len(found.relative)
    middle, low, high = (
        format_percent(share, signed=True) for share in (found.median, found.low, found.high)
    )
    if count == 1:
        return f"k of the one shot differs from {one} by {middle}."
    return (
        f"Compared with {other}, k differs by {middle} at the median of {count} shots; 95 % of "
        f"them lie between {low} and {high}."
    )


def draw_difference(axes: Axes, *, found: Difference, other: str) -> None:
    """Draw relative differences against the mean rate, with their median and 95 % limits."""
    reach = float(np.clip(1.6 * np.quantile(np.abs(found.relative), 0.97), 0.005, 2.0))
    clipped = np.clip(found.relative, -reach, reach)
    size = _MARK if len(clipped) < _CROWD else 0.75 * _MARK
    for verdict in Verdict:
        mask = found.verdict == verdict
        if mask.any():
            axes.plot(
                found.mean_per_s[mask],
                100 * clipped[mask],
                linestyle="none",
                marker=VERDICT_MARKERS[verdict],
                markersize=size,
                markerfacecolor=VERDICT_COLOURS[verdict],
                markeredgecolor="white",
                markeredgewidth=0.25,
                label=verdict,
            )
    axes.axhline(0, color=MUTED, linewidth=0.5)
    axes.axhline(100 * found.median, color=INK, linewidth=0.9, label="median")
    for limit, label in ((found.low, "95 % of shots"), (found.high, None)):
        axes.axhline(100 * limit, color=INK, linewidth=0.7, linestyle=(0, (4, 2)), label=label)
    axes.set_ylim(-108 * reach, 108 * reach)
    low, high = float(found.mean_per_s.min()), float(found.mean_per_s.max())
    if high / low > 8:
        use_log_x(axes, low / 1.2, high * 1.2)
    outside = int((np.abs(found.relative) > reach).sum())
    beyond = f"  ({outside} drawn at the edge)" if outside else ""
    _title(axes, f"k against the {other}")
    axes.set_xlabel(f"mean of both rates / s⁻¹{beyond}")
    axes.set_ylabel(f"k / k({other}) − 1, %")
    put_legend_above(axes, columns=5)


def _title(axes: Axes, text: str) -> None:
    """Write a quiet title above the line that a key may take."""
    axes.set_title(text, fontweight="normal", color=MUTED, fontsize=7, pad=13.0)


def _with_starts(shots: pd.DataFrame) -> pd.DataFrame:
    if col.DETECTED_START_S not in shots:
        return shots.iloc[:0]
    known = np.isfinite(shots[col.DETECTED_START_S].astype(float))
    fitted = np.isfinite(shots[col.K_PER_S].astype(float))
    return shots[known & fitted & (shots[col.START_SOURCE] == "workbook")]


def draw_start_difference(axes: Axes, *, shots: pd.DataFrame) -> None:
    """Draw how much later a start is detected than the workbook says, against k."""
    later = 1e3 * (shots[col.DETECTED_START_S] - shots[col.START_S]).to_numpy(float)
    k = shots[col.K_PER_S].to_numpy(float)
    axes.axhline(0, color=MUTED, linewidth=0.5)
    axes.plot(
        k,
        later,
        linestyle="none",
        marker="o",
        markersize=0.9 * (_MARK if len(k) < _CROWD else 0.75 * _MARK),
        markerfacecolor="none",
        markeredgecolor=VERDICT_COLOURS["PASS"],
        markeredgewidth=0.6,
    )
    if k.max() / k.min() > 8:
        use_log_x(axes, k.min() / 1.2, k.max() * 1.2)
    _title(axes, "start of the fit")
    axes.set_xlabel("k / s⁻¹")
    axes.set_ylabel("start detected − workbook / ms")


def draw_pulls(axes: Axes, *, shots: pd.DataFrame) -> None:
    """Draw the errors in units of their standard error beside the normal curve."""
    pulls = (shots[col.K_PER_S] - shots[col.K_TRUE_PER_S]) / shots[col.K_STDERR_PER_S]
    values = pulls.to_numpy(float)
    values = values[np.isfinite(values)]
    edges = np.linspace(-5, 5, 31)
    counts, _ = np.histogram(np.clip(values, -5, 5 - 1e-9), bins=edges)
    density = counts / (max(len(values), 1) * (edges[1] - edges[0]))
    axes.stairs(density, edges, fill=True, color=VERDICT_COLOURS["PASS"], alpha=0.5, label="shots")
    grid = np.linspace(-5, 5, 200)
    normal = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    axes.plot(grid, normal, color=INK, label="expected")
    _title(axes, "errors in units of the error stated")
    axes.set_xlabel("(k − true k) / standard error")
    axes.set_ylabel("density")
    put_legend_above(axes, columns=2)


def _disagreement_blocks(shots: pd.DataFrame) -> list[FlowBlock]:
    both = _with_both(shots, col.WORKBOOK_RATE_PER_S)
    relative = both[col.K_PER_S] / both[col.WORKBOOK_RATE_PER_S] - 1
    listed = both.assign(relative=relative, size=relative.abs())
    listed = listed.sort_values("size", ascending=False, kind="stable").head(_LISTED)
    rows = tuple(
        (
            str(row.experiment),
            str(row.file),
            format_value(row.k_per_s, row.k_stderr_per_s),
            format_digits(row.workbook_rate_per_s, 4),
            format_percent(row.relative, signed=True),
            str(row.verdict),
        )
        for row in listed.itertuples(index=False)
    )
    columns = (
        GridColumn(title="Experiment"),
        GridColumn(title="File"),
        GridColumn(title="k", unit="s⁻¹", align="right"),
        GridColumn(title="Lab", unit="s⁻¹", align="right"),
        GridColumn(title="Difference", align="right"),
        GridColumn(title="Verdict", verdict=True),
    )
    return [
        build_subheading("Largest differences"),
        TableGrid(columns=columns, rows=rows, size=6.8, name="Largest differences"),
    ]
