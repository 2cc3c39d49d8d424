import numpy as np
import pytest
from scipy.optimize import linprog

from stopflow.learn.interval import (
    NORMAL_95,
    IntervalScale,
    fit_interval,
    neighbour_correlation,
    quantile_line,
)
from stopflow.learn.pretraining.prior import ar1_noise


def test_quantile_lines_are_those_of_linear_programming(rng):
    terms = np.stack([np.ones(800), rng.uniform(5, 10, 800), rng.uniform(0, 2, 800)], axis=1)
    values = terms @ [0.3, -0.1, 0.2] + 0.5 * rng.standard_normal(800)
    eye = np.eye(800)
    programme = linprog(
        np.concatenate([np.zeros(3), np.full(800, 0.95), np.full(800, 0.05)]),
        A_eq=np.hstack([terms, eye, -eye]),
        b_eq=values,
        bounds=[(None, None)] * 3 + [(0, None)] * 1600,
    )
    found = quantile_line(terms, values, level=0.95)
    np.testing.assert_allclose(found, programme.x[:3], atol=2e-3)
    assert np.mean(values <= terms @ found) == pytest.approx(0.95, abs=0.004)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9, 0.95])
def test_the_correlation_of_noise_is_found_below_slope_and_decay(rng, rho):
    tau = np.linspace(0, 1, 6001)
    noise = ar1_noise(len(tau), rho=rho, count=40, generator=rng)
    clean = 30 * np.exp(-5 * tau) + 8 * tau - 70
    found = [neighbour_correlation(clean + row) for row in noise]
    assert np.mean(found) == pytest.approx(rho, abs=0.02)


def test_a_parabola_has_no_correlation_and_a_short_trace_none_either():
    assert neighbour_correlation(np.arange(1000.0) ** 2 - 7.0) == 0.0
    assert neighbour_correlation(np.array([1.0, 3.0, 2.0, 5.0])) == 0.0


def test_alternating_points_are_not_below_zero():
    assert neighbour_correlation(np.tile([1.0, -1.0], 200)) == 0.0


def test_a_factor_is_1_until_it_is_fitted():
    np.testing.assert_array_equal(IntervalScale().factor([10, 15001], [0.0, 0.9]), 1.0)


@pytest.mark.parametrize(
    "true",
    [
        IntervalScale(constant=0.4, points=-0.06, correlation=0.3),
        IntervalScale(constant=-0.5, points=0.1, correlation=0.0),
    ],
)
def test_the_factor_is_found_and_covers_95_percent_everywhere(rng, true):
    points = np.exp(rng.uniform(np.log(150), np.log(15001), 20000))
    correlation = rng.choice([0.0, 0.3, 0.9], 20000)
    spreads = np.exp(rng.uniform(-6, -2, 20000))
    errors = np.abs(rng.standard_normal(20000)) * spreads * true.factor(points, correlation)
    fitted, judged = slice(0, 6000), slice(6000, None)
    found = fit_interval(
        errors[fitted], spreads[fitted], points=points[fitted], correlation=correlation[fitted]
    )
    assert found.points == pytest.approx(true.points, abs=0.04)
    assert found.correlation == pytest.approx(true.correlation, abs=0.06)
    width = NORMAL_95 * spreads * found.factor(points, correlation)
    inside = (errors <= width)[judged]
    for which in (points[judged] < 500, points[judged] > 5000, correlation[judged] == 0.9):
        assert inside[which].mean() == pytest.approx(0.95, abs=0.015)
