"""The tables of a dataset: every column of ours, its kind, unit, format and meaning, in one place.

A column is added by one entry in `COLUMNS` and its name in one of the tables below. Writing, the
check on load, the headers of CSV and XLSX and docs/columns.md all follow from here.

What a workbook of the lab says in columns that the program does not know is kept beside ours. Its
names begin with ``workbook: `` and ours never do: no header of a workbook can stand for a result.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "number", "count", "flag"]

SIGNAL: Final = "signal"
SIGNAL_PER_S: Final = "signal/s"
FOREIGN: Final = "workbook: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column holds.

    Attributes
    ----------
    kind
        ``"text"`` (missing: ""), ``"number"`` (missing: NaN), ``"count"`` (a whole number from 0,
        never missing) or ``"flag"``.
    unit
        As printed in headers; ``signal`` stands for the unit that the files give their signal.
    format
        Number format of a spreadsheet.
    meaning
        A phrase for people.
    choices
        The texts that there are; empty: any.
    """

    kind: Kind
    unit: str = ""
    format: str
    meaning: str
    choices: tuple[str, ...] = ()


def _text(meaning: str, *choices: str) -> Column:
    return Column(kind="text", format="@", meaning=meaning, choices=choices)


def _count(meaning: str) -> Column:
    return Column(kind="count", format="0", meaning=meaning)


def _number(unit: str, number_format: str, meaning: str) -> Column:
    return Column(kind="number", unit=unit, format=number_format, meaning=meaning)


def _rate(meaning: str) -> Column:
    return _number("s⁻¹", "0.0000", meaning)


def _time(meaning: str) -> Column:
    return _number("s", "0.000000", meaning)


def _size(unit: str, meaning: str) -> Column:
    return _number(unit, "0.000E+00", meaning)


def _ratio(meaning: str, number_format: str = "0.00") -> Column:
    return _number("", number_format, meaning)


COLUMNS: Final[Mapping[str, Column]] = {
    "experiment": _text("folder of the shot"),
    "file": _text("file of the shot"),
    "channel": _count("signal column of the file, 1 is the first"),
    "verdict": _text("PASS, WARN or FAIL", "PASS", "WARN", "FAIL"),
    "reason": _text("why the verdict is not PASS"),
    "start_s": _time("start of the fit; earlier points were left out"),
    "start_source": _text("workbook, detected or first point"),
    "points": _count("points fitted"),
    "window_s": _time("last time minus start of the fit"),
    "k_per_s": _rate("observed rate constant"),
    "k_stderr_per_s": _rate("its standard error, noise correlation included"),
    "k_low95_per_s": _rate("lower end of the 95 % interval"),
    "k_high95_per_s": _rate("upper end of the 95 % interval"),
    "amplitude": _size(SIGNAL, "amplitude at the start of the fit"),
    "slope_per_s": _size(SIGNAL_PER_S, "slope of the line under the exponential"),
    "intercept": _size(SIGNAL, "line at the start of the fit"),
    "noise_sd": _size(SIGNAL, "standard deviation of the residuals"),
    "signal_to_noise": _ratio("amplitude over noise", "0.0"),
    "workbook_rate_per_s": _rate("the lab's own rate"),
    "concentration_M": _size("mol/L", "concentration"),
    "temperature_K": _number("K", "0.00", "temperature"),
    "substrate": _text("substrate"),
    "mixture": _text("further columns of the workbook that tell conditions apart"),
    "ionic_strength_M": _number("mol/L", "0.0000", "ionic strength"),
    "replicate": _number("", "0", "number of the repeat"),
    "dead_time_s": _time("dead time of the instrument"),
    "law": _text("rate law fitted"),
    "detected_start_s": _time("end of the artefact as detected from the trace"),
    "detected_reason": _text("how it was detected"),
    "amplitude_at_mixing": _size(SIGNAL, "amplitude extrapolated to mixing"),
    "half_life_s": _time("ln 2 / k"),
    "noise_correlation": _ratio("lag-1 correlation of the residuals"),
    "noise_inflation": _ratio("factor on the error for correlated noise"),
    "start_inflation": _ratio("factor on the error for the rest of the artefact"),
    "k_stderr_white_per_s": _rate("standard error for white noise"),
    "k_bound_per_s": _rate("Cramér-Rao bound of the standard error"),
    "efficiency": _ratio("bound over standard error"),
    "k_single_per_s": _rate("k of a single exponential without slope"),
    "k_slope_per_s": _rate("k of a single exponential with slope"),
    "k_double_per_s": _rate("first k of a double exponential"),
    "k2_per_s": _rate("second k of a double exponential"),
    "amplitude2": _size(SIGNAL, "second amplitude of a double exponential"),
    "beta": _ratio("exponent of a stretched exponential", "0.000"),
    "aicc_single": _ratio("corrected Akaike criterion, single", "0.0"),
    "aicc_slope": _ratio("corrected Akaike criterion, single with slope", "0.0"),
    "aicc_double": _ratio("corrected Akaike criterion, double", "0.0"),
    "model_shift_sigma": _ratio("shift of k between rate laws, in standard errors", "0.0"),
    "condition": _count("row of the conditions table, within the experiment"),
    "rules": _text("rules behind the verdict"),
    "signal_unit": _text("unit of the signal, as the file says it"),
    "fit_status": _text("how the fit ended"),
    "trace_first": _count("place of the first point among the stored signals"),
    "trace_points": _count("points of the recorded trace; 0 where the file could not be read"),
    "time_first": _count("place of the first point among the stored times"),
    "sha256": _text("SHA-256 of the file"),
    "k_true_per_s": _rate("true rate of a simulated shot"),
    "shots": _count("shots of equal conditions"),
    "fitted": _count("of these, fitted"),
    "uncertainty_source": _text("replicates or single shot"),
    "between_shot_sd_per_s": _rate("standard deviation of k between shots"),
    "scatter_ratio": _ratio("between-shot SD over the error of one shot"),
    "plot": _text("which secondary plot"),
    "group": _text("series within the plot"),
    "kind": _text("line, hyperbola, Arrhenius or Eyring"),
    "chosen": Column(kind="flag", format="@", meaning="whether this relation is the one reported"),
    "conditions": _text("rows of the conditions table that are the points, from 0"),
    "parameter": _text("parameter of the relation"),
    "value": _number("see unit", "0.00000E+00", "its value"),
    "stderr": _size("see unit", "its standard error"),
    "low95": _number("see unit", "0.00000E+00", "lower end of its 95 % interval"),
    "high95": _number("see unit", "0.00000E+00", "upper end of its 95 % interval"),
    "unit": _text("unit of the parameter"),
    "aicc": _ratio("corrected Akaike criterion", "0.0"),
    "text": _text("equation or note"),
    "cut_s": _time("start of the fit tried"),
    "where": _text("line, cell or column"),
    "found": _text("what was there"),
    "expected": _text("what should have been there"),
    "level": _text("error, warning or note", "error", "warning", "note"),
    "split": _text("train, validation or test"),
    "k_actual_per_s": _rate("rate the network was to predict"),
    "k_predicted_per_s": _rate("rate the network predicts"),
    "k_predicted_stderr_per_s": _rate("its standard error"),
    "k_predicted_low95_per_s": _rate("lower end of its 95 % interval"),
    "k_predicted_high95_per_s": _rate("upper end of its 95 % interval"),
    "moved_by_shared_drift": _ratio("change of the prediction by a drift that shots share", "0.0%"),
    "relative_difference": _ratio("prediction over fit, less one", "0.0%"),
    "doubt": _text("why the prediction may be wrong"),
}

RATE_COLUMNS: Final = (
    *("experiment", "file", "channel", "verdict", "reason", "start_s", "start_source", "points"),
    *("window_s", "k_per_s", "k_stderr_per_s", "k_low95_per_s", "k_high95_per_s", "amplitude"),
    *("slope_per_s", "intercept", "noise_sd", "signal_to_noise", "workbook_rate_per_s"),
)
"""The first columns of rates.csv, which scripts rely on."""
MIXTURE_COLUMNS: Final = (
    *("concentration_M", "temperature_K", "substrate", "mixture", "ionic_strength_M"),
    *("replicate", "dead_time_s"),
)
"""What the lab said of a shot; the columns of its workbooks that are not ours follow these."""
FURTHER_COLUMNS: Final = (
    *("law", "detected_start_s", "detected_reason", "amplitude_at_mixing", "half_life_s"),
    *("noise_correlation", "noise_inflation", "start_inflation", "k_stderr_white_per_s"),
    *("k_bound_per_s", "efficiency", "k_single_per_s", "k_slope_per_s", "k_double_per_s"),
    *("k2_per_s", "amplitude2", "beta", "aicc_single", "aicc_slope", "aicc_double"),
    *("model_shift_sigma", "condition", "rules", "signal_unit", "fit_status"),
)
STORAGE_COLUMNS: Final = ("trace_first", "trace_points", "time_first")
"""Where a trace lies; in no table that is handed on."""
TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "shots": (
        *RATE_COLUMNS,
        *MIXTURE_COLUMNS,
        *FURTHER_COLUMNS,
        *STORAGE_COLUMNS,
        *("sha256", "k_true_per_s"),
    ),
    "conditions": (
        *("experiment", "condition", "concentration_M", "temperature_K", "substrate"),
        *(
            "ionic_strength_M",
            "mixture",
            "shots",
            "fitted",
            "k_per_s",
            "k_stderr_per_s",
            "k_low95_per_s",
        ),
        *("k_high95_per_s", "uncertainty_source", "between_shot_sd_per_s", "scatter_ratio"),
        *("half_life_s", "amplitude", "signal_to_noise", "verdict", "reason"),
    ),
    "secondary": (
        *(
            "plot",
            "experiment",
            "group",
            "kind",
            "chosen",
            "points",
            "conditions",
            "parameter",
            "value",
        ),
        *("stderr", "low95", "high95", "unit", "aicc", "text"),
    ),
    "cuts": ("experiment", "file", "channel", "cut_s", "k_per_s", "k_stderr_per_s"),
    "problems": ("experiment", "file", "where", "found", "expected", "level"),
}
"""Table of a dataset -> its columns in their order."""


def foreign_name(header: str) -> str:
    """Return the name under which a column of a workbook is kept; never one of ours."""
    return f"{FOREIGN}{header}"


def foreign_columns(names: Iterable[str]) -> list[str]:
    """Return those of the names that are columns of workbooks, in their order."""
    return [name for name in names if name.startswith(FOREIGN)]


def unit_of(column: str, *, signal: str) -> str:
    """Return the unit of a column, with the signal's own unit put in; "" for one without."""
    unit = COLUMNS[column].unit if column in COLUMNS else ""
    return {SIGNAL: signal, SIGNAL_PER_S: f"{signal}/s"}.get(unit, unit)
