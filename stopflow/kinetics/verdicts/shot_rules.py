"""What each rule looks for in one shot: the reason in words, or None when all is well."""

from math import inf

from stopflow.kinetics.laws import find_law
from stopflow.kinetics.settings import QualityThresholds
from stopflow.kinetics.verdicts.compare_laws import shift_to
from stopflow.kinetics.verdicts.shot import ShotResult


def slope_not_flat(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Reaction not finished, a slower step, or drift."""
    fit = result.fit
    error = result.stderr.get("slope_per_s", 0.0)
    if not abs(fit.amplitude) > 0 or "slope_per_s" in fit.fixed or fit.law == "burst":
        return None
    change = abs(fit.slope_per_s) * fit.window_s / abs(fit.amplitude)
    if change <= limits.slope_share or abs(fit.slope_per_s) <= limits.slope_sigma * error:
        return None
    return (
        f"the baseline is not flat: it changes by {change:.0%} of the amplitude over the window "
        "(reaction not finished, a slower step, or drift)"
    )


def short_window(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Too little of the reaction was recorded."""
    kt = result.fit.k_per_s * result.fit.window_s
    if kt >= limits.short_window_kt:
        return None
    return (
        f"the window holds only {kt:.2g} times 1/k, and below {limits.short_window_kt:g} a slow "
        "reaction cannot be told from a slope: record longer"
    )


def slow_sampling(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Too few points in the decay."""
    per_step = result.fit.k_per_s * result.step_s
    if per_step <= limits.fast_sampling:
        return None
    return (
        f"k is {per_step:.2g} times the sampling rate: the decay falls between the points, "
        "sample faster"
    )


def uncertain(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Large error of k."""
    error = result.k_stderr_per_s / result.fit.k_per_s
    if not limits.uncertain_warn < error <= limits.uncertain_fail:
        return None
    return f"k is known to {error:.0%} only"


def undetermined(result: ShotResult, limits: QualityThresholds) -> str | None:
    """No limit to k."""
    error = result.k_stderr_per_s / result.fit.k_per_s
    if error > limits.uncertain_fail:
        return f"k is not determined: its standard error is {error:.0%} of it"
    if "k_per_s" in result.fit.fixed:
        return None
    if result.k_low_per_s <= 0 or not result.k_high_per_s < inf:
        side = "lower" if result.k_low_per_s <= 0 else "upper"
        return f"k is not determined: the data set no {side} limit to it"
    return None


def residual_runs(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Residuals with a pattern."""
    if follows(result, limits):
        return None
    checks = result.checks
    return (
        "the residuals show a systematic pattern (their mean square is "
        f"{checks.misfit_ratio:.3g} times what the noise explains): another rate law, a bubble, or "
        "a start inside the artefact"
    )


def follows(result: ShotResult, limits: QualityThresholds) -> bool:
    """Whether the fit follows the trace; steps of a coarse digitiser alone are no misfit."""
    return result.checks.misfit_chance >= limits.misfit_chance or is_coarse(result, limits)


def is_coarse(result: ShotResult, limits: QualityThresholds) -> bool:
    """Whether the noise is below one step of the digitiser, and the signal has few steps."""
    checks = result.checks
    return checks.noise_steps < limits.coarse_steps and checks.levels < limits.few_levels


def saturated(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Values at the end of the range."""
    share = result.checks.clipped_share
    # On few levels the end of a reaction makes runs of equal values without any clipping.
    few = result.checks.levels < limits.few_levels
    coarse = result.checks.noise_steps < limits.coarse_steps * (4 if few else 1)
    if share <= limits.clipped_share or coarse:
        return None
    return f"{share:.1%} of the points stand at the end of the range: the detector is saturated"


def quantised(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Few levels of the digitiser."""
    if not is_coarse(result, limits):
        return None
    return (
        f"the signal has {result.checks.levels} levels only, and its noise is below one step: "
        "raise the gain"
    )


def noisy(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Small amplitude."""
    ratio = result.fit.signal_to_noise
    if ratio >= limits.low_signal_to_noise:
        return None
    return f"signal to noise is {ratio:.1f}, below {limits.low_signal_to_noise:g}"


def early_start(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Given start inside the artefact."""
    if result.start_shift_sigma <= limits.start_shift_sigma:
        return None
    return (
        "the given start lies in the artefact: from the detected start on, k differs by "
        f"{result.start_shift_sigma:.1f} standard errors"
    )


def law_shift(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Another rate law that fits as well says otherwise."""
    if wrong_law(result, limits):
        return None
    shift = result.law_shift_sigma
    share = result.law_shift_share
    least = limits.chosen_shift_sigma if result.law_chosen else limits.law_shift_sigma
    if not (shift > least and share > limits.law_shift_share):
        return None
    return (
        f"k depends on the rate law: another one that fits as well or better moves it by "
        f"{share:.1%} ({shift:.1f} standard errors)"
    )


def wrong_law(result: ShotResult, limits: QualityThresholds) -> str | None:
    """Another rate law is clearly better and moves k by more than its error."""
    rival = result.laws.rival_of(result.fit)
    if rival is None:
        return None
    # What may be left of the artefact is no phase of the reaction.
    if result.checks.noise_steps < limits.coarse_steps:
        # Rounding errors follow the curve: laws that follow them are no better for it.
        return None
    gain = result.laws.gain_of(rival, result.fit) / result.start_inflation**2
    shift = shift_to(rival, result.fit, stderr=result.stderr)
    if gain <= limits.law_gain or not shift.sigma > 1:
        return None
    other = find_law(rival.law)
    return (
        f"{other.title} describes the trace clearly better (AICc lower by {gain:.0f}) and moves k "
        f"from {shift.rate_per_s:.4g} to {rival.k_per_s:.4g} 1/s: {other.remedy}"
    )
