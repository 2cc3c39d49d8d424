"""The units in which a lab's amounts are shown, the same wherever they stand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.report.paper.rounding import concentration_unit

_WIDEST_UNIT = 1e3
"""From how wide a range on concentrations read better each in its own unit."""
Unit = tuple[float, str]
"""Factor from mol/L, and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The units of a lab's concentrations and ionic strengths, the same wherever they stand.

    None where they reach so far that each value reads better in a unit of its own.
    """

    concentration: Unit | None
    ionic_strength: Unit | None


def build_units(table: pd.DataFrame) -> Units:
    """Choose the units for a lab's table of conditions."""
    return Units(
        concentration=_choose_unit(table[col.CONCENTRATION_M]),
        ionic_strength=_choose_unit(table[col.IONIC_STRENGTH_M]),
    )


def _choose_unit(concentrations_M: pd.Series) -> Unit | None:
    known = concentrations_M[np.isfinite(concentrations_M) & (concentrations_M > 0)]
    if len(known) and known.max() > _WIDEST_UNIT * known.min() * (1 + 1e-9):
        return None
    return shared_unit(list(concentrations_M))


def shared_unit(concentrations_M: Sequence[float]) -> Unit:
    """Factor and unit in which concentrations read well together; by their median."""
    values = np.asarray(concentrations_M, dtype=float)
    values = values[np.isfinite(values) & (values > 0)]
    return concentration_unit(float(np.median(values))) if len(values) else (1.0, "M")
