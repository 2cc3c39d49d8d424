"""From a shot to its fit with all errors, beside other rate laws; verdicts come later."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, inf, nan

import numpy as np

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import AUTO, CANDIDATES, DEFAULT, find_law
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.kinetics.signal_checks import check_signal
from stopflow.kinetics.solver.fixed_parameters import may_centre
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.result import Fit, predict
from stopflow.kinetics.solver.window import validate_trace
from stopflow.kinetics.start.detect import StartDetection
from stopflow.kinetics.start.trimming import choose_window
from stopflow.kinetics.uncertainty.interval import (
    intervals,
    noise_correlation,
    window_intervals,
)
from stopflow.kinetics.uncertainty.quantisation import digitising_step
from stopflow.kinetics.usable_points import Omission
from stopflow.kinetics.verdicts.law_comparison import LawComparison, laws_ruled_out
from stopflow.kinetics.verdicts.rival_laws import compare_laws
from stopflow.kinetics.verdicts.shot import PreparedShot, ShotAnalysis, ShotResult
from stopflow.kinetics.verdicts.shot_errors import bound_of_k, error_factors
from stopflow.kinetics.verdicts.shot_phases import find_inseparable, find_needless_phase
from stopflow.kinetics.verdicts.workbook_columns import stated_ratio
from stopflow.trace import Conditions, Shot, Trace


def prepare_shot(
    shot: Shot,
    settings: AnalysisSettings,
    *,
    detection: StartDetection | None,
    fits: Mapping[str, Fit] | None = None,
    omitted: tuple[Omission, ...] = (),
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
    if isinstance(window, Refusal):
        return PreparedShot(shot=shot, detection=detection, refusal=window)
    if window.source == "workbook":
        window = replace(window, source=shot.start_from)
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


def finish_shot(
    prepared: PreparedShot,
    settings: AnalysisSettings,
    *,
    law: str,
) -> ShotAnalysis:
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
    laws = prepared.laws or LawComparison(alternatives={})
    if fit.law not in laws.alternatives or not laws[fit.law].parameters or fit.fixed:
        laws = laws.including(fit)
    refusal = find_needless_phase(fit, laws)
    if refusal is None:
        result = _result(fit, prepared, settings, laws, trace)
        refusal = find_inseparable(fit, result.intervals)
        if refusal is None:
            return replace(analysis, result=result)
    return replace(analysis, refusal=refusal)


def settle_law_shifts(
    shots: Sequence[ShotAnalysis], *, law: str, undecided: Sequence[str] = ()
) -> list[ShotAnalysis]:
    """Correct what each shot says of laws that move k by what all shots of an experiment say.

    Parameters
    ----------
    shots
        As `finish_shot` gives them; those of another law than `law` are compared by themselves.
    law, undecided
        The law of the experiment, and the others that are as good for all of its shots.
    """
    compared: dict[str, list[LawComparison]] = {}
    for shot in shots:
        if shot.result is not None:
            compared.setdefault(shot.result.fit.law, []).append(shot.result.laws)
    ruled_out = {own: laws_ruled_out(laws, law=own) for own, laws in compared.items()}
    settled = []
    for shot in shots:
        result = shot.result
        if result is not None:
            as_good = undecided if shot.law == law else ()
            out = ruled_out[result.fit.law]
            if as_good or out:
                shift = result.laws.largest_shift(
                    result.fit, stderr=result.stderr, undecided=as_good, ruled_out=out
                )
                shot = replace(shot, result=replace(result, law_shift=shift))
        settled.append(shot)
    return settled


def _result(
    fit: Fit,
    prepared: PreparedShot,
    settings: AnalysisSettings,
    laws: LawComparison,
    trace: Trace,
) -> ShotResult:
    time_s, signal = trace.time_s, trace.signal
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
    return ShotResult(
        fit=fit,
        noise=noise,
        stderr=stderr,
        intervals=found,
        k_bound_per_s=bound_of_k(fit, time),
        laws=laws,
        law_shift=laws.largest_shift(fit, stderr=stderr),
        law_chosen=settings.law == AUTO,
        start_inflation=rest,
        start_shift_sigma=_start_shift(fit, prepared.detection, trace),
        checks=check_signal(
            values,
            residuals,
            noise_sd=fit.noise_sd,
            parameters=free,
            levels=len(distinct),
            step=step,
            robust=fit.robust,
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


def _start_shift(fit: Fit, detection: StartDetection | None, trace: Trace) -> float:
    """Shift of k, in standard errors, where the points before a later detected start are left out.

    The law is the same and counts its time from the same start. What the artefact does to the fit
    is in its error too; that of the points after it is taken.
    """
    if detection is None or not (detection.found and fit.start_s < detection.window.start_s):
        return 0.0
    if fit.law == DEFAULT and not fit.fixed:
        usable = np.isfinite(detection.k_per_s) & (detection.cut_s >= detection.window.start_s)
        at = int(np.argmax(usable))
        known = usable[at] if len(usable) else False
        k, error = (detection.k_per_s[at], detection.k_stderr_per_s[at]) if known else (nan, nan)
    else:
        k, error = _without_beginning(fit, trace, stop_s=detection.window.start_s)
    return abs(float(k) - fit.k_per_s) / float(error) if error > 0 else 0.0


def _without_beginning(fit: Fit, trace: Trace, *, stop_s: float) -> tuple[float, float]:
    """Fit again without the points before `stop_s`: k and its error."""
    kept = trace.time_s >= stop_s
    time_s, signal = trace.time_s[kept], trace.signal[kept]
    late = fit_trace(
        time_s,
        signal,
        law=fit.rate_law,
        start_s=fit.start_s,
        fixed=fit.fixed,
        robust=fit.robust,
    )
    if not late.ok:
        return nan, nan
    noise = noise_correlation(
        signal - predict(late, time_s), parameters=len(late.parameters) - len(late.fixed)
    )
    factor = noise.inflation if noise.significant else 1.0
    return late.k_per_s, factor * late.k_stderr_per_s


def _amplitude_at_mixing(fit: Fit, conditions: Conditions, settings: AnalysisSettings) -> float:
    """``c exp(k (start - mixing))``, mixing one dead time before the flow stopped."""
    dead_time_s = conditions.dead_time_s if settings.dead_time_s is None else settings.dead_time_s
    if dead_time_s is None:
        return nan
    if not fit.rate_law.exponentials:
        return nan
    exponent = fit.k_per_s * (fit.start_s - settings.stop_s + dead_time_s)
    return fit.amplitude * exp(exponent) if exponent < 50 else inf
