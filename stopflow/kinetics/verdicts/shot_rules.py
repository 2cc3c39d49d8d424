"""What each rule looks for in one shot: the values of its sentence, or None when all is well."""

from math import inf, log

from stopflow.kinetics.settings import QualityThresholds
from stopflow.kinetics.verdicts.findings import Values
from stopflow.kinetics.verdicts.law_comparison import NOT_RULED_OUT, shift_to
from stopflow.kinetics.verdicts.shot import ShotResult
from stopflow.kinetics.verdicts.shot_phases import bare_name

# A ratio of two concentrations up to which they are not taken for equal.
UNEQUAL = 0.95


def slope_not_flat(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Reaction not finished, a slower step, or drift."""
    fit = result.fit
    error = result.stderr.get("slope_per_s", 0.0)
    if not abs(fit.amplitude) > 0 or "slope_per_s" in fit.fixed or fit.law == "burst":
        return None
    change = abs(fit.slope_per_s) * fit.window_s / abs(fit.amplitude)
    if change <= limits.slope_share or abs(fit.slope_per_s) <= limits.slope_sigma * error:
        return None
    return {"change": change}


def short_window(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Too little of the reaction was recorded."""
    kt = result.fit.k_per_s * result.fit.window_s
    if kt >= limits.short_window_kt:
        return None
    return {"kt": kt, "least": limits.short_window_kt}


def slow_sampling(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Too few points in the decay."""
    per_step = result.fit.k_per_s * result.step_s
    if per_step <= limits.fast_sampling:
        return None
    return {"per_step": per_step}


def uncertain(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Large error of a rate."""
    rate, error = _least_certain(result)
    if not limits.uncertain_warn < error <= limits.uncertain_fail:
        return None
    return {"rate": rate, "error": error}


def undetermined(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """No limit to a rate."""
    rate, error = _least_certain(result)
    if error > limits.uncertain_fail:
        return {"rate": rate, "error": error}
    for name in result.fit.rate_law.rates:
        if name in result.fit.fixed:
            continue
        low, high = result.intervals[name]
        if low <= 0 or not high < inf:
            return {"rate": bare_name(name), "side": "lower" if low <= 0 else "upper"}
    return None


def _least_certain(result: ShotResult) -> tuple[str, float]:
    """Name the rate of the largest error, and give that as a part of it."""
    values = result.fit.parameters
    errors = {
        bare_name(name): result.stderr[name] / abs(values[name]) if values[name] else inf
        for name in result.fit.rate_law.rates
        if name not in result.fit.fixed
    }
    rate = max(errors, key=errors.__getitem__, default="k")
    return rate, errors.get(rate, 0.0)


def residual_runs(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Residuals with a pattern."""
    if follows(result, limits):
        return None
    found = {"ratio": result.checks.misfit_ratio}
    stray = 0 if result.fit.robust else result.checks.stray
    return found | {"stray": stray} if stray else found


def follows(result: ShotResult, limits: QualityThresholds) -> bool:
    """Whether the fit follows the trace; steps of a coarse digitiser alone are no misfit."""
    return result.checks.misfit_chance >= limits.misfit_chance or is_coarse(result, limits)


def is_coarse(result: ShotResult, limits: QualityThresholds) -> bool:
    """Whether the noise is below one step of the digitiser, and the signal has few steps."""
    checks = result.checks
    return checks.noise_steps < limits.coarse_steps and checks.levels < limits.few_levels


def saturated(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Values at the end of the range."""
    # On few levels the end of a reaction makes runs of equal values without any clipping.
    few = result.checks.levels < limits.few_levels
    coarse = result.checks.noise_steps < limits.coarse_steps * (4 if few else 1)
    share = result.checks.unbroken_share if coarse else result.checks.clipped_share
    if share <= limits.clipped_share:
        return None
    return {"share": share}


def quantised(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Few levels of the digitiser."""
    if not is_coarse(result, limits):
        return None
    return {"levels": result.checks.levels}


def noisy(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Small amplitude."""
    ratio = result.fit.signal_to_noise
    if ratio >= limits.low_signal_to_noise:
        return None
    return {"ratio": ratio, "least": limits.low_signal_to_noise}


def early_start(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Given start inside the artefact."""
    if result.start_shift_sigma <= limits.start_shift_sigma:
        return None
    return {"shift": result.start_shift_sigma}


def law_shift(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Another rate law that fits as well says otherwise."""
    if wrong_law(result, limits):
        return None
    unequal = _may_be_unequal(result, limits)
    if unequal is not None:
        return unequal
    shift = result.law_shift
    # What is left of the artefact moves k under the other law as well.
    least = limits.law_shift_sigma * result.start_inflation
    if not (shift.sigma > least and shift.share > limits.law_shift_share):
        return None
    return {"share": shift.share, "shift": shift.sigma}


def _may_be_unequal(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Find concentrations that differ, describe the trace as well as equal ones and move k."""
    stated_equal = result.stated_ratio > UNEQUAL
    if stated_equal or not (result.law_chosen and result.fit.law == "second-order"):
        return None
    other = result.laws["second-order-unequal"]
    ratio = other.parameters.get("ratio", 1.0)
    if ratio > UNEQUAL or result.laws.gain_of(other, result.fit) < -NOT_RULED_OUT:
        return None
    shift = shift_to(other, result.fit, stderr=result.stderr)
    if shift.share <= limits.law_shift_share:
        return None
    return {"share": shift.share, "shift": shift.sigma, "ratio": ratio}


def wrong_law(result: ShotResult, limits: QualityThresholds) -> Values | None:
    """Another rate law is clearly better and moves k by more than its error."""
    if result.checks.noise_steps < limits.coarse_steps:
        # Rounding errors follow the curve: laws that follow them are no better for it.
        return None
    rivals = result.laws.rivals_of(result.fit)
    # The chance of a gain is about exp(-gain / 2); of the largest of several, as many times that.
    compared = max(len(rivals), len(result.fit.rate_law.rivals), 1)
    least = limits.law_gain + 2 * log(compared)
    for rival in rivals:
        # What may be left of the artefact is no phase of the reaction.
        gain = result.laws.gain_of(rival, result.fit) / result.start_inflation**2
        shift = shift_to(rival, result.fit, stderr=result.stderr)
        if gain > least and shift.sigma > 1:
            return {
                "law": rival.law,
                "gain": gain,
                "k_per_s": shift.rate_per_s,
                "rival_k_per_s": rival.k_per_s,
            }
    return None
