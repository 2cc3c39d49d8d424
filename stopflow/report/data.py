"""What the reports are made from: tables as ingest and training leave them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stopflow import column_names as col

NUMERIC = (col.CONCENTRATION_M, col.IONIC_STRENGTH_M, col.TEMPERATURE_K)
"""What conditions are ordered by."""
Made = TypeVar("Made")
TracePair = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class KineticsReportData:
    """A dataset's tables and the way to its traces.

    Attributes
    ----------
    shots, conditions, secondary, cuts, problems, inputs
        The tables of the dataset; missing numbers NaN, missing text "".
    trace
        Row number of `shots` -> (time_s, signal) as recorded; None for an unreadable file.
    provenance
        ``version, command, settings, libraries, seed, created`` as far as known; `settings` and
        `libraries` are mappings, `created` an ISO 8601 time. Only what is given is printed.
    """

    shots: pd.DataFrame
    conditions: pd.DataFrame
    secondary: pd.DataFrame
    cuts: pd.DataFrame
    problems: pd.DataFrame
    inputs: pd.DataFrame
    trace: Callable[[int], TracePair | None]
    provenance: Mapping[str, object] = field(default_factory=dict)


def made_once(
    build: Callable[[KineticsReportData], Made],
) -> Callable[[KineticsReportData], Made]:
    """Build once what both the PDF and the page show of a report's data; it goes with the data."""
    known: WeakKeyDictionary[KineticsReportData, Made] = WeakKeyDictionary()

    @wraps(build)
    def find(data: KineticsReportData) -> Made:
        if data not in known:
            known[data] = build(data)
        return known[data]

    return find


def sort_conditions(table: pd.DataFrame) -> pd.DataFrame:
    """Order the conditions of each experiment by concentration, ionic strength, temperature."""
    order = {name: place for place, name in enumerate(dict.fromkeys(table[col.EXPERIMENT]))}
    keyed = table.assign(_place=[order[name] for name in table[col.EXPERIMENT]])
    return keyed.sort_values(["_place", *NUMERIC], kind="stable").drop(columns="_place")


def divide(table: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the texts of a column with their rows, in order; groupby takes far longer."""
    places: dict[str, list[int]] = {}
    for place, text in enumerate(table[column].tolist()):
        places.setdefault(text, []).append(place)
    for text, own in places.items():
        yield text, table.iloc[own] if len(places) > 1 else table


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a small table; pandas takes ten times as long for them."""
    names = [str(name) for name in table.columns]
    cells = zip(*(values.tolist() for _, values in table.items()), strict=True)
    return [dict(zip(names, row, strict=True)) for row in cells]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelReportData:
    """What training left in a model's folder.

    Attributes
    ----------
    name
        The model's name.
    metrics
        The content of ``metrics.json``.
    history
        ``epoch, train_mae_per_s, test_mae_per_s, loss, seconds, rank_...``; with a column
        ``run`` for several runs below each other.
    predictions
        ``experiment, file, split, k_actual_per_s, k_predicted_per_s``, and ``run`` likewise; of a
        classifier empty.
    trace
        (experiment, file) -> (time_s, signal) for the pictures of the worst predictions.
    provenance
        As for the kinetics report.
    signal_units
        Experiment -> what its traces count in, as the axes say it; "Volt" for any other.
    """

    name: str
    metrics: Mapping[str, object]
    history: pd.DataFrame
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    trace: Callable[[str, str], TracePair | None] | None = None
    provenance: Mapping[str, object] = field(default_factory=dict)
    signal_units: Mapping[str, str] = field(default_factory=dict)
