"""A pretrained network becomes a published model: calibrated interval, figures and model card."""

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

import stopflow
from stopflow.features import build_features, window_of
from stopflow.learn.interval import NORMAL_95, IntervalScale, fit_interval, neighbour_correlation
from stopflow.learn.model import Model, TargetScale, predict
from stopflow.learn.pretraining.pretrain import Pretrained
from stopflow.learn.pretraining.prior import Prior, SyntheticTrace, sample_trace
from stopflow.learn.saved import CARD, save_model
from stopflow.learn.standardiser import Standardiser
from stopflow.lowrank import count_parameters
from stopflow.trace import FloatArray

CALIBRATION_TRACES: Final = 8000
CORRELATED_ABOVE: Final = 0.5
SHORT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Errors on traces drawn point by point: half of them calibrate the interval, half test it.

    Attributes
    ----------
    interval
        Factor on the predicted SD of log k that makes the 95 % interval cover 95 %.
    coverage95
        The coverage of that interval on the other half.
    coverage95_correlated, coverage95_short
        The same for noise whose correlation is above 0.5, and for traces of up to 1,000 points.
    median_relative_error
        Median |k - k_true| / k_true on the other half.
    traces
        Number of traces in each half.
    """

    interval: IntervalScale
    coverage95: float
    coverage95_correlated: float
    coverage95_short: float
    median_relative_error: float
    traces: int


def as_model(made: Pretrained) -> Model:
    """Wrap a pretrained network; rows need no standardising, and the output is log(k T) itself."""
    settings = made.settings
    return Model(
        network=made.network.eval(),
        features=made.spec,
        standardiser=Standardiser.identity(made.spec.n_inputs),
        target=TargetScale(),
        record={
            "made_by": "simulation alone",
            "settings": asdict(settings),
            "seed": settings.seed,
            "steps": settings.steps,
            "seconds": made.history[-1].seconds,
            "versions": {
                "stopflow": stopflow.__version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
            },
        },
    )


def calibrate(
    model: Model, prior: Prior, *, generator: np.random.Generator, traces: int = CALIBRATION_TRACES
) -> tuple[Model, Calibration]:
    """Calibrate the interval on simulated traces that the network never saw; see `Calibration`."""
    found = np.empty((4, traces))
    for first in range(0, traces, 64):
        count = min(64, traces - first)
        drawn = [sample_trace(prior, generator=generator) for _ in range(count)]
        found[:, first : first + count] = _errors(model, drawn)
    half = traces // 2
    errors, spreads, points, correlation = found[:, :half]
    interval = fit_interval(errors, spreads, points=points, correlation=correlation)
    errors, spreads, points, correlation = found[:, half:]
    inside = errors <= NORMAL_95 * spreads * interval.factor(points, correlation)

    def share(which: NDArray[np.bool_]) -> float:
        return float(inside[which].mean()) if which.any() else math.nan

    calibration = Calibration(
        interval=interval,
        coverage95=float(inside.mean()),
        coverage95_correlated=share(correlation > CORRELATED_ABOVE),
        coverage95_short=share(points <= SHORT),
        median_relative_error=float(np.median(np.expm1(errors))),
        traces=half,
    )
    return replace(model, interval=interval), calibration


def _errors(model: Model, drawn: Sequence[SyntheticTrace]) -> FloatArray:
    """(4, M): |error of log k|, the network's SD of it, points, correlation of the noise."""
    rows = np.stack(
        [build_features(trace.time_s, trace.signal, spec=model.features) for trace in drawn]
    )
    found = predict(model, rows, window_s=[window_of(trace.time_s) for trace in drawn])
    truth = np.array([trace.k_per_s for trace in drawn])
    return np.stack(
        [
            np.abs(np.log(found.k_per_s / truth)),
            found.target_sd,
            [len(trace.signal) for trace in drawn],
            [neighbour_correlation(trace.signal) for trace in drawn],
        ]
    )


def publish(
    folder: Path,
    model: Model,
    made: Pretrained,
    *,
    calibration: Calibration,
    figures: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write model, metrics, history and card; `figures` are rows of `bench_model`."""
    metrics = {
        "simulation": asdict(calibration),
        "bench": list(figures),
        "parameters": count_parameters(model.network),
        "seconds": made.history[-1].seconds,
        "steps": made.settings.steps,
        "seed": made.settings.seed,
    }
    save_model(
        folder,
        model,
        metrics=metrics,
        history=[asdict(report) for report in made.history],
        extra={CARD: model_card(model, made, calibration=calibration, figures=figures)},
    )


def model_card(
    model: Model,
    made: Pretrained,
    *,
    calibration: Calibration,
    figures: Sequence[Mapping[str, Any]],
) -> str:
    """Return the card in Markdown: what the model is, its training, its quality and its limits."""
    settings, prior, spec = made.settings, made.settings.prior, model.features
    sizes = "-".join(str(size) for size in (spec.n_inputs, *settings.widths, 2))
    minutes = made.history[-1].seconds / 60
    lines = [
        f"# `{spec.kind}`: k from a trace, trained on simulated traces alone",
        "",
        f"Dynamical low-rank network {sizes}, rank {settings.rank}, GELU, "
        f"{count_parameters(model.network):,} numbers. Input: `{spec.kind}` features of the "
        "trimmed trace (`stopflow/features.py`), any length from 10 points, any time grid. "
        "Output: log(k T) and the log of its standard deviation.",
        "",
        "## Made by",
        "",
        f"    stopflow pretrain --features {spec.kind} --steps {settings.steps} "
        f"--seed {settings.seed}",
        "",
        f"{settings.steps:,} steps of {settings.batch_size} fresh traces, "
        f"{minutes:.0f} minutes on one busy CPU core; no measured trace was used. Adam on K, L "
        f"and S, rate {settings.learning_rate:g} with a cosine to zero, the last "
        f"{settings.polish_share:.0%} of the steps again from "
        f"{settings.learning_rate * settings.polish_rate:g}; loss: negative log-likelihood.",
        "",
        "## Prior",
        "",
        "The amplitude at the start time is the unit of slope, noise and second phase.",
        "",
        "| what | drawn from |",
        "|---|---|",
        *(f"| {name} | {text} |" for name, text in _prior_rows(prior)),
        "",
        "## Figures",
        "",
        f"On {calibration.traces:,} simulated traces made point by point: median relative error "
        f"{calibration.median_relative_error:.2%}; the 95 % interval covers "
        f"{calibration.coverage95:.1%}, {calibration.coverage95_short:.1%} of those up to "
        f"{SHORT:,} points and {calibration.coverage95_correlated:.1%} of those with a noise "
        f"correlation above {CORRELATED_ABOVE:g} (factor on the network's SD "
        f"{_formula(calibration.interval)}, set on as many others).",
        "",
        *_figure_lines(figures),
        "## Limits",
        "",
        "- One phase with a straight drift. A second phase, a start before the mixing artefact is "
        "over, no reaction, a gap, or k T outside the prior is reported as a warning beside the "
        "number (`stopflow/learn/predict/reliability.py`).",
        "- With little information the estimate leans towards the prior.",
        "- Pulses (bubbles, spikes) and noise that is neither white nor AR(1) were not trained on.",
        "",
    ]
    return "\n".join(lines)


def _formula(interval: IntervalScale) -> str:
    return (
        f"exp({interval.constant:.2f} {interval.points:+.3f} ln n "
        f"{interval.correlation:+.2f} artanh rho)"
    )


def _prior_rows(prior: Prior) -> list[tuple[str, str]]:
    def between(bounds: tuple[float, float]) -> str:
        return f"{bounds[0]:g} to {bounds[1]:g}, log-uniform"

    return [
        (
            "k T",
            f"{between(prior.kt)}; {prior.core_share:.0%} of the traces {between(prior.kt_core)}; "
            f"k times the first steps at most {prior.fastest_step:g}",
        ),
        ("slope over the window", f"normal, SD {between(prior.slope)}"),
        ("noise of a point", f"SD {between(prior.noise)}; {prior.correlated_share:.0%} AR(1)"),
        (
            "second phase",
            f"{prior.second_share:.0%} of the traces, {between(prior.second_amplitude)}",
        ),
        (
            "points",
            f"{prior.points[0]} to {prior.points[1]}; even, jittered, log-spaced, two rates",
        ),
    ]


def _figure_lines(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    if not figures:
        return []
    columns = {
        "case": "lab",
        "traces": "traces",
        "ratio_to_fit": "MAE / fit's MAE",
        "low_information_ratio": "same, less informative half",
        "alone_ratio_to_fit": "MAE / fit's MAE, each trace alone",
        "alone_low_information_ratio": "less informative half, each trace alone",
        "low_information_limit": "least possible there, each trace alone",
        "model_median_relative_error": "median error",
        "fit_median_relative_error": "fit's median error",
        "median_difference_to_fit": "median difference to the fit",
        "coverage95": "coverage of 95 %",
    }
    lines = [
        "On labs it never saw, beside the fit with slope (`stopflow bench model`); shots of an",
        "experiment share what they know of its drift unless alone:",
        "",
        "| " + " | ".join(columns.values()) + " |",
        "|" + "---|" * len(columns),
    ]
    for row in figures:
        lines.append("| " + " | ".join(_cell(name, row.get(name)) for name in columns) + " |")
    return [*lines, ""]


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.2f}" if name.endswith(("ratio", "ratio_to_fit", "limit")) else f"{value:.2%}"
