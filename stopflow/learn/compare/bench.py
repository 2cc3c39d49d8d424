"""Comparison of a model with the fit on a lab that the model never saw, on the same traces.

The traces come from the instrument of `stopflow.simulate`, which is independent of the prior that
the shipped models were trained on, or from real experiments, where the truth is unknown and the fit
is the reference.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stopflow.errors import StopflowError
from stopflow.features import FeatureSpec, window_of
from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.uncertainty.interval import cramer_rao
from stopflow.learn.compare.bound import SlopeBounds, posterior_error_ratio
from stopflow.learn.data import lab_data
from stopflow.learn.evaluate import compare_with_fit, least_informed
from stopflow.learn.model import Model
from stopflow.learn.predict.shots import ShotPredictions, predict_shots
from stopflow.learn.pretraining.prior import Prior
from stopflow.simulate import LabSpec, simulate_lab
from stopflow.trace import Experiment, FloatArray, Shot

_NO_FEATURES = FeatureSpec("blocks", 2)
Window = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedShots:
    """Trimmed traces, their fits, and the true rates where they are known (else NaN).

    Attributes
    ----------
    traces
        M pairs (time_s, signal).
    k_fit_per_s, k_true_per_s, k_bound_per_s
        (M,); the bound is the Cramer-Rao SD at the truth.
    drift
        Of simulated traces: what the least `low_information_ratio` on average follows from.
    experiment, file
        (M,) names.
    """

    traces: Sequence[Window]
    k_fit_per_s: FloatArray
    k_true_per_s: FloatArray
    k_bound_per_s: FloatArray
    experiment: Sequence[str]
    file: Sequence[str]
    drift: SlopeBounds | None = None


def trimmed(shot: Shot) -> Window:
    """Return the points of a shot from its start time on, or all where it has none.

    Raises
    ------
    StopflowError
        A shot without a trace.
    """
    if shot.trace is None:
        raise StopflowError(f"{shot.experiment}/{shot.file}: {shot.refusal}")
    time_s, signal = shot.trace.time_s, shot.trace.signal
    first = 0 if shot.start_s is None else int(np.searchsorted(time_s, shot.start_s))
    return time_s[first:], signal[first:]


def simulated_shots(seed: int, *, spec: LabSpec | None = None) -> JudgedShots:
    """Simulate a lab, trim at the named start times and fit every shot with slope."""
    traces, fits, truths, bounds, drifts, names, files = [], [], [], [], [], [], []
    generator = np.random.default_rng(seed)
    for made in simulate_lab(spec or LabSpec(), generator=generator):
        for shot, truth in zip(made.experiment.shots, made.truths, strict=True):
            time_s, signal = trimmed(shot)
            traces.append((time_s, signal))
            fits.append(fit_trace(time_s, signal).k_per_s)
            truths.append(truth.k_per_s)
            left = float(np.exp(-truth.k_per_s * (time_s[0] - truth.start_s)))
            parameters = {
                "k_per_s": truth.k_per_s,
                "amplitude": truth.amplitude * left,
                "slope_per_s": truth.slope_per_s,
                "intercept": truth.intercept,
            }
            bound = cramer_rao(time_s, parameters=parameters, noise_sd=truth.noise_sd)
            known = cramer_rao(time_s, law="single", parameters=parameters, noise_sd=truth.noise_sd)
            unit = abs(parameters["amplitude"]) / window_of(time_s)
            slopes = truth.slope_per_s / unit, bound["slope_per_s"] / unit
            bounds.append(bound["k_per_s"])
            drifts.append((*slopes, bound["k_per_s"], known["k_per_s"]))
            names.append(shot.experiment)
            files.append(shot.file)
    return JudgedShots(
        traces=traces,
        k_fit_per_s=np.array(fits),
        k_true_per_s=np.array(truths),
        k_bound_per_s=np.array(bounds),
        experiment=names,
        file=files,
        drift=SlopeBounds(*np.transpose(drifts)),
    )


def real_shots(experiments: Iterable[Experiment]) -> JudgedShots:
    """Trim and fit the shots of real experiments; those without a trace are left out."""
    shots = [shot for experiment in experiments for shot in experiment.shots if shot.trace]
    traces = [trimmed(shot) for shot in shots]
    unknown = np.full(len(shots), np.nan)
    return JudgedShots(
        traces=traces,
        k_fit_per_s=np.array([fit_trace(*trace).k_per_s for trace in traces]),
        k_true_per_s=unknown,
        k_bound_per_s=unknown,
        experiment=[shot.experiment for shot in shots],
        file=[shot.file for shot in shots],
    )


def bench_model(model: Model, shots: JudgedShots, *, name: str) -> dict[str, Any]:
    """One row: errors of model and fit, their ratio, coverage of the interval, warnings, seconds.

    The shots of an experiment share their drift; ``alone_...`` is without that, and is what
    `low_information_limit` applies to. Where the truth is unknown, relative errors are differences
    from the fit.
    """
    began = time.perf_counter()
    found = predict_shots(model, shots.traces, experiment=shots.experiment)
    seconds = time.perf_counter() - began
    usable = np.isfinite(found.k_per_s) & np.isfinite(shots.k_fit_per_s)
    row: dict[str, Any] = {
        "case": name,
        "traces": len(shots.traces),
        "compared": int(usable.sum()),
        "doubted": sum(bool(text) for text in found.warnings),
        "seconds": seconds,
        "median_difference_to_fit": _median_difference(found, shots, usable),
    }
    if np.isnan(shots.k_true_per_s).all():
        return row
    row |= _against_truth(found, shots, usable)
    if shots.drift is None:
        return row
    low = least_informed(shots.k_bound_per_s, shots.k_true_per_s, usable=usable)
    part = SlopeBounds(*(column[low] for column in shots.drift))
    limit = posterior_error_ratio(part, Prior(), generator=np.random.default_rng(0))
    return row | {"low_information_limit": limit}


def _median_difference(found: ShotPredictions, shots: JudgedShots, usable: np.ndarray) -> float:
    ratio = found.k_per_s[usable] / shots.k_fit_per_s[usable]
    return float(np.median(np.abs(ratio - 1)))


def _against_truth(
    found: ShotPredictions, shots: JudgedShots, usable: np.ndarray
) -> dict[str, Any]:
    keep = np.flatnonzero(usable).tolist()
    windows = np.array([shots.traces[i][0][-1] - shots.traces[i][0][0] for i in keep])
    data = lab_data(
        np.zeros((len(keep), _NO_FEATURES.n_inputs), dtype=np.float32),
        features=_NO_FEATURES,
        window_s=windows,
        k_label_per_s=shots.k_true_per_s[keep],
        k_true_per_s=shots.k_true_per_s[keep],
        k_fit_per_s=shots.k_fit_per_s[keep],
        k_bound_per_s=shots.k_bound_per_s[keep],
        experiment=[shots.experiment[i] for i in keep],
        file=[shots.file[i] for i in keep],
    )
    compared = compare_with_fit(found.k_per_s[keep], data)
    alone = compare_with_fit((found.k_per_s / np.exp(found.log_shift))[keep], data)
    truth = shots.k_true_per_s[keep]
    inside = (found.k_low95_per_s[keep] <= truth) & (truth <= found.k_high95_per_s[keep])
    return {
        "ratio_to_fit": compared.ratio_to_fit,
        "low_information_ratio": compared.low_information_ratio,
        "alone_ratio_to_fit": alone.ratio_to_fit,
        "alone_low_information_ratio": alone.low_information_ratio,
        "ratio_to_bound": compared.ratio_to_bound,
        "coverage95": float(inside.mean()),
    } | {
        f"{who}_{measure}": value
        for who, metrics in (("model", compared.model), ("fit", compared.fit))
        for measure, value in asdict(metrics).items()
        if measure != "n"
    }
