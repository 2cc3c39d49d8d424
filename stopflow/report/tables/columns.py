"""What every column of the tables means: its unit, how a spreadsheet shows it, and in words."""

from dataclasses import dataclass

SIGNAL = "signal"
SIGNAL_PER_S = "signal/s"
STORAGE_COLUMNS = ("trace_first", "trace_points", "time_first")

RATE_COLUMNS = (
    "experiment",
    "file",
    "channel",
    "verdict",
    "reason",
    "start_s",
    "start_source",
    "points",
    "window_s",
    "k_per_s",
    "k_stderr_per_s",
    "k_low95_per_s",
    "k_high95_per_s",
    "amplitude",
    "slope_per_s",
    "intercept",
    "noise_sd",
    "signal_to_noise",
    "workbook_rate_per_s",
)
CONDITION_COLUMNS = (
    "concentration_M",
    "temperature_K",
    "substrate",
    "mixture",
    "ionic_strength_M",
    "replicate",
    "dead_time_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnNote:
    """Unit, spreadsheet number format and meaning of a column."""

    unit: str = ""
    format: str = "General"
    meaning: str = ""


def _note(unit: str, number_format: str, meaning: str) -> ColumnNote:
    return ColumnNote(unit=unit, format=number_format, meaning=meaning)


_RATE, _TIME, _SMALL, _COUNT = "0.0000", "0.000000", "0.000E+00", "0"

COLUMN_NOTES = {
    "experiment": _note("", "@", "folder of the shot"),
    "file": _note("", "@", "file of the shot"),
    "channel": _note("", _COUNT, "signal column of the file, 1 is the first"),
    "verdict": _note("", "@", "PASS, WARN or FAIL"),
    "reason": _note("", "@", "why the verdict is not PASS"),
    "start_s": _note("s", _TIME, "start of the fit; earlier points were left out"),
    "start_source": _note("", "@", "workbook, detected or first point"),
    "points": _note("", _COUNT, "points fitted"),
    "window_s": _note("s", _TIME, "last time minus start of the fit"),
    "k_per_s": _note("s⁻¹", _RATE, "observed rate constant"),
    "k_stderr_per_s": _note("s⁻¹", _RATE, "its standard error, noise correlation included"),
    "k_low95_per_s": _note("s⁻¹", _RATE, "lower end of the 95 % interval"),
    "k_high95_per_s": _note("s⁻¹", _RATE, "upper end of the 95 % interval"),
    "amplitude": _note(SIGNAL, _SMALL, "amplitude at the start of the fit"),
    "slope_per_s": _note(SIGNAL_PER_S, _SMALL, "slope of the line under the exponential"),
    "intercept": _note(SIGNAL, _SMALL, "line at the start of the fit"),
    "noise_sd": _note(SIGNAL, _SMALL, "standard deviation of the residuals"),
    "signal_to_noise": _note("", "0.0", "amplitude over noise"),
    "workbook_rate_per_s": _note("s⁻¹", _RATE, "the lab's own rate"),
    "concentration_M": _note("mol/L", _SMALL, "concentration"),
    "temperature_K": _note("K", "0.00", "temperature"),
    "substrate": _note("", "@", "substrate"),
    "mixture": _note("", "@", "further columns of the workbook that tell conditions apart"),
    "ionic_strength_M": _note("mol/L", "0.0000", "ionic strength"),
    "replicate": _note("", _COUNT, "number of the repeat"),
    "dead_time_s": _note("s", _TIME, "dead time of the instrument"),
    "law": _note("", "@", "rate law fitted"),
    "detected_start_s": _note("s", _TIME, "end of the artefact as detected from the trace"),
    "detected_reason": _note("", "@", "how it was detected"),
    "amplitude_at_mixing": _note(SIGNAL, _SMALL, "amplitude extrapolated to mixing"),
    "half_life_s": _note("s", _TIME, "ln 2 / k"),
    "noise_correlation": _note("", "0.00", "lag-1 correlation of the residuals"),
    "noise_inflation": _note("", "0.00", "factor on the error for correlated noise"),
    "start_inflation": _note("", "0.00", "factor on the error for the rest of the artefact"),
    "k_stderr_white_per_s": _note("s⁻¹", _RATE, "standard error for white noise"),
    "k_bound_per_s": _note("s⁻¹", _RATE, "Cramér-Rao bound of the standard error"),
    "efficiency": _note("", "0.00", "bound over standard error"),
    "k_single_per_s": _note("s⁻¹", _RATE, "k of a single exponential without slope"),
    "k_slope_per_s": _note("s⁻¹", _RATE, "k of a single exponential with slope"),
    "k_double_per_s": _note("s⁻¹", _RATE, "first k of a double exponential"),
    "k2_per_s": _note("s⁻¹", _RATE, "second k of a double exponential"),
    "amplitude2": _note(SIGNAL, _SMALL, "second amplitude of a double exponential"),
    "beta": _note("", "0.000", "exponent of a stretched exponential"),
    "aicc_single": _note("", "0.0", "corrected Akaike criterion, single"),
    "aicc_slope": _note("", "0.0", "corrected Akaike criterion, single with slope"),
    "aicc_double": _note("", "0.0", "corrected Akaike criterion, double"),
    "model_shift_sigma": _note("", "0.0", "shift of k between laws, in standard errors"),
    "condition": _note("", _COUNT, "row of the conditions table, within the experiment"),
    "rules": _note("", "@", "rules behind the verdict"),
    "signal_unit": _note("", "@", "unit of the signal, as the file says it"),
    "fit_status": _note("", "@", "how the fit ended"),
    "sha256": _note("", "@", "SHA-256 of the file"),
    "k_true_per_s": _note("s⁻¹", _RATE, "true rate of a simulated shot"),
    "shots": _note("", _COUNT, "shots of equal conditions"),
    "fitted": _note("", _COUNT, "of these, fitted"),
    "uncertainty_source": _note("", "@", "replicates or single shot"),
    "between_shot_sd_per_s": _note("s⁻¹", _RATE, "standard deviation of k between shots"),
    "scatter_ratio": _note("", "0.00", "between-shot SD over the error of one shot"),
    "plot": _note("", "@", "which secondary plot"),
    "group": _note("", "@", "series within the plot"),
    "kind": _note("", "@", "line, hyperbola, Arrhenius or Eyring"),
    "chosen": _note("", "@", "whether this model is the one reported"),
    "parameter": _note("", "@", "parameter of the model"),
    "value": _note("see unit", "0.00000E+00", "its value"),
    "stderr": _note("see unit", _SMALL, "its standard error"),
    "low95": _note("see unit", "0.00000E+00", "lower end of its 95 % interval"),
    "high95": _note("see unit", "0.00000E+00", "upper end of its 95 % interval"),
    "unit": _note("", "@", "unit of the parameter"),
    "aicc": _note("", "0.0", "corrected Akaike criterion"),
    "text": _note("", "@", "equation or note"),
    "cut_s": _note("s", _TIME, "start of the fit tried"),
    "where": _note("", "@", "line, cell or column"),
    "found": _note("", "@", "what was there"),
    "expected": _note("", "@", "what should have been there"),
    "level": _note("", "@", "error, warning or note"),
    "k_predicted_per_s": _note("s⁻¹", _RATE, "rate the network predicts"),
    "k_actual_per_s": _note("s⁻¹", _RATE, "rate it was to predict"),
}
