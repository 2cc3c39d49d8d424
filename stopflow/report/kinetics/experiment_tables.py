"""The tables of one experiment, parted from those of the lab once for all that its pages show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.report.data import KineticsReportData, made_once
from stopflow.report.kinetics.conditions import ConditionSeries, build_series
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.units import Units, build_units


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CutLine:
    """k of a shot for every cut tried, relative to that at the cut of its fit.

    Attributes
    ----------
    row
        Row number of the shot in the dataset's table.
    cut_s, change
        (N,) the cuts, and k at each divided by k at the cut of the fit, less 1. Both are rates of
        one exponential with a slope, whatever the rate law reported.
    """

    row: int
    cut_s: FloatArray
    change: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExperimentTables:
    """What a dataset knows of one experiment.

    Attributes
    ----------
    shots
        Its rows; the index holds the row numbers of the dataset.
    conditions
        Its rows of the table of conditions.
    units
        Those of the lab.
    series
        Its conditions and their look.
    cuts
        Of every shot with a rate for which more than one cut was tried.
    """

    shots: pd.DataFrame
    conditions: pd.DataFrame
    units: Units
    series: tuple[ConditionSeries, ...]
    cuts: tuple[CutLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Lab:
    """Where the rows of an experiment stand in the tables of the lab.

    Attributes
    ----------
    conditions
        Rows by experiment.
    cuts
        Rows by (experiment, file, channel).
    cut_s, k_per_s
        Columns of the table of cuts.
    """

    units: Units
    conditions: Mapping[str, FloatArray]
    cuts: Mapping[tuple[str, str, int], FloatArray]
    cut_s: FloatArray
    k_per_s: FloatArray


@made_once
def _find_rows(data: KineticsReportData) -> _Lab:
    keys = [col.EXPERIMENT, col.FILE, col.CHANNEL]
    return _Lab(
        units=build_units(data.conditions),
        conditions=data.conditions.groupby(col.EXPERIMENT, sort=False).indices,
        cuts=data.cuts.groupby(keys, sort=False).indices if len(data.cuts) else {},
        cut_s=data.cuts[col.CUT_S].to_numpy(float),
        k_per_s=data.cuts[col.K_PER_S].to_numpy(float),
    )


def take_experiment(data: KineticsReportData, rows: Sequence[int]) -> ExperimentTables:
    """Part the tables of one experiment from those of the lab.

    Parameters
    ----------
    rows
        Row numbers of its shots, or of some of them, in ``data.shots``.
    """
    lab = _find_rows(data)
    shots = data.shots.iloc[list(rows)].set_axis(list(rows))
    name = str(shots[col.EXPERIMENT].iloc[0])
    return ExperimentTables(
        shots=shots,
        conditions=data.conditions.iloc[lab.conditions.get(name, [])],
        units=lab.units,
        series=tuple(build_series(shots, lab.units)),
        cuts=tuple(_relative_cuts(shots, lab)),
    )


def _relative_cuts(shots: pd.DataFrame, lab: _Lab) -> list[CutLine]:
    starts = np.where(np.isfinite(shots[col.K_PER_S]), shots[col.START_S], np.nan)
    keys = zip(shots[col.EXPERIMENT], shots[col.FILE], shots[col.CHANNEL], strict=True)
    lines = []
    for row, key, start_s in zip(shots.index, keys, starts, strict=True):
        own = lab.cuts.get(key)
        if own is None or not np.isfinite(start_s):
            continue
        cut_s, k_per_s = lab.cut_s[own], lab.k_per_s[own]
        known = np.isfinite(k_per_s)
        if known.sum() > 1:
            cut_s, k_per_s = cut_s[known], k_per_s[known]
            change = k_per_s / np.interp(start_s, cut_s, k_per_s) - 1
            lines.append(CutLine(row=int(row), cut_s=cut_s, change=change))
    return lines
