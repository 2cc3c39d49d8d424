"""What the pages of a model and of a comparison draw: the PDF's pictures, with hover."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.report.data import ModelReportData
from stopflow.report.html.parts import (
    DASHES,
    INK,
    MUTED,
    SERIES,
    band,
    line,
    plot,
    points,
    reach,
    spans_decades,
)
from stopflow.report.models.comparison_numbers import list_bias
from stopflow.report.models.numbers import changing_ranks, known_predictions, metric, summarise_runs

ACTUAL, PREDICTED, ERROR = ("actual k / s⁻¹", "predicted k / s⁻¹", "predicted / actual − 1, %")
NAMED = 6
"""Test experiments with a colour and a place in the key of their own."""
TOLERANCE = 0.1
STEPS = 60
Layer = dict[str, Any]


def scatter(model: ModelReportData, *, title: str) -> list[dict[str, Any]]:
    """Plot predicted against actual k; no plot where nothing is predicted."""
    groups = _groups(known_predictions(model.predictions), against=col.K_PREDICTED_PER_S)
    if not groups:
        return []
    both = np.concatenate([np.asarray(group[axis], float) for group in groups for axis in "xy"])
    log = bool(both.min() > 0 and spans_decades(both))
    low, high = reach(both, log=log)
    x = np.geomspace(low, high, STEPS) if log else np.linspace(low, high, STEPS)
    below, above = sorted([(1 - TOLERANCE) * x, (1 + TOLERANCE) * x], key=lambda end: end[-1])
    layers = [
        band(x, below, above, colour=MUTED, alpha=0.2, name="within 10 %"),
        line([low, high], [low, high], colour=INK),
        *groups,
    ]
    return [
        plot(title, layers, x=(ACTUAL, (low, high)), y=(PREDICTED, (low, high)), log=log, log_y=log)
    ]


def relative_errors(model: ModelReportData, *, title: str) -> list[dict[str, Any]]:
    """Plot the relative error against k; the wildest 3 % may lie beyond the frame, as said."""
    known = known_predictions(model.predictions)
    if not len(known):
        return []
    actual = known[col.K_ACTUAL_PER_S].to_numpy(float)
    percent = 100 * (known[col.K_PREDICTED_PER_S].to_numpy(float) / actual - 1)
    groups = _groups(known.assign(percent=percent), against="percent")
    ends = float(np.clip(1.5 * np.quantile(np.abs(percent), 0.97), 2.0, 150.0))
    beyond = int((np.abs(percent) > ends).sum())
    log = spans_decades(actual)
    layers: list[Layer] = [{"type": "rule", "at": 0, "colour": INK}, *groups]
    note = f"{beyond} of {len(percent)} shots lie beyond the frame." if beyond else ""
    return [
        plot(
            title,
            layers,
            x=(ACTUAL, reach(actual, log=log)),
            y=(ERROR, (-ends, ends)),
            log=log,
            note=note,
        )
    ]


def _groups(known: pd.DataFrame, *, against: str) -> list[Layer]:
    """Training shots in grey, then the test experiments, each in a colour of its own."""
    test = known[col.SPLIT] == "test"
    drawn = []
    if (~test).any():
        drawn.append(_group(known[~test], "training", against, colour=MUTED, radius=2, alpha=0.45))
    for place, (name, part) in enumerate(known[test].groupby(col.EXPERIMENT, sort=True)):
        own = str(name) if place < NAMED else "other test experiments"
        drawn.append(_group(part, own, against, colour=SERIES[min(place, NAMED)], radius=3.5))
    return drawn


def _group(part: pd.DataFrame, name: str, against: str, **how: Any) -> Layer:
    labels = [
        f"{experiment}/{file}" if experiment != name else str(file)
        for experiment, file in zip(part[col.EXPERIMENT], part[col.FILE], strict=True)
    ]
    return points(part[col.K_ACTUAL_PER_S], part[against], name=name, labels=labels, **how)


def learning(models: Sequence[ModelReportData]) -> list[dict[str, Any]]:
    """Plot MAE against epoch: test in full, training pale; of several runs their medians."""
    layers: list[Layer] = []
    values: list[float] = []
    several = len(models) > 1
    for place, model in enumerate(models):
        colour, dash = SERIES[place % len(SERIES)], DASHES[place % len(DASHES)]
        name = model.name if several else "test"
        for column, own, how in (
            ("train_mae_per_s", f"{name}, training" if several else "training", {"alpha": 0.6}),
            ("test_mae_per_s", name, {"width": 2, "dash": list(dash)}),
        ):
            if column not in model.history or not len(model.history):
                continue
            curve = summarise_runs(model.history, column)
            if curve.runs > 1 and "test" in column:
                shaded = band(curve.epochs, curve.low, curve.high, colour=colour, alpha=0.15)
                layers.append(shaded)
            drawn = line(curve.epochs, curve.middle, name=own, colour=colour, **how)
            # A single epoch is a point, no line.
            layers.append(drawn if len(curve.epochs) > 1 else {**drawn, "type": "points"})
            values += [*curve.low, *curve.high]
    level = metric(models[0].metrics, "fit_on_test", "mae_per_s") if not several else np.nan
    if not values:
        return []
    if np.isfinite(level) and level > 0:
        values.append(level)
        layers.append(_level(layers, level))
    return [by_epoch("Error against epoch", layers, values, "mean absolute error / s⁻¹")]


def _level(layers: Sequence[Layer], level: float) -> Layer:
    ends = [x for layer in layers for x in (layer["x"][0], layer["x"][-1])]
    across = [min(ends), max(ends)]
    return line(across, [level, level], name="the fit itself", colour=INK, dash=[8, 4])


def loss(history: pd.DataFrame) -> list[dict[str, Any]]:
    """Plot the training loss against epoch, run by run."""
    if "loss" not in history or not np.isfinite(history["loss"].astype(float)).any():
        return []
    runs = history.groupby("run") if "run" in history else [("", history)]
    layers = [
        line(
            part["epoch"],
            part["loss"],
            name=f"run {run}" if run else "training loss",
            colour=SERIES[place % len(SERIES)],
        )
        for place, (run, part) in enumerate(runs)
    ]
    if len(history) == 1:
        layers = [{**layer, "type": "points"} for layer in layers]
    return [by_epoch("Loss against epoch", layers, history["loss"], "training loss")]


def ranks(history: pd.DataFrame) -> list[dict[str, Any]]:
    """Plot the ranks of the layers against epoch, where one of them changes."""
    names = changing_ranks(history)
    if not names:
        return []
    layers = [
        line(
            history["epoch"],
            history[name],
            name=f"layer {name.removeprefix('rank_')}",
            colour=SERIES[place % len(SERIES)],
            dash=list(DASHES[place % len(DASHES)]),
            width=2,
        )
        for place, name in enumerate(names)
    ]
    top = float(history[names].to_numpy(float).max())
    return [
        plot(
            "Rank against epoch",
            layers,
            x=("epoch", reach(history["epoch"], margin=0.02)),
            y=("rank", (0.0, 1.1 * top)),
        )
    ]


def bias(models: Sequence[ModelReportData]) -> list[dict[str, Any]]:
    """Plot the mean relative error of each way in bins of k."""
    lines = list_bias(models)
    if not lines:
        return []
    layers: list[Layer] = [{"type": "rule", "at": 0, "colour": INK}]
    for place, item in enumerate(lines):
        percent, colour = 100 * item.relative, SERIES[place % len(SERIES)]
        dash = list(DASHES[place % len(DASHES)])
        layers.append(line(item.k_per_s, percent, colour=colour, dash=dash))
        layers.append(points(item.k_per_s, percent, name=item.name, colour=colour))
    k = np.concatenate([item.k_per_s for item in lines])
    every = 100 * np.concatenate([item.relative for item in lines])
    log = spans_decades(k)
    note = "Mean relative error of the test shots in bins of equal numbers of shots."
    x, y = (ACTUAL, reach(k, log=log)), ("mean of predicted / actual − 1, %", reach([*every, 0.0]))
    return [plot("Bias against k", layers, x=x, y=y, log=log, note=note)]


def by_epoch(
    title: str, layers: Sequence[Layer], values: Any, label: str, *, from_zero: bool = True
) -> dict[str, Any]:
    """Plot curves against epoch, from zero on or, where decades apart, on a logarithmic axis."""
    epochs = [x for layer in layers for x in layer["x"]]
    log = spans_decades(values)
    low, high = reach(values, log=log)
    below = 0.0 if from_zero and not log else low
    x = ("epoch", reach(epochs, margin=0.02))
    return plot(title, layers, x=x, y=(label, (below, high)), log_y=log)
