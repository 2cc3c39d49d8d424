"""One shot: its start, its fit with all errors, and other rate laws; verdicts come later."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp, inf, nan

import numpy as np

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import AUTO, CANDIDATES, DEFAULT, find_law
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.kinetics.signal_checks import SignalChecks, check_signal
from stopflow.kinetics.solver.fixed_parameters import may_centre
from stopflow.kinetics.solver.refusals import FitStatus, Refusal, refuse
from stopflow.kinetics.solver.result import Fit, predict
from stopflow.kinetics.solver.window import Window, validate_trace
from stopflow.kinetics.start.detect import StartDetection
from stopflow.kinetics.uncertainty.interval import (
    NoiseCorrelation,
    intervals,
    noise_correlation,
    window_intervals,
)
from stopflow.kinetics.uncertainty.quantisation import digitising_step
from stopflow.kinetics.verdicts.compare_laws import LawComparison, compare_laws
from stopflow.kinetics.verdicts.shot_errors import bound_of_k, error_factors
from stopflow.kinetics.verdicts.shot_phases import find_inseparable
from stopflow.kinetics.verdicts.workbook_columns import stated_ratio
from stopflow.trace import Conditions, FloatArray, Shot
from stopflow.trimming import TrimWindow, choose_window


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotResult:
    """The result of the fit of a shot, with all errors.

    Attributes
    ----------
    fit
        Of the chosen law.
    noise
        Correlation of its residuals.
    stderr, intervals
        Standard error and 95 % interval of every parameter, by name, with the effects of correlated
        noise, where that is significant, and of the residual artefact.
    k_bound_per_s
        Cramer-Rao bound of the standard deviation for white noise of the size seen.
    laws
        Every law tried.
    law_shift_sigma, law_shift_share
        Largest shift of the main rate to a law that is not ruled out, in standard errors of that
        rate, and as a part of it.
    law_chosen
        Whether the data chose the law.
    start_inflation
        Factor on the error for what is left of the artefact at a detected start.
    start_shift_sigma
        Shift of k to that from the detected start, where that is later; 0 otherwise.
    checks
        Of the signal and the residuals.
    step_s
        Median sampling step of the first points fitted.
    stated_ratio
        Smaller over larger concentration of the two reagents, as the workbook gives them; NaN
        where it does not.
    amplitude_at_mixing
        Extrapolated to the time of mixing; NaN without a dead time.
    """

    fit: Fit
    noise: NoiseCorrelation
    stderr: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    k_bound_per_s: float
    laws: LawComparison
    law_shift_sigma: float
    law_shift_share: float
    law_chosen: bool
    start_inflation: float
    start_shift_sigma: float
    checks: SignalChecks
    step_s: float
    stated_ratio: float
    amplitude_at_mixing: float

    @property
    def k_stderr_per_s(self) -> float:
        """Standard error of k; NaN for a formula without a rate."""
        return self.stderr.get("k_per_s", nan)

    @property
    def half_life_s(self) -> float:
        """Time in which half of the law's change is over; NaN for a law that has none."""
        return self.fit.rate_law.half_life_s(self.fit.parameters)

    @property
    def noise_inflation(self) -> float:
        """Factor on the error of k for correlated noise or coarse rounding; 1 for a fixed k."""
        white = self.fit.k_stderr_per_s * self.start_inflation
        return self.k_stderr_per_s / white if white > 0 else 1.0

    @property
    def efficiency(self) -> float:
        """Bound over the standard error quoted."""
        return self.k_bound_per_s / self.k_stderr_per_s if self.k_stderr_per_s > 0 else nan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotAnalysis:
    """The analysis of a shot, without its trace.

    Attributes
    ----------
    refusal
        Why there is no rate; None when there is one.
    fitted
        The fit, refused or not; None when the shot was not fitted.
    result
        None when there is no rate.
    omitted
        Which points were left out before anything else, in sentences.
    first_s
        Time of the first point.
    """

    experiment: str
    file: str
    channel: int
    conditions: Conditions
    workbook_rate_per_s: float | None
    signal_unit: str
    refusal: Refusal | None
    law: str
    window: TrimWindow | None = None
    detection: StartDetection | None = None
    fitted: Fit | None = None
    result: ShotResult | None = None
    omitted: tuple[str, ...] = ()
    first_s: float = nan

    @property
    def status(self) -> FitStatus:
        """How the fit ended."""
        return FitStatus.OK if self.refusal is None else self.refusal.status

    @property
    def reason(self) -> str:
        """Why there is no rate, in a sentence; empty when there is one."""
        return "" if self.refusal is None else self.refusal.reason


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedShot:
    """A shot trimmed and fitted with the simple laws, before a law is chosen.

    `omitted` says which points were left out before anything else, in sentences; `points` are
    those that were fitted, where they are at hand.
    """

    shot: Shot
    detection: StartDetection | None = None
    window: TrimWindow | None = None
    refusal: Refusal | None = None
    single: Fit | None = None
    slope: Fit | None = None
    laws: LawComparison | None = None
    points: Window | None = None
    omitted: tuple[str, ...] = ()


def prepare_shot(
    shot: Shot,
    settings: AnalysisSettings,
    *,
    detection: StartDetection | None,
    fits: Mapping[str, Fit] | None = None,
    omitted: tuple[str, ...] = (),
) -> PreparedShot:
    """Choose the window, fit with and without slope; with ``auto``, every other law too.

    `detection` is that of the shot's trace, None without one; `fits` are those made already, by
    law.
    """
    trace = shot.trace
    if trace is None or detection is None:
        reason = shot.refusal or "the file could not be read"
        return PreparedShot(shot=shot, refusal=refuse("unreadable", text=reason))
    window = choose_window(
        trace.time_s, workbook_start_s=shot.start_s, end_s=shot.end_s, detected=detection.window
    )
    if isinstance(window, TrimWindow) and window.source == "workbook":
        window = replace(window, source=shot.start_from)
    if isinstance(window, str):
        refusal = refuse("unusable-start", text=window)
        return PreparedShot(shot=shot, detection=detection, refusal=refusal)
    start_s = window.start_s if len(trace) else None
    single, slope = (
        (fits or {}).get(law)
        or fit_trace(trace.time_s, trace.signal, law=law, start_s=start_s, robust=settings.robust)
        for law in ("single", DEFAULT)
    )
    automatic = settings.law == AUTO
    laws, points = None, None
    if single.ok or slope.ok or automatic:
        points = validate_trace(trace.time_s, trace.signal, start_s=window.start_s, centred=True)
        laws = compare_laws(
            points,
            fits=(single, slope),
            tried=CANDIDATES if automatic else find_law(settings.law).rivals,
            # The residuals of the default law say nothing against another law that was asked for.
            always=automatic or find_law(settings.law).exponentials != 1,
        )
    return PreparedShot(
        shot=shot,
        detection=detection,
        window=window,
        single=single,
        slope=slope,
        laws=laws,
        # Until the law is chosen all shots wait; their points would be a second copy of them all.
        points=None if automatic or isinstance(points, Refusal) else points,
        omitted=omitted,
    )


def finish_shot(prepared: PreparedShot, settings: AnalysisSettings, *, law: str) -> ShotAnalysis:
    """Fit the chosen rate law and combine its errors."""
    shot, trace = prepared.shot, prepared.shot.trace
    analysis = ShotAnalysis(
        experiment=shot.experiment,
        file=shot.file,
        channel=shot.channel,
        conditions=shot.conditions,
        workbook_rate_per_s=shot.workbook_rate_per_s,
        signal_unit="" if trace is None else trace.signal_unit,
        refusal=prepared.refusal,
        law=law,
        window=prepared.window,
        detection=prepared.detection,
        omitted=prepared.omitted,
        first_s=nan if trace is None or not len(trace) else float(trace.time_s[0]),
    )
    if trace is None or prepared.window is None:
        return analysis
    known = {"single": prepared.single, DEFAULT: prepared.slope}
    fit = None if settings.fixed else known.get(law)
    if fit is None:
        fit = fit_trace(
            trace.time_s,
            trace.signal,
            law=law,
            start_s=prepared.window.start_s if len(trace) else None,
            fixed=settings.fixed,
            robust=settings.robust,
        )
    analysis = replace(analysis, refusal=fit.refusal, fitted=fit)
    if not fit.ok:
        return analysis
    result = _result(fit, prepared, settings, time_s=trace.time_s, signal=trace.signal)
    inseparable = find_inseparable(fit, result.intervals, result.laws)
    if inseparable is not None:
        return replace(analysis, refusal=inseparable)
    return replace(analysis, result=result)


def _result(
    fit: Fit,
    prepared: PreparedShot,
    settings: AnalysisSettings,
    *,
    time_s: FloatArray,
    signal: FloatArray,
) -> ShotResult:
    kept = time_s >= fit.start_s
    time, values = time_s[kept], signal[kept]
    curve = predict(fit, time)
    residuals = values - curve
    free = len(fit.rate_law.parameters) - len(fit.fixed)
    noise = noise_correlation(residuals, parameters=free)
    distinct = np.unique(values)
    step = digitising_step(distinct, points=len(values))
    factors = error_factors(fit, time, curve, noise=noise, step=step)
    rest = _rest_inflation(prepared)
    widened = {name: factor * rest for name, factor in factors.items()}
    points = prepared.points
    shared = may_centre(fit.rate_law, fit.fixed)
    if points is not None and shared and points.start_s == fit.start_s:
        found = window_intervals(points, fit, inflation=widened)
    else:
        found = intervals(time_s, signal, fit, inflation=widened)
    stderr = {name: error * factors[name] * rest for name, error in fit.stderr.items()}
    laws = prepared.laws or LawComparison(alternatives={})
    if fit.law not in laws.alternatives or not laws[fit.law].parameters or fit.fixed:
        laws = laws.including(fit)
    shift = laws.largest_shift(fit, stderr=stderr)
    return ShotResult(
        fit=fit,
        noise=noise,
        stderr=stderr,
        intervals=found,
        k_bound_per_s=bound_of_k(fit, time),
        laws=laws,
        law_shift_sigma=shift.sigma,
        law_shift_share=shift.share,
        law_chosen=settings.law == AUTO,
        start_inflation=rest,
        start_shift_sigma=_start_shift(fit, prepared.detection),
        checks=check_signal(
            values,
            residuals,
            noise_sd=fit.noise_sd,
            parameters=free,
            levels=len(distinct),
            step=step,
        ),
        step_s=float(np.median(np.diff(time[:9]))),
        stated_ratio=stated_ratio(prepared.shot.conditions),
        amplitude_at_mixing=_amplitude_at_mixing(fit, prepared.shot.conditions, settings),
    )


def _rest_inflation(prepared: PreparedShot) -> float:
    """Factor on the error of k where the start is the detected one; else 1."""
    detection, window = prepared.detection, prepared.window
    if detection is None or window is None or window.source != "detected":
        return 1.0
    return detection.inflation


def _start_shift(fit: Fit, detection: StartDetection | None) -> float:
    """Shift of k, in standard errors, to the cut nearest to a later detected start."""
    if detection is None or not detection.found:
        return 0.0
    usable = np.isfinite(detection.k_per_s) & (detection.cut_s >= detection.window.start_s)
    if fit.start_s >= detection.window.start_s or not usable.any():
        return 0.0
    at = int(np.argmax(usable))
    # What the artefact does to the fit is in its error too; that of the clean part is taken.
    error = float(detection.k_stderr_per_s[at])
    return abs(float(detection.k_per_s[at]) - fit.k_per_s) / error if error > 0 else 0.0


def _amplitude_at_mixing(fit: Fit, conditions: Conditions, settings: AnalysisSettings) -> float:
    """``c exp(k (start - mixing))``, mixing one dead time before the flow stopped."""
    dead_time_s = conditions.dead_time_s if settings.dead_time_s is None else settings.dead_time_s
    if dead_time_s is None:
        return nan
    if not fit.rate_law.exponentials:
        return nan
    exponent = fit.k_per_s * (fit.start_s - settings.stop_s + dead_time_s)
    return fit.amplitude * exp(exponent) if exponent < 50 else inf
