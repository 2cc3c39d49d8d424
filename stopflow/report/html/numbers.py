"""The tables of a lab as the page reads them: plain JSON, columns instead of rows."""

import hashlib
from collections.abc import Mapping, Sequence
from math import isfinite, isnan
from typing import Any

import numpy as np
import pandas as pd

from stopflow.kinetics.verdicts.repeatability import as_series, pool
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.answers import build_answers
from stopflow.report.kinetics.conditions import build_series, label_conditions, shared_unit
from stopflow.report.kinetics.secondary_numbers import (
    SecondaryPicture,
    is_parameter,
    pictured_plots,
)
from stopflow.report.tables.tables import signal_unit

PAYLOAD_VERSION = 1
DIGITS = 12
EXACT = ("start_s", "end_s")
"""Columns that points are compared with: every digit counts."""
SHOT_TEXTS = (
    *("experiment", "file", "verdict", "reason", "rules", "law", "substrate", "start_source"),
)
SHOT_NUMBERS = (
    "channel",
    "condition",
    "k_per_s",
    "k_stderr_per_s",
    "k_low95_per_s",
    "k_high95_per_s",
    "k2_per_s",
    "k2_stderr_per_s",
    "amplitude",
    "amplitude_stderr",
    "amplitude2",
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
CONDITION_TEXTS = ("experiment", "verdict", "reason", "substrate", "uncertainty_source")
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
    "between_shot_sd_per_s",
    "amplitude",
    "signal_to_noise",
)


def build_payload(data: KineticsReportData, *, light: bool) -> dict[str, Any]:
    """Build everything but the traces."""
    shots, conditions = data.shots, data.conditions.reset_index(drop=True)
    factor, unit = shared_unit(list(shots["concentration_M"]))
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
        "answers": [[answer.question, answer.text] for answer in build_answers(data).answers],
        "signalUnit": signal_unit(shots),
        "concentrationUnit": {"factor": factor, "name": unit},
        "scatter": _common_scatter(shots),
        "shots": _columns(shots, texts=SHOT_TEXTS, numbers=SHOT_NUMBERS),
        "conditions": {
            **_columns(conditions, texts=CONDITION_TEXTS, numbers=CONDITION_NUMBERS),
            "label": _texts(_labels(shots, conditions)),
        },
        "plots": [_plot(picture, part) for picture, part in pictured_plots(data)],
        "leftOut": [
            {name: str(item.get(name, "")) for name in ("experiment", "file", "channel", "why")}
            for item in _left_out(data.provenance)
        ],
        "problems": [
            {name: str(row.get(name, "")) for name in ("experiment", "file", "found", "level")}
            for row in data.problems.to_dict("records")
        ],
    }


def _name_lab(shots: pd.DataFrame) -> str:
    """Name the lab by its files, for what a browser keeps between visits."""
    text = "\n".join(shots["experiment"] + "/" + shots["file"] + "/" + shots["channel"].astype(str))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _left_out(provenance: Mapping[str, object]) -> list[Mapping[str, object]]:
    """List the shots that earlier decisions left out."""
    listed = provenance.get("left_out") or []
    return (
        [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
    )


def _columns(
    frame: pd.DataFrame, *, texts: Sequence[str], numbers: Sequence[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(frame)}
    found |= {name: _texts(frame[name].tolist()) for name in texts if name in frame}
    for name in numbers:
        if name in frame:
            found[name] = _numbers(frame[name], digits=17 if name in EXACT else DIGITS)
    return found


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


def _labels(shots: pd.DataFrame, conditions: pd.DataFrame) -> list[str]:
    """Name every condition as the PDF does: shots that nothing else tells apart by their files."""
    names = {
        (experiment, series.condition): series.label
        for experiment, part in shots.groupby("experiment", sort=False)
        for series in build_series(part)
    }
    labels = pd.Series("", index=conditions.index)
    for experiment, part in conditions.groupby("experiment", sort=False):
        keys = [(experiment, int(condition)) for condition in part["condition"]]
        labels[part.index] = [
            names.get(key, label) for key, label in zip(keys, label_conditions(part), strict=True)
        ]
    return labels.tolist()


def _common_scatter(shots: pd.DataFrame) -> float:
    """Relative scatter between shots beyond their own errors, common to all conditions."""
    usable = shots[np.isfinite(shots["k_per_s"]) & (shots["verdict"] != "FAIL")]
    k_per_s, stderr_per_s = (usable[name].to_numpy() for name in ("k_per_s", "k_stderr_per_s"))
    groups = usable.groupby(["experiment", "condition"], sort=False).indices.values()
    series = [as_series(np.arange(len(at)), k_per_s[at], stderr_per_s[at]) for at in groups]
    return pool(series).tau


def _plot(picture: SecondaryPicture, part: pd.DataFrame) -> dict[str, Any]:
    chosen = part[part["chosen"].astype(bool) & is_parameter(part)]
    return {
        "title": str(part["experiment"].iloc[0]) or picture.title,
        "kind": str(chosen["kind"].iloc[0]) if len(chosen) else picture.kind,
        "xLabel": picture.x_label,
        "yLabel": picture.y_label,
        "factor": picture.factor,
        "members": list(picture.members),
        **{name: _numbers(getattr(picture, name)) for name in ("x", "y", "low", "high")},
        "curves": [
            {
                "kind": curve.kind,
                "chosen": curve.chosen,
                **{
                    name: None if values is None else _numbers(np.asarray(values))
                    for name, values in (
                        ("x", curve.x),
                        ("y", curve.y),
                        ("low", curve.low),
                        ("high", curve.high),
                    )
                },
            }
            for curve in picture.curves
        ],
        "parameters": [
            {
                "name": str(row["parameter"]),
                "value": _numbers([row["value"]])[0],
                "stderr": _numbers([row["stderr"]])[0],
                "unit": str(row["unit"]).replace("^-1", "⁻¹"),
            }
            for row in chosen.to_dict("records")
        ],
    }
