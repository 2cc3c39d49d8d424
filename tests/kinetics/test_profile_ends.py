"""Ends of profile intervals against a route in extended precision."""

from pathlib import Path

import numpy as np
import pytest
from extended_profile import EXTENDED, Side, Sums, profile_sides, student_quantile

from stopflow.io.readers.reading import read_push
from stopflow.kinetics.fit import Fit, fit_trace
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.refusals import Refusal
from stopflow.kinetics.solver.window import validate_trace
from stopflow.kinetics.uncertainty.interval import intervals

EQUAL = 1e-9
FE_SCN = Path(__file__).parents[2] / "data" / "fe_scn"
extended = pytest.mark.skipif(
    np.finfo(EXTENDED).eps > 1e-18, reason="long double is double on this machine"
)


def draw_trace(rng: np.random.Generator, *, phases: int) -> tuple[np.ndarray, np.ndarray]:
    """One or two phases of which the second is 4 to 30 times as fast, white noise."""
    points = int(rng.choice([300, 1000, 15001]))
    time = np.linspace(0, 10 ** rng.uniform(-1, 1), points)
    k = 10 ** rng.uniform(0.5, 1.5) / time[-1]
    signal = rng.normal() + 0.5 * np.exp(-k * time)
    if phases == 2:
        second = k * 10 ** rng.uniform(0.6, 1.5)
        signal += rng.uniform(0.1, 0.3) * rng.choice([-1, 1]) * np.exp(-second * time)
    return time, signal + rng.normal(size=points) / 10 ** rng.uniform(1.6, 3)


def extended_ends(
    time: np.ndarray, signal: np.ndarray, fit: Fit, *, index: int
) -> tuple[Side, Side]:
    """Find both ends of a rate's interval in extended precision.

    On the numbers that the definition names: the points for one rate, else block means.
    """
    window = validate_trace(time, signal, start_s=fit.start_s, weights=None, needed=3, centred=True)
    assert not isinstance(window, Refusal)
    law = fit.rate_law
    one = len(law.nonlinear) == 1
    times, values, roots = (window.time, window.signal, None) if one else block_means(window)
    weights = np.ones_like(times) if roots is None else roots**2
    sums = Sums(
        time=times.astype(EXTENDED),
        signal=values.astype(EXTENDED),
        weights=weights.astype(EXTENDED),
        phases=len(law.nonlinear),
        slope="slope_per_s" in law.linear,
    )
    name = law.nonlinear[index]
    return profile_sides(
        sums,
        np.array([fit.parameters[rate] * window.length_s for rate in law.nonlinear]),
        index=index,
        variance=(fit.noise_sd / window.unit) ** 2,
        quantile=student_quantile(fit.dof, 1.0),
        error=fit.stderr[name] / fit.parameters[name],
    )


@extended
@pytest.mark.parametrize("law", ["single", "single-slope", "double", "double-slope"])
def test_ends_are_those_of_extended_precision(law, rng):
    phases, found = (2 if law.startswith("double") else 1), 0
    for _ in range(40):
        time, signal = draw_trace(rng, phases=phases)
        fit = fit_trace(time, signal, law=law)
        if not fit.ok or not all(
            fit.stderr[name] < 0.3 * fit.parameters[name] for name in fit.rate_law.nonlinear
        ):
            continue
        sides = extended_ends(time, signal, fit, index=0)
        ends = [fit.k_per_s * side.ratio for side in sides]
        assert intervals(time, signal, fit)["k_per_s"] == pytest.approx(ends, rel=EQUAL)
        found += 1
        if found == 6:
            break
    assert found >= 4


@extended
def test_a_slope_that_is_right_by_chance_is_no_reason_to_stop():
    """A measured shot: where Newton arrives, the slope of the root is that at its start."""
    trace = read_push(FE_SCN / "20.5C" / "salt20_5.bka").trace()
    time, signal = np.asarray(trace.time_s), np.asarray(trace.signal)
    kept = (time >= 0.18297667196724993) & (time <= 2.8550687566864816)
    time, signal = time[kept], signal[kept]
    fit = fit_trace(time, signal, law="single-slope", start_s=0.18297667196724993)
    ends = [fit.k_per_s * side.ratio for side in extended_ends(time, signal, fit, index=0)]
    assert intervals(time, signal, fit)["k_per_s"] == pytest.approx(ends, rel=EQUAL)


@extended
def test_two_phases_that_are_nearly_one_are_followed_to_the_last_digits():
    """The curvature of block means alone makes the last steps creep; Newton's own step is 0."""
    rng = np.random.default_rng(4)
    time = np.linspace(0, 0.3, 1500)
    signal = 0.67 + 0.2 * np.exp(-15.5 * time) + 0.15 * np.exp(-8.8 * time)
    signal += 8e-4 * rng.normal(size=len(time))
    fit = fit_trace(time, signal, law="double")
    assert fit.ok
    names = ("k_per_s", "k2_per_s", "amplitude", "amplitude2", "intercept")
    k, k2, first, second, base = (EXTENDED(fit.parameters[name]) for name in names)
    t, y = time.astype(EXTENDED), signal.astype(EXTENDED)
    one, two = np.exp(-k * t), np.exp(-k2 * t)
    rest = y - (first * one + second * two + base)
    rows = np.stack([-first * t * one, -second * t * two, one, two, np.ones_like(t)])
    bent, slope = rows @ rows.T, rows @ rest
    for rate, amplitude, size, shape in ((0, 2, first, one), (1, 3, second, two)):
        bent[rate, rate] -= np.sum(rest * size * t * t * shape)
        bent[rate, amplitude] += np.sum(rest * t * shape)
        bent[amplitude, rate] = bent[rate, amplitude]
    unit = np.sqrt(np.diag(bent))
    scaled, right = (bent / np.outer(unit, unit)).astype(float), (slope / unit).astype(float)
    step = np.linalg.solve(scaled, right) / unit.astype(float)
    assert abs(step[0] / float(k)) < EQUAL / 10
    assert abs(step[1] / float(k2)) < EQUAL / 10
