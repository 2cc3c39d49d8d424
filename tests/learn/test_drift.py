"""Shots of an experiment share its drift: by normal theory, and on traces."""

import numpy as np
import pytest

from stopflow.kinetics.fit import fit_trace
from stopflow.learn.predict.residues import residues
from stopflow.learn.predict.shared_drift import Slopes, pull_by_others, variance_between


def measured(rng, *, shots, scatter, error=1.0, correlation=0.8, k_error=0.02, mean=3.0):
    """Draw slopes about a common one and what shots measure of them; also the errors of log k."""
    true = mean + scatter * rng.standard_normal(shots)
    covariance = correlation * error * k_error
    spread = np.array([[error**2, covariance], [covariance, k_error**2]])
    of_slope, of_log_k = rng.multivariate_normal([0, 0], spread, size=shots).T
    slopes = Slopes(
        slope=true + of_slope,
        error=np.full(shots, error),
        log_k_covariance=np.full(shots, covariance),
        log_k_error=np.full(shots, k_error),
    )
    return slopes, of_log_k


def test_the_scatter_between_shots_solves_its_equation(rng):
    values, variance = rng.normal(0, 3, 30), rng.uniform(0.5, 2, 30)
    found = variance_between(values, variance)
    weight = 1 / (variance + found)
    mean = (weight * values).sum() / weight.sum()
    assert (weight * (values - mean) ** 2).sum() == pytest.approx(29, rel=1e-8)
    assert variance_between(0.1 * values, variance) == 0.0
    assert variance_between(np.ones(5), variance[:5]) == 0.0


@pytest.mark.parametrize("scatter", [0.0, 0.5, 2.0])
def test_errors_of_log_k_shrink_as_normal_theory_says(rng, scatter):
    before, after, told = [], [], []
    for _ in range(100):
        slopes, error = measured(rng, shots=200, scatter=scatter)
        pull = pull_by_others(slopes, experiment=["a"] * 200, usable=np.ones(200, dtype=bool))
        before.append(error)
        after.append(error + pull.log_shift)
        told.append(pull.sd_factor)
    ratio = np.std(after) / np.std(before)
    share = 0.8**2 / (1 + scatter**2) / (1 + 1 / 199)  # the mean of 199 others has an error too
    assert ratio == pytest.approx(np.sqrt(1 - share), rel=0.03)
    assert np.sqrt(np.mean(np.square(told))) == pytest.approx(ratio, rel=0.03)


def test_slopes_that_differ_move_nothing(rng):
    slopes, _ = measured(rng, shots=40, scatter=300.0)
    pull = pull_by_others(slopes, experiment=["a"] * 40, usable=np.ones(40, dtype=bool))
    assert np.abs(pull.log_shift).max() < 0.01 * 0.02 * 5
    assert pull.sd_factor.min() > 0.999


def test_only_usable_shots_of_the_same_experiment_count(rng):
    slopes, _ = measured(rng, shots=24, scatter=0.0)
    names = ["a"] * 12 + ["b"] * 9 + ["c"] * 3
    usable = np.ones(24, dtype=bool)
    usable[:4] = False
    pull = pull_by_others(slopes, experiment=names, usable=usable)
    still = np.r_[0:4, 21:24]
    assert not pull.log_shift[still].any()
    assert (pull.sd_factor[still] == 1).all()
    assert np.abs(pull.log_shift[4:21]).min() > 0
    wild = slopes._replace(slope=np.where(np.arange(24) < 4, 1e6, slopes.slope))
    again = pull_by_others(wild, experiment=names, usable=usable)
    assert np.array_equal(pull.log_shift, again.log_shift)
    alone = pull_by_others(
        Slopes(*(column[4:12] for column in slopes)), experiment=["a"] * 8, usable=usable[4:12]
    )
    np.testing.assert_allclose(alone.log_shift, pull.log_shift[4:12], rtol=1e-12)


def test_a_slope_that_is_not_known_is_no_help(rng):
    slopes, _ = measured(rng, shots=8, scatter=0.0)
    slopes.slope[0], slopes.error[1] = np.nan, 0.0
    pull = pull_by_others(slopes, experiment=["a"] * 8, usable=np.ones(8, dtype=bool))
    assert not pull.log_shift[:2].any()
    assert np.isfinite(pull.log_shift).all()


@pytest.mark.parametrize("kt", [0.8, 2.0, 6.0])
def test_the_line_of_the_residue_is_that_of_the_fit(rng, kt):
    time = np.linspace(0.0, 2.0, 4001)
    signal = 1.5 * np.exp(-kt / 2.0 * time) + 0.3 * time + 4.0 + 0.02 * rng.standard_normal(4001)
    fit = fit_trace(time, signal)
    (line,) = residues([(time, signal[None])], kt=np.array([fit.k_per_s * 2.0]))
    names = list(fit.parameters)
    of_k, of_slope = names.index("k_per_s"), names.index("slope_per_s")
    within = 0.15 * fit.stderr["slope_per_s"]  # the residue looks at means of blocks
    assert line.slope / 2.0 == pytest.approx(fit.slope_per_s, abs=within)
    assert line.slope_error / 2.0 == pytest.approx(fit.stderr["slope_per_s"], rel=0.2)
    expected = fit.covariance[of_k, of_slope] / fit.k_per_s
    assert line.slope_log_k / 2.0 == pytest.approx(expected, rel=0.4)
    assert line.slope_log_k / line.log_k_error**2 == pytest.approx(
        2.0 * expected / (fit.k_stderr_per_s / fit.k_per_s) ** 2, rel=0.02
    )
