"""One shot: its start, its fit with all errors, and other rate laws; values without verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

from stopflow.kinetics.signal_checks import SignalChecks
from stopflow.kinetics.solver.refusals import Refusable, Refusal
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.window import Window
from stopflow.kinetics.start.detect import StartDetection
from stopflow.kinetics.start.trimming import TrimWindow
from stopflow.kinetics.uncertainty.interval import NoiseCorrelation
from stopflow.kinetics.usable_points import Omission
from stopflow.kinetics.verdicts.law_comparison import LawComparison, RateShift
from stopflow.trace import Conditions, Shot


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
    law_shift
        Largest shift of the main rate to a law that is not ruled out.
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
    law_shift: RateShift
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
class ShotAnalysis(Refusable):
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
        Numbers of the points that were left out before anything else.
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
    omitted: tuple[Omission, ...] = ()
    first_s: float = nan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedShot:
    """A shot trimmed and fitted with the simple laws, before a law is chosen.

    `omitted` holds the numbers of the points that were left out before anything else; `points`
    are those that were fitted, where they are at hand.
    """

    shot: Shot
    detection: StartDetection | None = None
    window: TrimWindow | None = None
    refusal: Refusal | None = None
    single: Fit | None = None
    slope: Fit | None = None
    laws: LawComparison | None = None
    points: Window | None = None
    omitted: tuple[Omission, ...] = ()
