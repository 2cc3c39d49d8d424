"""Fits of the page and of Python side by side, on traces that both are given."""

import base64
import json
from dataclasses import dataclass
from math import inf

import numpy as np

from stopflow.kinetics.fit import Fit, fit_trace, predict
from stopflow.kinetics.signal_checks import check_signal
from stopflow.kinetics.uncertainty.interval import intervals, noise_correlation
from stopflow.kinetics.uncertainty.quantisation import digitising_step
from stopflow.kinetics.verdicts.shot_errors import error_factors

PAGE_LAWS = ("single", "single-slope", "double", "double-slope")
"""Those of the proof on random windows; the page knows the others of the table, too."""

FIT_IN_PAGE = """
(jobs) => jobs.map(({ time, signal, choice }) => {
  const numbers = (text) => new Float64Array(
    Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const excluded = choice.excluded ? Uint8Array.from(choice.excluded) : null;
  const fit = stopflow.fitTrace(numbers(time), numbers(signal), { ...choice, excluded });
  return JSON.stringify(fit, (_, value) => value === Infinity ? "inf" : value);
})
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """A window of a trace and what is fitted to it."""

    time_s: np.ndarray
    signal: np.ndarray
    law: str
    start_s: float
    end_s: float
    fixed: dict[str, float] | None = None
    excluded: np.ndarray | None = None


def fit_in_page(page, jobs: list[Job]) -> list[dict]:
    """Fit every job with the page's own code."""
    asked = [
        {
            "time": _text(job.time_s),
            "signal": _text(job.signal),
            "choice": {
                "law": job.law,
                "startS": job.start_s,
                "endS": job.end_s,
                "fixed": job.fixed or {},
                "excluded": None if job.excluded is None else job.excluded.astype(int).tolist(),
            },
        }
        for job in jobs
    ]
    return [json.loads(text) for text in page.evaluate(FIT_IN_PAGE, asked)]


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """What Python says of a job."""

    fit: Fit
    stderr: dict[str, float]
    interval: tuple[float, float]
    misfit_ratio: float


def fit_in_python(job: Job) -> Reference:
    """Fit a job as ingest does: errors with correlated noise or rounding, profile intervals."""
    kept = job.time_s <= job.end_s
    if job.excluded is not None:
        kept &= ~job.excluded
    time, signal = job.time_s[kept], job.signal[kept]
    fit = fit_trace(time, signal, law=job.law, start_s=job.start_s, fixed=job.fixed or {})
    if not fit.ok:
        return Reference(fit=fit, stderr={}, interval=(np.nan, np.nan), misfit_ratio=np.nan)
    after = time >= job.start_s
    values, curve = signal[after], predict(fit, time[after])
    rest = values - curve
    free = len(fit.rate_law.parameters) - len(fit.fixed)
    noise = noise_correlation(rest, parameters=free)
    levels = np.unique(values)
    step = digitising_step(levels, points=len(values))
    factors = error_factors(fit, time[after], curve, noise=noise, step=step)
    checks = check_signal(
        values, rest, noise_sd=fit.noise_sd, parameters=free, levels=len(levels), step=step
    )
    return Reference(
        fit=fit,
        stderr=_errors(fit, time[after], rest, factors=factors),
        interval=intervals(time, signal, fit, inflation=factors)["k_per_s"],
        misfit_ratio=checks.misfit_ratio,
    )


def _errors(
    fit: Fit, time: np.ndarray, rest: np.ndarray, *, factors: dict[str, float]
) -> dict[str, float]:
    """Standard errors from the Jacobian at the fit itself, column by column to length 1."""
    names = fit.rate_law.parameters
    free = [name for name in names if name not in fit.fixed]
    columns = fit.rate_law.jacobian(time - fit.start_s, fit.parameters)
    columns = columns[:, [names.index(name) for name in free]]
    lengths = np.sqrt((columns**2).sum(axis=0))
    inverse = np.linalg.inv(np.linalg.qr(columns / lengths, mode="r")) / lengths[:, None]
    noise = np.sqrt(rest @ rest / (len(rest) - len(free)))
    errors = np.sqrt((inverse**2).sum(axis=1)) * noise * [factors[name] for name in free]
    return dict(zip(free, errors.tolist(), strict=True))


def largest_difference(found: dict, reference: Reference) -> dict[str, float]:
    """Relative differences of k, standard error and interval, phases matched by their rates."""
    names = _matched(found, reference)
    own = names["k_per_s"]
    low, high = (inf if value == "inf" else value for value in found["interval"][own])
    pairs = {
        "k": (found["parameters"][own], reference.fit.k_per_s),
        "low": (low, reference.interval[0]),
        "high": (high, reference.interval[1]),
        "residuals": (found["misfit"]["ratio"], reference.misfit_ratio),
    }
    for name in reference.stderr:
        pairs[f"error of {name}"] = (found["stderr"][names[name]], reference.stderr[name])
    return {key: _relative(a, b) for key, (a, b) in pairs.items()}


def _matched(found: dict, reference: Reference) -> dict[str, str]:
    """Python's names to the page's: the page orders phases by falling rate."""
    names = {name: name for name in reference.fit.parameters}
    rates = reference.fit.parameters
    if "k2_per_s" in rates and rates["k2_per_s"] > rates["k_per_s"]:
        swapped = ("k_per_s", "k2_per_s"), ("amplitude", "amplitude2")
        for first, second in swapped:
            names[first], names[second] = second, first
    return names


def _relative(a: float, b: float) -> float:
    return 0.0 if a == b else abs(a - b) / max(abs(a), abs(b))
