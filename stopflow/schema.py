"""The tables of a dataset: every column of ours, its kind, unit, format and meaning, in one place.

A column is added by one entry in `COLUMNS` and its name in one of the tables below; a parameter of
a rate law by its entry in the table of rate laws. Writing, the check on load, the headers of CSV
and XLSX and docs/columns.md all follow from here.
"""

from collections.abc import Mapping
from typing import Final

from stopflow.columns import SIGNAL, SIGNAL_PER_S, Column, count_column, number_column, text_column
from stopflow.kinetics import laws
from stopflow.kinetics.laws import error_columns


def _rate(meaning: str) -> Column:
    return number_column("s⁻¹", "0.0000", meaning)


def _time(meaning: str) -> Column:
    return number_column("s", "0.000000", meaning)


def _size(unit: str, meaning: str) -> Column:
    return number_column(unit, "0.000E+00", meaning)


def _ratio(meaning: str, number_format: str = "0.00") -> Column:
    return number_column("", number_format, meaning)


# Units of the table of rate laws, as they stand in ours, with the number format.
_UNITS: Final = {
    "1/s": ("s⁻¹", "0.0000"),
    "signal": (SIGNAL, "0.000E+00"),
    "signal/s": (SIGNAL_PER_S, "0.000E+00"),
    "": ("", "0.000"),
}
PARAMETERS: Final[Mapping[str, Column]] = {
    name: number_column(*_UNITS[shown.unit], shown.meaning) for name, shown in laws.COLUMNS.items()
}
"""Parameters of the rate laws, from the table of these."""


def _parameter_columns() -> dict[str, Column]:
    """Give every parameter with its standard error and the ends of its 95 % interval."""
    columns = {}
    for name, own in PARAMETERS.items():
        columns[name] = own
        meanings = (
            f"standard error of {name}, noise correlation included",
            f"lower end of the 95 % interval of {name}",
            f"upper end of the 95 % interval of {name}",
        )
        for column, meaning in zip(error_columns(name), meanings, strict=True):
            columns[column] = number_column(own.unit, own.format, meaning)
    return columns


_COMPARED_RATES: Final = {
    f"k_{law.column}_per_s": _rate(f"k of {law.title}") for _, law in laws.COMPARED
}
_COMPARED_CRITERIA: Final = {
    f"aicc_{law.column}": _ratio(f"corrected Akaike criterion, {law.title}", "0.0")
    for _, law in laws.COMPARED
}

COLUMNS: Final[Mapping[str, Column]] = {
    "experiment": text_column("folder of the shot"),
    "file": text_column("file of the shot"),
    "channel": count_column("signal column of the file, 1 is the first"),
    "verdict": text_column("PASS, WARN or FAIL", "PASS", "WARN", "FAIL"),
    "reason": text_column("why the verdict is not PASS"),
    "start_s": _time("start of the fit; earlier points were left out"),
    "start_source": text_column(
        "workbook, decision, detected or first point; known of shots without a usable rate, too"
    ),
    "points": count_column("points fitted"),
    "window_s": _time("last time minus start of the fit"),
    **_parameter_columns(),
    "noise_sd": _size(SIGNAL, "standard deviation of the residuals"),
    "signal_to_noise": _ratio("amplitude over noise", "0.0"),
    "workbook_rate_per_s": _rate("the lab's own rate"),
    "concentration_M": _size("mol/L", "concentration"),
    "temperature_K": number_column("K", "0.00", "temperature"),
    "substrate": text_column("substrate"),
    "mixture": text_column("further columns of the workbook that tell conditions apart"),
    "mixture_ph": number_column(
        "", "0.00", "pH of the mixture, where a column of the workbook is pH"
    ),
    "ionic_strength_M": number_column("mol/L", "0.0000", "ionic strength"),
    "replicate": number_column("", "0", "number of the repeat"),
    "dead_time_s": _time("dead time of the instrument"),
    "law": text_column("rate law fitted"),
    "end_s": _time("last time fitted; later points were left out"),
    "detected_start_s": _time("end of the artefact as detected from the trace"),
    "detected_reason": text_column("how it was detected"),
    "amplitude_at_mixing": _size(SIGNAL, "amplitude extrapolated to mixing"),
    "half_life_s": _time(
        "time from the start in which half of the change is over; none for a curve that turns back"
    ),
    "noise_correlation": _ratio("lag-1 correlation of the residuals"),
    "noise_inflation": _ratio("factor on the error for correlated noise"),
    "start_inflation": _ratio("factor on the error for the rest of the artefact"),
    "k_stderr_white_per_s": _rate("standard error for white noise"),
    "k_bound_per_s": _rate("Cramér-Rao bound of the standard error"),
    "efficiency": _ratio("bound over standard error"),
    **_COMPARED_RATES,
    **_COMPARED_CRITERIA,
    "model_shift_sigma": _ratio("shift of k between rate laws, in standard errors", "0.0"),
    "rival_law": text_column("best of the other rate laws tried"),
    "rival_k_per_s": _rate("rate of its phase of the largest change within the window"),
    "rival_gain": _ratio("by how much its AICc is lower than that of the law fitted", "0.0"),
    "condition": count_column("row of the conditions table, within the experiment"),
    "rules": text_column("rules behind the verdict"),
    "findings": text_column("rules behind the verdict with the values of their sentences, as JSON"),
    "signal_unit": text_column("unit of the signal, as the file says it"),
    "fit_status": text_column("how the fit ended"),
    "trace_first": count_column("place of the first point among the stored signals"),
    "trace_points": count_column(
        "points of the recorded trace; 0 where the file could not be read"
    ),
    "time_first": count_column("place of the first point among the stored times"),
    "end_source": text_column("decision where an end was decided, else empty"),
    "law_source": text_column("decision where the rate law was decided, else empty"),
    "k_shared_per_s": _rate("k of all signals of the push together"),
    "k_shared_stderr_per_s": _rate("its standard error"),
    "sha256": text_column("SHA-256 of the file"),
    "k_true_per_s": _rate("true rate of a simulated shot"),
    "shots": count_column("shots of equal conditions"),
    "fitted": count_column("of these, fitted"),
    "k_from": text_column(
        "what k is of: each shot (then averaged), the mean trace, or a joint fit",
        "each",
        "mean",
        "joint",
    ),
    "uncertainty_source": text_column(
        "scatter between replicates, or the errors of single shots, of the mean trace or of the "
        "joint fit"
    ),
    "k_each_per_s": _rate("mean of the rates of the single shots, whatever k is of"),
    "k_each_stderr_per_s": _rate("its standard error"),
    "outlier_files": text_column("files of the shots that the means leave out as outliers"),
    "k_all_per_s": _rate("mean of the rates of all usable shots, those left out included"),
    "k_all_stderr_per_s": _rate("its standard error"),
    "between_shot_sd_per_s": _rate("standard deviation of k between shots"),
    "scatter_ratio": _ratio("between-shot SD over the error of one shot"),
    "plot": text_column("which secondary plot"),
    "group": text_column("series within the plot"),
    "kind": text_column("line, hyperbola, induced fit, Arrhenius, bell, ..."),
    "chosen": Column(kind="flag", format="@", meaning="whether this relation is the one reported"),
    "conditions": text_column("rows of the conditions table that are the points, from 0"),
    "rates": text_column("column of each of these conditions that is the point"),
    "role": text_column("what the row holds", "parameter", "correlation", "point"),
    "at": number_column("", "0.00", "temperature in K or pH of the point"),
    "parameter": text_column("parameter of the relation"),
    "value": number_column("see unit", "0.00000E+00", "its value"),
    "stderr": _size("see unit", "its standard error"),
    "low95": number_column("see unit", "0.00000E+00", "lower end of its 95 % interval"),
    "high95": number_column("see unit", "0.00000E+00", "upper end of its 95 % interval"),
    "unit": text_column("unit of the parameter"),
    "aicc": _ratio("corrected Akaike criterion", "0.0"),
    "text": text_column("equation"),
    "remark": text_column("what was tested, and why the relation is or is not the one reported"),
    "cut_s": _time("start of the fit tried"),
    "where": text_column("line, cell or column"),
    "found": text_column("what was there"),
    "expected": text_column("what should have been there"),
    "level": text_column("error, warning or note", "error", "warning", "note"),
    "topic": text_column("conditions where two sources of a condition disagree", "", "conditions"),
    "rule": text_column("what was checked, where only names and numbers differ between problems"),
    "split": text_column("train, validation or test"),
    "k_actual_per_s": _rate("rate the network was to predict"),
    "k_predicted_per_s": _rate("rate the network predicts"),
    "k_predicted_stderr_per_s": _rate("its standard error"),
    "k_predicted_low95_per_s": _rate("lower end of its 95 % interval"),
    "k_predicted_high95_per_s": _rate("upper end of its 95 % interval"),
    "moved_by_shared_drift": _ratio("change of the prediction by a drift that shots share", "0.0%"),
    "relative_difference": _ratio("prediction over fit, less one", "0.0%"),
    "doubt": text_column("why the prediction may be wrong"),
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
    *("law", "end_s", "detected_start_s", "detected_reason", "amplitude_at_mixing", "half_life_s"),
    *("noise_correlation", "noise_inflation", "start_inflation", "k_stderr_white_per_s"),
    *("k_bound_per_s", "efficiency", *_COMPARED_RATES),
    *(name for name in _parameter_columns() if name not in RATE_COLUMNS),
    *_COMPARED_CRITERIA,
    *(
        "model_shift_sigma",
        "rival_law",
        "rival_k_per_s",
        "rival_gain",
        "condition",
        "rules",
        "signal_unit",
        "fit_status",
    ),
)
TRACE_PLACES: Final = ("trace_first", "trace_points", "time_first")
"""Where a trace lies."""
STORAGE_COLUMNS: Final = (*TRACE_PLACES, "findings")
"""What is in no table that is handed on: `findings` is said there in the words of `reason`."""
TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "shots": (
        *RATE_COLUMNS,
        *MIXTURE_COLUMNS,
        *FURTHER_COLUMNS,
        *STORAGE_COLUMNS,
        *("sha256", "end_source", "law_source", "k_shared_per_s", "k_shared_stderr_per_s"),
        *("k_true_per_s",),
    ),
    "conditions": (
        *("experiment", "condition", "concentration_M", "temperature_K", "substrate"),
        *(
            "ionic_strength_M",
            "mixture",
            "mixture_ph",
            "shots",
            "fitted",
            "k_per_s",
            "k_stderr_per_s",
            "k_low95_per_s",
        ),
        *("k_high95_per_s", "k_from", "uncertainty_source", "k_each_per_s", "k_each_stderr_per_s"),
        *("outlier_files", "k_all_per_s", "k_all_stderr_per_s"),
        *("between_shot_sd_per_s", "scatter_ratio"),
        *("half_life_s", "amplitude", *error_columns("amplitude"), "signal_to_noise"),
        *("k2_per_s", *error_columns("k2_per_s"), "amplitude2", *error_columns("amplitude2")),
        *("k3_per_s", *error_columns("k3_per_s"), "amplitude3", *error_columns("amplitude3")),
        *("verdict", "reason", "findings"),
    ),
    "secondary": (
        *(
            "plot",
            "experiment",
            "group",
            *("substrate", "mixture", "concentration_M", "temperature_K", "ionic_strength_M"),
            "kind",
            "chosen",
            "points",
            "conditions",
            "rates",
            "role",
            "parameter",
            "at",
            "value",
        ),
        *("stderr", "low95", "high95", "unit", "aicc", "text", "remark"),
    ),
    "cuts": ("experiment", "file", "channel", "cut_s", "k_per_s", "k_stderr_per_s"),
    "problems": ("experiment", "file", "where", "found", "expected", "level", "topic", "rule"),
    "inputs": ("experiment", "file", "sha256"),
}
"""Table of a dataset -> its columns in their order."""


def unit_of(column: str, *, signal: str) -> str:
    """Return the unit of a column, with the signal's own unit put in; "" for one without."""
    unit = COLUMNS[column].unit if column in COLUMNS else ""
    return {SIGNAL: signal, SIGNAL_PER_S: f"{signal}/s"}.get(unit, unit)
