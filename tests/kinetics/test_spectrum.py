"""Signals recorded together: components above noise, one k, the spectrum of the amplitude."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from stopflow.errors import SettingsError
from stopflow.kinetics.many.spectrum import decompose, fit_spectrum, noise_edge, noise_of


def band(centre, width=25.0, count=40):
    waves = np.linspace(350, 550, count)
    return np.exp(-(((waves - centre) / width) ** 2))


def matrix(rng, *, rates, centres, points=300, count=40, noise=0.002):
    time = np.linspace(0, 0.4, points)
    courses = [np.exp(-k * time) for k in rates]
    spectra = [band(c, count=count) for c in centres]
    clean = sum(np.outer(s, y) for s, y in zip(spectra, courses, strict=True))
    sd = noise * (1 + np.linspace(0, 2, count))
    return time, clean + 0.3 + rng.normal(size=clean.shape) * sd[:, None], spectra, sd


@pytest.mark.parametrize("shape", [(40, 300), (200, 100), (5, 2000)])
def test_noise_alone_has_no_component_above_the_edge(shape, rng):
    above = sum(
        np.linalg.svd(rng.normal(size=shape), compute_uv=False)[0] > noise_edge(*shape)
        for _ in range(200)
    )
    assert above <= 8  # 1 in 100 is expected; 9 of 200 has a chance below 1e-3


def test_the_noise_is_that_put_in(rng):
    _, signals, _, sd = matrix(rng, rates=(12.0,), centres=(420,), points=3000)
    np.testing.assert_allclose(noise_of(signals), sd, rtol=0.12)


@pytest.mark.parametrize(("rates", "centres"), [((12.0,), (420,)), ((30.0, 6.0), (400, 480))])
def test_components_are_the_species_and_the_background(rates, centres, rng):
    _, signals, _, _ = matrix(rng, rates=rates, centres=centres)
    found = decompose(signals)
    assert found.components == len(rates) + 1
    rebuilt = found.spectra @ found.courses
    np.testing.assert_allclose(rebuilt, signals, atol=1e-12)


def test_one_rate_and_its_spectrum(rng):
    time, signals, (spectrum,), sd = matrix(rng, rates=(12.0,), centres=(420,))
    fit = fit_spectrum(time, signals, law="single")
    assert fit.ok
    assert abs(fit.parameters["k_per_s"] - 12.0) < 4 * fit.stderr["k_per_s"]
    assert fit.stderr["k_per_s"] < 0.02
    pull = (fit.coefficients["amplitude"] - spectrum) / fit.coefficient_stderr["amplitude"]
    assert np.abs(pull).max() < 4.5
    assert 0.7 < pull.std() < 1.4
    np.testing.assert_allclose(fit.residual_sd, sd, rtol=0.2)


def test_it_is_the_joint_fit_of_all_signals(rng):
    """Against a fit of every signal at once, by scipy, each over its own noise."""
    time, signals, _, _ = matrix(rng, rates=(12.0,), centres=(420,), points=80, count=12)
    weights = 1 / noise_of(signals)

    def residuals(log_k):
        basis = np.array([np.exp(-np.exp(log_k[0]) * time), np.ones_like(time)])
        coefficients, *_ = np.linalg.lstsq(basis.T, signals.T, rcond=None)
        return ((signals - coefficients.T @ basis) * weights[:, None]).ravel()

    joint = least_squares(residuals, [np.log(10.0)], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    fit = fit_spectrum(time, signals, law="single")
    exact = float(np.exp(joint.x[0]))
    # What the components below the noise hold moves k by far less than its error.
    assert abs(fit.parameters["k_per_s"] - exact) < 0.1 * fit.stderr["k_per_s"]
    scale = float(np.sqrt(1 / (joint.jac.T @ joint.jac)[0, 0])) * exact
    assert fit.stderr["k_per_s"] == pytest.approx(scale, rel=0.15)


def test_two_phases_and_a_window(rng):
    time, signals, (first, second), _ = matrix(rng, rates=(30.0, 6.0), centres=(400, 480))
    spoiled = signals.copy()
    spoiled[:, time < 0.01] += 1.0
    spoiled[:, time > 0.35] -= 1.0
    fit = fit_spectrum(time, spoiled, law="double", start_s=0.01, end_s=0.35)
    rates = sorted((fit.parameters["k_per_s"], fit.parameters["k2_per_s"]), reverse=True)
    assert rates == pytest.approx([30.0, 6.0], rel=0.02)
    names = ("amplitude", "amplitude2")
    if fit.parameters["k_per_s"] < fit.parameters["k2_per_s"]:
        names = names[::-1]
    for name, spectrum, k in zip(names, (first, second), (30.0, 6.0), strict=True):
        expected = spectrum * np.exp(-k * 0.01)
        assert np.abs(fit.coefficients[name] - expected).max() < 0.03


def test_what_cannot_be_fitted_says_so(rng):
    time = np.linspace(0, 1, 100)
    flat = np.full((6, 100), 0.5)
    fit = fit_spectrum(time, flat)
    assert not fit.ok
    assert np.isnan(fit.coefficients["amplitude"]).all()
    with pytest.raises(SettingsError, match="window"):
        fit_spectrum(time, flat, start_s=2.0)
