"""Plots and tables of a report as its page reads them: plain JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stopflow.report.models.tables import ModelTable

DIGITS = 9
"""Of what a plot shows; tables hold every digit."""
SERIES = tuple(f"--series-{number}" for number in range(1, 8))
"""Colours of the style sheet for curves and points side by side, light and dark."""
DASHES = ((), (6, 3), (2, 2), (6, 3, 2, 3), (10, 3, 3, 3))
INK, MUTED = "--ink", "--muted"
WIDE = 6.0
"""A curve whose highest value is so many times the lowest is drawn on a logarithmic axis."""


def line(x: ArrayLike, y: ArrayLike, *, name: str = "", colour: str = INK, **how: Any) -> dict:
    """Return a curve; `how` are further properties of a layer, see ``js/plot.js``."""
    return {"type": "line", "x": numbers(x), "y": numbers(y), "name": name, "colour": colour, **how}


def points(
    x: ArrayLike, y: ArrayLike, *, name: str, labels: Sequence[str] = (), **how: Any
) -> dict:
    """Return points; `labels` say on hover what each of them is."""
    return {
        "type": "points",
        "x": numbers(x),
        "y": numbers(y),
        "name": name,
        "labels": list(labels),
        **how,
    }


def band(x: ArrayLike, low: ArrayLike, high: ArrayLike, *, colour: str, **how: Any) -> dict:
    """Return the area between two curves."""
    return {
        "type": "band",
        "x": numbers(x),
        "low": numbers(low),
        "high": numbers(high),
        "colour": colour,
        **how,
    }


def plot(
    title: str,
    layers: Sequence[Mapping[str, Any]],
    *,
    x: tuple[str, Sequence[float]],
    y: tuple[str, Sequence[float]],
    log: bool = False,
    log_y: bool = False,
    note: str = "",
) -> dict[str, Any]:
    """Return a plot.

    Parameters
    ----------
    x, y
        What an axis counts, and its range.
    """
    return {
        "title": title,
        "layers": list(layers),
        "xLabel": x[0],
        "yLabel": y[0],
        "x": [float(end) for end in x[1]],
        "y": [float(end) for end in y[1]],
        "log": log,
        "logY": log_y,
        "note": note,
    }


def table(shown: ModelTable) -> dict[str, Any]:
    """Return a table that sorts; its first column names the rows."""
    heads = [
        {
            "title": head.title,
            "unit": head.unit.removeprefix("/ "),
            "number": head.align == "right" and place > 0,
        }
        for place, head in enumerate(shown.columns)
    ]
    rows = [
        [
            [text.removesuffix(f" {head.unit}"), _value(value)]
            for head, (text, value) in zip(shown.columns, row, strict=True)
        ]
        for row in shown.rows
    ]
    return {
        "name": shown.name,
        "title": shown.title,
        "columns": heads,
        "rows": rows,
        "note": shown.note,
    }


def numbers(values: ArrayLike) -> list[float | None]:
    """Round to `DIGITS`; null for what is no finite number."""
    array = np.atleast_1d(np.asarray(values, dtype=float))
    return [float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in array]


def reach(values: ArrayLike, *, log: bool = False, margin: float = 0.05) -> tuple[float, float]:
    """Return the range of an axis that holds all finite values, on a logarithmic one those > 0."""
    array = np.atleast_1d(np.asarray(values, dtype=float))
    known = array[np.isfinite(array) & ((array > 0) | (not log))]
    if not len(known):
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(known.min()), float(known.max())
    if log:
        wider = max((high / low) ** margin, 1.05)
        return low / wider, high * wider
    room = margin * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def spans_decades(values: ArrayLike) -> bool:
    """Tell whether positive values are told apart better on a logarithmic axis."""
    array = np.atleast_1d(np.asarray(values, dtype=float))
    known = array[np.isfinite(array)]
    return bool(len(known) and known.min() > 0 and known.max() / known.min() > WIDE)


def _value(value: float | str) -> float | str | None:
    if isinstance(value, str):
        return value
    return float(value) if np.isfinite(value) else None
