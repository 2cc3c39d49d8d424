"""The tables of a lab as the page reads them: plain JSON, columns instead of rows."""

import hashlib
from collections.abc import Mapping, Sequence
from math import isfinite, isnan
from typing import Any

import numpy as np
import pandas as pd

from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.kinetics.verdicts.repeatability import as_series, pool
from stopflow.report.data import NUMERIC, KineticsReportData, rows_of, sort_conditions
from stopflow.report.kinetics.answers import build_answers
from stopflow.report.kinetics.conditions import IN_WORDS, label_conditions, label_series
from stopflow.report.kinetics.secondary_numbers import (
    SYMBOLS,
    CurveLine,
    SecondaryPicture,
    is_parameter,
    pictured_plots,
)
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.rounding import set_sentence
from stopflow.report.paper.style import keep_together
from stopflow.report.paper.units import Unit, Units, build_units, shared_unit
from stopflow.report.tables.tables import signal_unit

PAYLOAD_VERSION = 1
DIGITS = 12
READ_DIGITS, DRAWN_DIGITS = 8, 5
"""Of numbers that are read off a table, and of curves that are drawn."""
EXACT = ("start_s", "end_s")
"""Columns that points are compared with: every digit counts."""
ALWAYS = ("k_per_s", "k_stderr_per_s", "k_low95_per_s", "k_high95_per_s", "start_s", "end_s")
"""Columns that the page asks for whether or not anything is known; others only where it is."""
SHOT_TEXTS = (
    *("experiment", "file", "verdict", "reason", "rules", "law", "substrate", "start_source"),
    *("signal_unit", "mixture", "like"),
)
"""``like`` is there of shots that the page is told before they are compared with others."""
SHOT_NUMBERS = (
    "channel",
    "condition",
    "k_per_s",
    "k_stderr_per_s",
    "k_low95_per_s",
    "k_high95_per_s",
    "k2_per_s",
    "k2_stderr_per_s",
    "k3_per_s",
    "k3_stderr_per_s",
    "beta",
    "ratio",
    "amplitude",
    "amplitude_stderr",
    "amplitude2",
    "amplitude3",
    "slope_per_s",
    "slope_stderr_per_s",
    "intercept",
    "noise_sd",
    "signal_to_noise",
    "start_s",
    "end_s",
    "detected_start_s",
    "window_s",
    "points",
    "noise_inflation",
    "start_inflation",
    "concentration_M",
    "temperature_K",
    "ionic_strength_M",
    "replicate",
    "workbook_rate_per_s",
)
CONDITION_TEXTS = ("experiment", "verdict", "reason", "substrate", "mixture")
CONDITION_NUMBERS = (
    "condition",
    "concentration_M",
    "temperature_K",
    "ionic_strength_M",
    "shots",
    "fitted",
    "k_per_s",
    "k_stderr_per_s",
    "k_low95_per_s",
    "k_high95_per_s",
    "k2_per_s",
    "k2_stderr_per_s",
    "k3_per_s",
    "k3_stderr_per_s",
    "between_shot_sd_per_s",
    "amplitude",
    "signal_to_noise",
)


def build_payload(data: KineticsReportData, *, light: bool) -> dict[str, Any]:
    """Build everything but the traces."""
    shots, conditions = data.shots, _set_reasons(data.conditions.reset_index(drop=True))
    units = build_units(conditions)
    settings = data.provenance.get("settings", {})
    analysis = settings.get("analysis", {}) if isinstance(settings, Mapping) else {}
    return {
        "format": PAYLOAD_VERSION,
        "key": _name_lab(shots),
        "light": light,
        "version": str(data.provenance.get("version", "")),
        "command": str(data.provenance.get("command", "")),
        "robust": bool(analysis.get("robust", False)),
        "fixed": dict(analysis.get("fixed", {})),
        "answers": [
            [answer.question, keep_together(answer.text)] for answer in build_answers(data).answers
        ],
        "concentrationUnit": _unit(units.concentration, shots["concentration_M"]),
        "ionicStrengthUnit": _unit(units.ionic_strength, shots["ionic_strength_M"]),
        "scatter": _common_scatter(shots),
        "shots": build_shot_rows(shots),
        "conditions": {
            **_columns(conditions, texts=CONDITION_TEXTS, numbers=CONDITION_NUMBERS),
            "label": _texts(_labels(shots, conditions, units)),
        },
        "order": sort_conditions(conditions).index.tolist(),
        "plots": [_plot(picture, part) for picture, part in pictured_plots(data)],
        "decisions": data.provenance.get("decisions") or {},
    }


def build_shot_rows(shots: pd.DataFrame) -> dict[str, Any]:
    """Build the rows of shots as the page has them, column by column."""
    shown = _set_reasons(shots).assign(signal_unit=_signal_units(shots))
    return _columns(shown, texts=SHOT_TEXTS, numbers=SHOT_NUMBERS)


def _set_reasons(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(reason=[set_sentence(str(text)) for text in table["reason"]])


def _signal_units(shots: pd.DataFrame) -> list[str]:
    """Units of the signals; where the file of a shot says none, that of the others."""
    usual = signal_unit(shots)
    known = shots["signal_unit"].tolist() if "signal_unit" in shots else [""] * len(shots)
    return [text if isinstance(text, str) and text else usual for text in known]


def _unit(chosen: Unit | None, concentrations_M: pd.Series) -> dict[str, Any]:
    """Describe the unit of a column; one that is too wide for any has that of its middle."""
    factor, name = chosen or shared_unit(list(concentrations_M))
    return {"factor": factor, "name": name}


def _name_lab(shots: pd.DataFrame) -> str:
    """Name the lab by its files, for what a browser keeps between visits."""
    text = "\n".join(shots["experiment"] + "/" + shots["file"] + "/" + shots["channel"].astype(str))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _columns(
    frame: pd.DataFrame, *, texts: Sequence[str], numbers: Sequence[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(frame)}
    found |= {name: _texts(frame[name].tolist()) for name in texts if name in frame}
    for name in numbers:
        if name in frame and (name in ALWAYS or np.isfinite(frame[name]).any()):
            found[name] = _numbers(frame[name], digits=_digits_of(name))
    return found


def _digits_of(name: str) -> int:
    if name in EXACT:
        return 17
    return DIGITS if name.startswith("k") or name.endswith("inflation") else READ_DIGITS


def _texts(values: Sequence[object]) -> dict[str, Any]:
    """Texts that repeat, once each, and which of them every row has."""
    cells = ["" if value is None or value != value else str(value) for value in values]
    places = {text: place for place, text in enumerate(dict.fromkeys(cells))}
    return {"texts": list(places), "at": [places[text] for text in cells]}


def _numbers(
    values: "Sequence[float] | pd.Series[Any]", *, digits: int = DIGITS
) -> list[float | int | str | None]:
    """Round to `digits`; null for a missing number, "inf" for an open end of an interval."""
    exact = np.asarray(values, dtype=np.float64).tolist()
    texts = (f"%.{digits}g " * len(exact) % tuple(exact)).split()
    return [_number(float(text)) for text in texts]


def _number(short: float) -> float | int | str | None:
    if not isfinite(short):
        return None if isnan(short) else str(short)
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _labels(shots: pd.DataFrame, conditions: pd.DataFrame, units: Units) -> list[str]:
    """Name every condition as the PDF does: shots that nothing else tells apart by their files."""
    needed = ["experiment", "condition", "file", *NUMERIC, *IN_WORDS]
    # A wide table is slow to divide.
    own, means = (table.filter(items=needed) for table in (shots, conditions))
    names = {
        (experiment, condition): label
        for experiment, part in own.groupby("experiment", sort=False)
        for condition, label in label_series(part, units).items()
    }
    labels = [""] * len(means)
    for experiment, places in means.groupby("experiment", sort=False).indices.items():
        part = means.iloc[places]
        found = zip(places, part["condition"], label_conditions(part, units), strict=True)
        for place, condition, label in found:
            labels[place] = names.get((experiment, int(condition)), label)
    return labels


def _common_scatter(shots: pd.DataFrame) -> float:
    """Relative scatter between shots beyond their own errors, common to all conditions."""
    usable = shots[np.isfinite(shots["k_per_s"]) & (shots["verdict"] != "FAIL")]
    k_per_s, stderr_per_s = (usable[name].to_numpy() for name in ("k_per_s", "k_stderr_per_s"))
    groups = usable.groupby(["experiment", "condition"], sort=False).indices.values()
    series = [as_series(np.arange(len(at)), k_per_s[at], stderr_per_s[at]) for at in groups]
    return pool(series).tau


def _title(picture: SecondaryPicture, part: pd.DataFrame) -> str:
    """Name a plot; those against temperature, of which there are two kinds, by their kind too."""
    named = picture.title or str(part["experiment"].iloc[0])
    kind = _name_curve(picture.kind) if CURVES[picture.kind].against == "temperature" else ""
    return ": ".join(filter(None, (kind, named)))


def _name_curve(kind: str) -> str:
    """Name a curve; those against temperature have the names of people."""
    return kind.capitalize() if CURVES[kind].against == "temperature" else kind


def _lines_of(curve: CurveLine) -> list[tuple[str, FloatArray]]:
    """List what is drawn of a curve: of one that was not taken no band."""
    if not curve.chosen or curve.low is None or curve.high is None:
        return [("y", curve.y)]
    return [("y", curve.y), ("low", curve.low), ("high", curve.high)]


def _plot(picture: SecondaryPicture, part: pd.DataFrame) -> dict[str, Any]:
    chosen = part[part["chosen"].astype(bool) & is_parameter(part)]
    return {
        "title": _title(picture, part),
        "kind": str(chosen["kind"].iloc[0]) if len(chosen) else picture.kind,
        "against": CURVES[picture.kind].against,
        "remark": set_sentence(str(part["remark"].iloc[0])),
        "xLabel": picture.x_label,
        "yLabel": picture.y_label,
        "factor": picture.factor,
        "members": list(picture.members),
        **{name: _numbers(getattr(picture, name)) for name in ("x", "y", "low", "high")},
        "curveX": _numbers(picture.curves[0].x if picture.curves else (), digits=DRAWN_DIGITS),
        "curves": [
            {
                "name": _name_curve(curve.kind),
                "chosen": curve.chosen,
                **{
                    name: _numbers(np.asarray(values), digits=DRAWN_DIGITS)
                    for name, values in _lines_of(curve)
                },
            }
            for curve in picture.curves
        ],
        "parameters": [
            {
                "name": SYMBOLS.get(str(row["parameter"]), str(row["parameter"])),
                "value": _numbers([row["value"]])[0],
                "stderr": _numbers([row["stderr"]])[0],
                "unit": str(row["unit"]).replace("^-1", "⁻¹"),
            }
            for row in rows_of(chosen)
        ],
    }
