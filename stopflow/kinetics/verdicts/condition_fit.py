"""All usable shots of a condition in one fit: of their mean trace, or with common rates.

From three shots on the errors come from the scatter between the shots, as those of a mean of rates
do: every shot's part in the result is one draw. Fewer shots have the errors of the fit alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan, sqrt
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtrit

from stopflow.kinetics.laws import find_law
from stopflow.kinetics.many.mean_trace import MeanTrace, average_traces
from stopflow.kinetics.many.shared import SharedFit, fit_shared
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.solver.result import Fit, predict
from stopflow.kinetics.start.detected_start import undetected
from stopflow.kinetics.start.reasons import because
from stopflow.kinetics.verdicts.findings import Finding
from stopflow.kinetics.verdicts.fit_shot import finish_shot, prepare_shot
from stopflow.kinetics.verdicts.replicates import FEWEST_REPLICATES, ReplicateMean
from stopflow.kinetics.verdicts.rules import RULES, judge_shot
from stopflow.kinetics.verdicts.shot import ShotAnalysis, ShotResult
from stopflow.trace import FloatArray, Shot, Trace

Together = Literal["mean", "joint"]
OF_THE_LAW = ("residual-runs", "wrong-law", "law-shift")
"""Rules about one trace that are worth applying to a mean, which has less noise than its shots."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConditionFit:
    """One fit of the usable shots of a condition.

    Attributes
    ----------
    how
        ``"mean"``: of their mean trace; ``"joint"``: with common rates, own amplitudes and
        baselines.
    rates
        By column, such as ``"k2_per_s"``; the scatter between shots is left to their own fits.
        Empty where there is no such fit.
    amplitudes
        By column, at the start of the fit; of a joint fit the medians over the shots.
    findings
        What the fit shows that no single shot does, or why there is none.
    """

    how: Together
    rates: Mapping[str, ReplicateMean]
    amplitudes: Mapping[str, float]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UsedShot:
    """A usable shot with the trace that was fitted."""

    shot: Shot
    trace: Trace
    analysis: ShotAnalysis
    result: ShotResult


def fit_condition(
    used: Sequence[UsedShot], settings: AnalysisSettings, *, how: Together
) -> ConditionFit | None:
    """Fit the usable shots of one condition together; None for fewer than two."""
    if len(used) < 2:
        return None
    laws = list(dict.fromkeys(item.analysis.law for item in used))
    if len(laws) > 1:
        return _none(how, refuse("different-laws", laws=" and ".join(laws)))
    fit = _fit_mean if how == "mean" else _fit_joint
    return fit(used, settings, laws[0])


def _none(how: Together, refusal: Refusal, *, of: str = "") -> ConditionFit:
    """Return no fit and why; `of` names what was refused, where that is not the shots."""
    finding = RULES["not-together"].finding(because=refusal.because, of=of, **refusal.values)
    return ConditionFit(how=how, rates={}, amplitudes={}, findings=(finding,))


def _fit_mean(used: Sequence[UsedShot], settings: AnalysisSettings, law: str) -> ConditionFit:
    start_s = max(item.result.fit.start_s for item in used)
    mean = average_traces([item.trace for item in used], start_s=start_s)
    if isinstance(mean, Refusal):
        return _none("mean", mean)
    shot = replace(
        used[0].shot,
        file=f"the mean of {len(used)} shots",
        trace=Trace(time_s=mean.time_s, signal=mean.signal, signal_unit=used[0].trace.signal_unit),
        start_s=start_s,
        end_s=None,
        workbook_rate_per_s=None,
    )
    detection = undetected(mean.time_s, because("mean"))
    prepared = prepare_shot(shot, settings, detection=detection)
    analysis = finish_shot(prepared, settings, law=law)
    result = analysis.result
    if result is None:
        return _none("mean", analysis.refusal or refuse("no-traces"), of="mean trace")
    left = max(item.result.start_inflation for item in used)
    names = find_law(law).rates
    errors = _mean_scatter(mean, result.fit) if len(used) >= FEWEST_REPLICATES else {}
    rates = {}
    for name in names:
        value = result.fit.parameters[name]
        if errors:
            rates[name] = _from_scatter(value, errors[name], shots=len(used))
            continue
        low, high = (value + left * (end - value) for end in result.intervals[name])
        error = left * result.stderr[name]
        rates[name] = _from_fit(value, error, (low, high), shots=len(used), source="mean trace")
    findings = tuple(
        replace(finding, about="the mean trace of the shots")
        for finding in judge_shot(analysis, settings.thresholds)
        if finding.rule in OF_THE_LAW
    )
    return ConditionFit(
        how="mean", rates=rates, amplitudes=_amplitudes([result.fit]), findings=findings
    )


def _mean_scatter(mean: MeanTrace, fit: Fit) -> dict[str, float]:
    """Find the standard errors of all parameters from how far each trace alone moves them."""
    names = fit.rate_law.parameters
    free = [place for place, name in enumerate(names) if name not in fit.fixed]
    jacobian = fit.rate_law.jacobian(mean.time_s - fit.start_s, fit.parameters)[:, free]
    rest = np.array(
        [
            signal - predict(fit, time)
            for time, signal in zip(mean.member_times_s, mean.members, strict=True)
        ]
    )
    moved = np.linalg.lstsq(jacobian, rest.T, rcond=None)[0]
    errors = dict.fromkeys(names, 0.0)
    spread = moved.std(axis=1, ddof=1) / sqrt(len(rest))
    return errors | {names[place]: float(error) for place, error in zip(free, spread, strict=True)}


def _fit_joint(used: Sequence[UsedShot], settings: AnalysisSettings, law: str) -> ConditionFit:
    shared = fit_shared(
        [(item.trace.time_s, item.trace.signal) for item in used],
        law=law,
        starts_s=[item.result.fit.start_s for item in used],
        fixed=dict(settings.fixed),
    )
    if shared.refusal is not None:
        return _none("joint", shared.refusal)
    scattered = len(used) >= FEWEST_REPLICATES
    errors = _scatter_errors(shared, law) if scattered else dict(shared.stderr)
    rates = {}
    for name in find_law(law).rates:
        value = shared.parameters[name]
        if scattered:
            rates[name] = _from_scatter(value, errors[name], shots=len(used))
            continue
        error = errors[name] * max(_widening(item.result, name) for item in used)
        half = float(ndtri(0.975)) * error
        ends = (value - half, value + half)
        rates[name] = _from_fit(value, error, ends, shots=len(used), source="joint fit")
    return ConditionFit(how="joint", rates=rates, amplitudes=_amplitudes(shared.fits))


def _scatter_errors(shared: SharedFit, law: str) -> dict[str, float]:
    errors = np.sqrt(np.diag(shared.scatter)).tolist()
    return dict(zip(find_law(law).nonlinear, errors, strict=True))


def _widening(result: ShotResult, name: str) -> float:
    """Factor on the error of one shot for correlated noise and what is left of the artefact."""
    plain = result.fit.stderr[name]
    return result.stderr[name] / plain if plain > 0 else 1.0


def _from_scatter(value: float, error: float, *, shots: int) -> ReplicateMean:
    half = float(stdtrit(shots - 1, 0.975)) * error
    ends = (value - half, value + half)
    return _from_fit(value, error, ends, shots=shots, source="replicates")


def _from_fit(
    value: float,
    error: float,
    ends: tuple[float, float],
    *,
    shots: int,
    source: Literal["replicates", "mean trace", "joint fit"],
) -> ReplicateMean:
    return ReplicateMean(
        shots=shots,
        k_per_s=value,
        k_stderr_per_s=error,
        k_low_per_s=ends[0],
        k_high_per_s=ends[1],
        source=source,
    )


def _amplitudes(fits: Sequence[Fit]) -> dict[str, float]:
    names = fits[0].rate_law.phases
    return {name: _median([fit.parameters[name] for fit in fits if fit.ok]) for name in names} or {
        "amplitude": _median([fit.amplitude for fit in fits if fit.ok])
    }


def _median(values: Sequence[float] | FloatArray) -> float:
    return float(np.median(values)) if len(values) else nan
