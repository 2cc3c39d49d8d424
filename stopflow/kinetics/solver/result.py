"""What a fit returns: one value with a status, numbers, errors and, if refused, the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, nan

import numpy as np
from numpy.typing import ArrayLike

from stopflow.display import html_table
from stopflow.kinetics.laws import Proportional, RateLaw
from stopflow.kinetics.solver.refusals import Refusable, Refusal
from stopflow.trace import FloatArray, frozen_array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Fit(Refusable):
    """One fitted trace.

    Attributes
    ----------
    law
        Key of the law.
    rate_law
        The law itself.
    refusal
        Why there are no numbers; None when the fit is OK.
    parameters, stderr
        By name; a held parameter has a standard error of 0.
    covariance
        (p, p) in the order of ``rate_law.parameters``.
    noise_sd
        Standard deviation of the residuals, ``sqrt(rss / dof)``; for weighted data, that of a
        point of weight 1.
    rss
        (Weighted) sum of squared residuals.
    aicc
        Akaike's criterion with the small-sample term, the noise counted as a parameter.
    start_s, window_s
        Start of the fitted window in the trace's own time, and its length to the last point.
    span
        Largest less smallest value of the fitted curve at the points.
    """

    rate_law: RateLaw
    refusal: Refusal | None = None
    parameters: Mapping[str, float]
    stderr: Mapping[str, float]
    covariance: FloatArray
    noise_sd: float
    points: int
    dof: int
    rss: float
    aicc: float
    start_s: float
    window_s: float
    span: float = nan
    fixed: Mapping[str, float | Proportional] = field(default_factory=dict)
    robust: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "covariance", frozen_array(self.covariance))

    def __repr__(self) -> str:
        if not self.ok:
            return f"Fit({self.law}: {self.status}: {self.reason})"
        numbers = ", ".join(f"{name} = {text}" for name, text in self._numbers())
        return f"Fit({self.law}: {numbers}; {self.points} points)"

    def _repr_html_(self) -> str:
        if not self.ok:
            return html_table(f"{self.law}: {self.status}", [("reason", self.reason)])
        return html_table(f"{self.law}, {self.points} points", self._numbers())

    def _numbers(self) -> list[tuple[str, str]]:
        """Every parameter with its standard error."""
        return [
            (name, f"{value:.5g} ± {self.stderr[name]:.2g}")
            for name, value in self.parameters.items()
        ]

    @property
    def law(self) -> str:
        """Key of the law."""
        return self.rate_law.key

    @property
    def nearest(self) -> Mapping[str, float]:
        """Parameters of the nearest curve of a refused fit, which the data do not determine."""
        return {} if self.refusal is None else self.refusal.nearest

    @property
    def k_per_s(self) -> float:
        """Rate constant of the fastest phase, 1/s; NaN for a formula without a rate."""
        return self.parameters.get("k_per_s", nan)

    @property
    def k_stderr_per_s(self) -> float:
        """Standard error of `k_per_s` for white noise, 1/s."""
        return self.stderr.get("k_per_s", nan)

    @property
    def main_rate(self) -> str:
        """Name of the rate of the phase that changes the signal most within the window."""
        return self.rate_law.main_rate(self.parameters, window_s=self.window_s)

    @property
    def amplitude(self) -> float:
        """Amplitude of that phase at the start time; the whole change for a formula without one."""
        return self.parameters.get("amplitude", self.span)

    @property
    def slope_per_s(self) -> float:
        """Slope; 0 where the law has none."""
        return self.parameters.get("slope_per_s", 0.0 if self.ok else nan)

    @property
    def intercept(self) -> float:
        """Intercept at the start time; 0 where the law has none."""
        return self.parameters.get("intercept", 0.0 if self.ok else nan)

    @property
    def signal_to_noise(self) -> float:
        """``|amplitude| / noise_sd``; infinite for data without noise."""
        return abs(self.amplitude) / self.noise_sd if self.noise_sd != 0 else inf


def refused_fit(
    law: RateLaw,
    refusal: Refusal,
    *,
    points: int = 0,
    start_s: float = nan,
    window_s: float = nan,
    fixed: Mapping[str, float | Proportional] | None = None,
    robust: bool = False,
) -> Fit:
    """Build the fit that says why there is none."""
    size = len(law.parameters)
    return Fit(
        rate_law=law,
        refusal=refusal,
        parameters=dict.fromkeys(law.parameters, nan),
        stderr=dict.fromkeys(law.parameters, nan),
        covariance=np.full((size, size), nan),
        noise_sd=nan,
        points=points,
        dof=0,
        rss=nan,
        aicc=nan,
        start_s=start_s,
        window_s=window_s,
        fixed=dict(fixed or {}),
        robust=robust,
    )


def predict(fit: Fit, time_s: ArrayLike) -> FloatArray:
    """Evaluate the fitted curve.

    Parameters
    ----------
    fit
        A fit that is OK; a refused one gives NaN.
    time_s
        (N,) in the trace's own time. Before the start the curve is extrapolated.

    Returns
    -------
    FloatArray
        (N,) in the unit of the signal.
    """
    time = np.asarray(time_s, dtype=np.float64)
    if not fit.ok:
        return np.full(time.shape, nan)
    with np.errstate(over="ignore"):
        return fit.rate_law.evaluate(time - fit.start_s, fit.parameters)
