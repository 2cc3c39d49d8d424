"""What the secondary plots are called: above a plot, in the table, and in sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.laws.phases import name_phase
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.report.data import rows_of
from stopflow.report.kinetics.conditions import describe_value
from stopflow.report.paper.rounding import set_phase
from stopflow.report.paper.style import printable, shorten_middle
from stopflow.report.paper.units import Units

_SHARED = (col.CONCENTRATION_M, col.TEMPERATURE_K, col.IONIC_STRENGTH_M)
_EACH_ITS_OWN = Units(concentration=None, ionic_strength=None)
_NAME_LENGTH = 40


def title_plot(part: pd.DataFrame, *, named: bool) -> str:
    """Title a plot: its experiment, where plots are `named` so, or group; and which phase it is."""
    first = rows_of(part.head(1))[0]
    title = (str(first[col.EXPERIMENT]) if named else "") or name_group(first)
    return printable(_with_phase(title, first))


def name_plot(row: Mapping[Any, Any]) -> str:
    """Name a plot in a sentence; of the two kinds against temperature (Arrhenius, Eyring) which."""
    kind, place = str(row[col.KIND]), place_of_plot(row)
    of_kind = CURVES[kind].against == "temperature"
    return f"the {kind.capitalize()} plot of {place}" if of_kind else place


def place_of_plot(row: Mapping[Any, Any]) -> str:
    """Name what a plot is of in a sentence, cut in the middle where it is long."""
    named = str(row[col.EXPERIMENT] or name_group(row) or "all shots")
    return _with_phase(shorten_middle(named, _NAME_LENGTH), row)


def name_group(row: Mapping[Any, Any]) -> str:
    """Say what the points of a plot have in common, in the units of the pages."""
    numbers = {name: float(row.get(name, np.nan)) for name in _SHARED}
    known = {name: value for name, value in numbers.items() if np.isfinite(value)}
    words = [describe_value(name, value, _EACH_ITS_OWN) for name, value in known.items()]
    said = [row.get(col.SUBSTRATE), *words, row.get(col.MIXTURE)]
    return ", ".join(str(part) for part in said if part)


def write_phase(row: Mapping[Any, Any]) -> str:
    """Name the rate or amplitude that the points of a plot are: ``"k"``, ``"k₂"``."""
    return set_phase(name_phase(str(row[col.RATES]).split()))


def _with_phase(name: str, row: Mapping[Any, Any]) -> str:
    phase = write_phase(row)
    return name if phase == "k" else ", ".join(filter(None, (name, phase)))
