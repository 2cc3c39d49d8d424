"""Secondary plots against scipy and against chemistry put in by hand."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from lab_shots import series
from scipy import stats
from scipy.constants import R
from scipy.optimize import curve_fit

from stopflow.kinetics.analysis import (
    analyse_experiment,
    analyse_lab,
    condition_rows,
    secondary_rows,
)
from stopflow.kinetics.secondary.choice import (
    characteristic_constant,
    choose_curve,
    curve_to_report,
)
from stopflow.kinetics.secondary.curve_model import PARTNER, SecondaryCurve
from stopflow.kinetics.secondary.curve_table import CURVES, rivals
from stopflow.kinetics.secondary.fit import SecondaryFit
from stopflow.kinetics.secondary.regression import (
    Curve,
    curvature_chance,
    fit_curve,
    fit_line,
)
from stopflow.kinetics.secondary.search import ASTRAY, HILL_SPAN, REACH
from stopflow.kinetics.secondary.two_step import (
    MECHANISMS,
    PhasePoints,
    fit_two_step,
    phases_of,
)
from stopflow.kinetics.solver.statistics import small_sample_aic
from stopflow.schema import TABLES

X = np.array([1.0, 2.0, 4.0, 6.0, 8.0, 10.0]) * 1e-3


def scattered(
    rng: np.random.Generator, y: np.ndarray, *, relative: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    error = relative * y
    return y + error * rng.standard_normal(len(y)), error


@pytest.mark.parametrize(("said", "scaled"), [(0.25, True), (4.0, False)])
def test_line_agrees_with_curve_fit(said: float, scaled: bool, rng: np.random.Generator) -> None:  # noqa: FBT001
    """Errors that are said too small are scaled up by the scatter; too large ones stay."""
    y, error = scattered(rng, 3 + 2000 * X)
    error = said * error
    curve = fit_line(X, y, error)
    values, covariance = curve_fit(
        lambda x, a, b: a + b * x, X, y, sigma=error, absolute_sigma=not scaled
    )
    np.testing.assert_allclose(curve.values, values[::-1], rtol=1e-6)
    np.testing.assert_allclose(curve.covariance, covariance[::-1, ::-1], rtol=1e-5)


PARTNER_M = 2e-3
EXAMPLES = {
    "line": (2000.0, 3.0),
    "hyperbola": (40.0, 3e-3, 1.0),
    "falling hyperbola": (25.0, 5.0, 3e-3),
    "Hill": (40.0, 4e-3, 2.5, 1.0),
    "tight binding": (2000.0, 1e-3, PARTNER_M),
    "constant": (25.0,),
    "induced fit, fast phase": (2e4, 30.0, 8.0, 2.0),
    "induced fit, slow phase": (2e4, 30.0, 8.0, 2.0),
    "conformational selection, fast phase": (5.0, 10.0, 2e4, 40.0),
    "conformational selection, slow phase": (5.0, 10.0, 2e4, 40.0),
    "level amplitude": (0.3,),
    "saturating amplitude": (-0.3, 2e-3),
    "tight-binding amplitude": (0.3, 3e-4, PARTNER_M),
    "arrhenius": (50.0, 20.0),
    "eyring": (50.0, 20.0),
    "one pKa": (2.0, 40.0, 7.2),
    "bell": (40.0, 5.8, 8.1),
    "no pKa": (20.0,),
}
"""Parameters of every curve of the table."""
MANY = np.geomspace(3e-4, 3e-2, 14)
ABSCISSAE = {
    "concentration": MANY,
    "temperature": 1 / np.linspace(278.0, 318.0, 9),
    "pH": np.linspace(4.5, 9.5, 11),
}
GIVEN = {PARTNER: PARTNER_M}
ALONE = [key for key, curve in CURVES.items() if not curve.mechanism]


def drawn(
    rng: np.random.Generator, model: SecondaryCurve, *, relative: float = 0.02
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of a curve: x, y, error; rates and amplitudes with an error of 2 %, logs of 0.02."""
    x = ABSCISSAE[model.against]
    y = model.function(x, np.array(EXAMPLES[model.kind]))[0]
    error = np.full(len(x), relative) if model.against == "temperature" else relative * np.abs(y)
    return x, y + error * rng.standard_normal(len(x)), error


def fitted(rng: np.random.Generator, kind: str, *, relative: float = 0.02) -> Curve:
    """Fit the curve to points of its own; both phases of a mechanism together."""
    model = CURVES[kind]
    if not model.mechanism:
        x, y, error = drawn(rng, model, relative=relative)
        found = fit_curve(model, x, y, error, given=GIVEN)
        assert found is not None
        return found
    models = phases_of(model.mechanism)
    phases = [PhasePoints(x=x, y=y, error=e) for x, y, e in (drawn(rng, own) for own in models)]
    both = fit_two_step(model.mechanism, *phases, error_dof=np.inf)
    assert both is not None
    return both[models.index(model)]


def test_every_curve_has_an_example() -> None:
    assert set(EXAMPLES) == set(CURVES)
    for kind, curve in CURVES.items():
        assert curve.kind == kind
        assert curve.equation
        assert curve.paper
        assert len(set(curve.names)) == len(EXAMPLES[kind])


@pytest.mark.parametrize("kind", ALONE)
def test_a_curve_agrees_with_curve_fit(kind: str, rng: np.random.Generator) -> None:
    model, truth = CURVES[kind], np.array(EXAMPLES[kind])
    x, y, error = drawn(rng, model)
    curve = fit_curve(model, x, y, error, given=GIVEN)
    assert curve is not None
    free = [place for place in range(len(truth)) if place not in model.held]

    def at(x, *values):
        whole = truth.copy()
        whole[free] = values
        return model.function(x, whole)[0]

    values, covariance = curve_fit(at, x, y, p0=truth[free], sigma=error, absolute_sigma=True)
    np.testing.assert_allclose(curve.values[free], values, rtol=1e-4)
    scale = max(1.0, curve.squares / curve.dof)
    own = curve.covariance[np.ix_(free, free)]
    np.testing.assert_allclose(own, covariance * scale, rtol=1e-3)
    assert not curve.covariance[list(model.held)].any()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_both_phases_together_agree_with_curve_fit(mechanism: str, rng) -> None:
    models = phases_of(mechanism)
    parts = [drawn(rng, model) for model in models]
    found = fit_two_step(
        mechanism, *[PhasePoints(x=x, y=y, error=e) for x, y, e in parts], error_dof=np.inf
    )
    assert found is not None

    def both(_, *logs):
        return np.concatenate([m.function(MANY, np.exp(logs))[0] for m in models])

    y, error = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    truth = np.array(EXAMPLES[models[0].kind])
    logs, covariance = curve_fit(
        both, np.zeros(len(y)), y, p0=np.log(truth), sigma=error, absolute_sigma=True, xtol=1e-12
    )
    for curve in found:
        np.testing.assert_allclose(curve.values, np.exp(logs), rtol=1e-4)
        scale = max(1.0, curve.squares / curve.dof)
        expected = covariance * np.outer(np.exp(logs), np.exp(logs)) * scale
        np.testing.assert_allclose(curve.covariance, expected, rtol=2e-3)


@pytest.mark.parametrize("kind", CURVES)
def test_slopes_of_a_curve_are_those_of_finite_differences(kind: str) -> None:
    model = CURVES[kind]
    x = ABSCISSAE[model.against]
    values = np.array(EXAMPLES[kind])
    _, slopes = model.function(x, values)
    for number in range(len(values)):
        step = np.zeros(len(values))
        step[number] = 1e-6 * abs(values[number])
        up, down = model.function(x, values + step)[0], model.function(x, values - step)[0]
        expected = (up - down) / (2 * step.max())
        np.testing.assert_allclose(
            slopes[:, number], expected, rtol=1e-6, atol=2e-7 * np.abs(expected).max()
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", CURVES)
def test_intervals_of_every_curve_hold_the_truth(kind: str, full_proof, rng) -> None:
    """Errors of the points are scaled up, never down: at least 95 %."""
    draws = 400 if full_proof else 12
    truth = np.array(EXAMPLES[kind])
    free = [place for place in range(len(truth)) if place not in CURVES[kind].held]
    held = np.zeros(len(free))
    for _ in range(draws):
        curve = fitted(rng, kind)
        half = curve.quantile() * np.sqrt(np.diag(curve.covariance))
        held += (np.abs(curve.values - truth) < half)[free]
    assert (held / draws > (0.93 if full_proof else 0.7)).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALONE)
def test_every_curve_is_found_among_all(kind: str, full_proof, rng) -> None:
    draws = 100 if full_proof else 4
    model, right = CURVES[kind], 0
    competing = rivals(model.against, of=model.of)
    if model.against == "temperature":
        competing = (model,)
    for _ in range(draws):
        x, y, error = drawn(rng, model, relative=0.01)
        fits = [fit_curve(own, x, y, error, given=GIVEN) for own in competing]
        best, following, behind = choose_curve([fit for fit in fits if fit is not None])
        right += best.model.kind == kind
        assert following is None or behind > 0 or len(following.values) > len(best.values)
    assert right / draws >= 0.9


def test_nothing_given_no_tight_binding(rng: np.random.Generator) -> None:
    x, y, error = drawn(rng, CURVES["tight binding"])
    assert fit_curve(CURVES["tight binding"], x, y, error) is None


def test_straight_points_hold_no_hyperbola(rng: np.random.Generator) -> None:
    bent = CURVES["hyperbola"]
    assert fit_curve(bent, X, 3 + 2000 * X, 0.01 * np.ones(6)) is None
    assert fit_curve(bent, X[:3], X[:3], X[:3]) is None


@pytest.mark.slow
def test_interval_and_band_of_a_line_cover_the_truth(full_proof, rng: np.random.Generator) -> None:
    """At least 95 %: errors of the points are scaled up, never down."""
    draws = 4000 if full_proof else 800
    grid = np.linspace(0, 12e-3, 7)
    inside, band = 0, np.zeros(7)
    truth = 3 + 2000 * X
    for _ in range(draws):
        y, error = scattered(rng, truth)
        curve = fit_line(X, y, error)
        half = curve.quantile() * np.sqrt(curve.covariance[0, 0])
        inside += abs(curve.values[0] - 2000) < half
        _, low, high = curve.band(grid)
        band += (low < 3 + 2000 * grid) & (3 + 2000 * grid < high)
    assert inside / draws > 0.945
    assert (band / draws > 0.94).all()


@pytest.mark.parametrize(
    ("points", "numbers", "charge"), [(10, 3, 6 + 24 / 6), (40, 5, 10 + 60 / 34), (4, 3, np.inf)]
)
def test_small_samples_pay_for_their_parameters(points: int, numbers: int, charge: float) -> None:
    """2 K + 2 K (K + 1) / (n - K - 1): Burnham and Anderson, eq. 2.4."""
    found = small_sample_aic(points, numbers=numbers, information=0.5)
    assert found == pytest.approx(0.5 * points + charge, rel=1e-12)


def test_curvature_is_seen_only_where_it_is(rng: np.random.Generator) -> None:
    straight = [curvature_chance(X, *scattered(rng, 3 + 2000 * X)) for _ in range(400)]
    assert np.mean(np.array(straight) < 0.05) < 0.08
    parabola = 3 + 2000 * X - 8e4 * X**2
    bent = [curvature_chance(X, *scattered(rng, parabola, relative=0.01)) for _ in range(50)]
    assert np.median(bent) < 0.01
    assert np.isnan(curvature_chance(X[:3], X[:3], X[:3]))


@pytest.mark.slow
@pytest.mark.parametrize("points", [4, 5, 6, 8])
def test_straight_points_are_seldom_called_curved(points: int, rng: np.random.Generator) -> None:
    """At most 5 %, with errors known by 8 degrees of freedom and with errors far too small."""
    x = np.geomspace(1e-3, 32e-3, points)
    taken = []
    for _ in range(120):
        y, error = scattered(rng, 3 + 2000 * x)
        guessed = error * np.sqrt(rng.chisquare(8) / 8)
        for errors, dof in ((guessed, 8), (0.1 * error, 0)):
            fits = [
                fit_curve(model, x, y, errors, error_dof=dof) for model in rivals("concentration")
            ]
            best, _, _ = choose_curve([fit for fit in fits if fit is not None])
            taken.append(best.model.kind != "line")
    assert np.mean(taken) <= 0.05


def chosen(fits: tuple[SecondaryFit, ...]) -> dict[str, SecondaryFit]:
    return {fit.kind: fit for fit in fits if fit.chosen}


def test_k_on_and_k_off_of_an_experiment(rng: np.random.Generator) -> None:
    rates = {c: 5 + 3000 * c for c in X}
    lab = analyse_lab([analyse_experiment(series(rng, rates))])
    fits = chosen(lab.secondary)
    assert set(fits) == {"line"}
    k_on, k_off = fits["line"].parameters
    assert k_on.low < 3000 < k_on.high
    assert k_off.low < 5 < k_off.high
    assert k_on.unit == "M^-1 s^-1"
    assert "straight" in fits["line"].remark


def test_a_line_that_the_points_reject_reports_no_constant(rng: np.random.Generator) -> None:
    """Nor does a curve that bends upwards without an end: what is left to report is nothing."""
    rates = {c: 16.0 + 9e4 * c + 1.5e7 * c**2 for c in 5e-5 * 2.0 ** np.arange(5)}
    lab = analyse_lab([analyse_experiment(series(rng, rates))])
    assert not chosen(lab.secondary)
    (line,) = (fit for fit in lab.secondary if fit.kind == "line")
    assert line.remark.startswith("curved (chance ")


def test_saturation_is_seen(rng: np.random.Generator) -> None:
    rates = {c: 4 + 60 * c / (2e-3 + c) for c in X}
    lab = analyse_lab([analyse_experiment(series(rng, rates, shots=4))])
    fits = chosen(lab.secondary)
    assert set(fits) == {"hyperbola"}
    top, half, _ = fits["hyperbola"].parameters
    assert top.low < 60 < top.high
    assert half.low < 2e-3 < half.high


@pytest.mark.parametrize("points", [4, 5])
@pytest.mark.parametrize("top", [60.0, -50.0])
def test_saturation_is_seen_in_few_concentrations(
    points: int, top: float, rng: np.random.Generator
) -> None:
    """Rising and falling; the line, whose rates are wrong, is not called straight."""
    first = 4 if top > 0 else 64
    rates = {c: first + top * c / (2e-3 + c) for c in np.geomspace(5e-4, 2e-2, points)}
    lab = analyse_lab([analyse_experiment(series(rng, rates))])
    fits = chosen(lab.secondary)
    kind = "hyperbola" if top > 0 else "falling hyperbola"
    assert set(fits) == {kind}
    truth = (top, 2e-3, first) if top > 0 else (first, first + top, 2e-3)
    for parameter, true in zip(fits[kind].parameters, truth, strict=True):
        assert parameter.low < true < parameter.high
    texts = [str(row["remark"]) for row in secondary_rows(lab)]
    assert not [text for text in texts if re.search(r"\b(inf|nan)\b|straight \(", text)]
    assert not [row for row in secondary_rows(lab) if np.isinf(row["aicc"])]
    assert not [row for row in condition_rows(lab.experiments[0]) if row["reason"]]


def test_rates_off_their_curve_are_warned_of(rng: np.random.Generator) -> None:
    """One solution of half the strength: neither law holds, and each series of the plot says so."""
    rates = {c: 5 + 3000 * c for c in X[:5]}
    rates[X[3]] = 5 + 1500 * X[3]
    for shots in (1, 3):
        lab = analyse_lab([analyse_experiment(series(rng, rates, shots=shots))])
        (fit,) = chosen(lab.secondary).values()
        assert "straight (" not in fit.remark
        rows = condition_rows(lab.experiments[0])
        assert {row["verdict"] for row in rows} == {"WARN"}
        assert all("at 6 mM -" in row["reason"] for row in rows)
        again = analyse_lab(lab.experiments).experiments[0]
        assert condition_rows(again) == rows


def test_activation_energy_over_several_experiments(rng: np.random.Generator) -> None:
    kelvin = np.array([283.15, 288.15, 293.15, 298.15, 303.15])
    k = 20 * np.exp(-60e3 / R * (1 / kelvin - 1 / 293.15))
    analyses = [
        analyse_experiment(series(rng, {1e-3: rate}, shots=5, temperature_K=t, name=f"{t}"))
        for t, rate in zip(kelvin, k, strict=True)
    ]
    fits = chosen(analyse_lab(analyses).secondary)
    assert set(fits) == {"arrhenius", "eyring"}
    assert {fit.experiment for fit in fits.values()} == {""}
    energy = fits["arrhenius"].parameters[0]
    assert energy.low < 60 < energy.high
    means = [analysis.conditions[0].mean.k_per_s for analysis in analyses]
    plain = stats.linregress(1 / kelvin, np.log(means))
    assert energy.value == pytest.approx(-plain.slope * R / 1e3, rel=0.01)
    enthalpy = fits["eyring"].parameters[0]
    assert enthalpy.value == pytest.approx(energy.value - R * kelvin.mean() / 1e3, abs=0.1)


def test_temperature_acts_on_k_on_where_every_experiment_has_one(rng: np.random.Generator) -> None:
    """k_off falls with temperature here: k_obs would tell another activation energy."""
    kelvin = np.array([283.15, 288.15, 293.15, 298.15])
    k_on = 4000 * np.exp(-50e3 / R * (1 / kelvin - 1 / 293.15))
    analyses = [
        analyse_experiment(
            series(
                rng, {c: 8 - at + slope * c for c in X}, temperature_K=float(t), name=f"{t - 273}"
            )
        )
        for at, (t, slope) in enumerate(zip(kelvin, k_on, strict=True))
    ]
    lab = analyse_lab(analyses)
    temperature = [fit for fit in lab.secondary if fit.kind in ("arrhenius", "eyring")]
    assert [fit.kind for fit in temperature] == ["arrhenius", "eyring"]
    assert all("k_on in 1/(M s)" in fit.text for fit in temperature)
    energy = temperature[0].parameters[0]
    assert energy.low < 50 < energy.high
    lines = [fit for fit in lab.secondary if fit.kind == "line"]
    rows = [row for row in secondary_rows(lab) if row["kind"] == "arrhenius"]
    points = {row["parameter"]: row["value"] for row in rows if "k_on at" in str(row["parameter"])}
    assert list(points) == [f"k_on at {t:.2f} K" for t in kelvin]
    assert list(points.values()) == [fit.parameters[0].value for fit in lines]
    # One folder of a single concentration has none: then all are compared by k_obs.
    odd = analyse_experiment(series(rng, {X[0]: 5.0}, temperature_K=303.15, name="odd"))
    mixed = [fit for fit in analyse_lab([*analyses, odd]).secondary if fit.kind == "arrhenius"]
    assert len(mixed) == len(X)
    assert all("k_obs" in fit.text for fit in mixed)


def test_rows_hold_what_the_band_needs(rng: np.random.Generator) -> None:
    rates = {c: 4 + 60 * c / (2e-3 + c) for c in X}
    lab = analyse_lab([analyse_experiment(series(rng, rates, shots=4))])
    rows = secondary_rows(lab)
    assert list(rows[0]) == list(TABLES["secondary"])
    assert [fit.kind for fit in lab.secondary][:2] == ["line", "hyperbola"]
    for fit in lab.secondary:
        names = CURVES[fit.kind].names
        own = {row["parameter"]: row for row in rows if row["kind"] == fit.kind}
        assert len(own) == len(names) * (len(names) + 1) // 2
        for (i, first), (j, second) in combinations(enumerate(names), 2):
            pair = own.get(f"correlation({first}, {second})")
            pair = pair or own[f"correlation({second}, {first})"]
            covariance = pair["value"] * own[first]["stderr"] * own[second]["stderr"]
            assert covariance == pytest.approx(fit.curve.covariance[i, j], rel=1e-12)


def test_correlations_are_those_of_the_parameters_named(rng: np.random.Generator) -> None:
    """Ea rises with ln A, though the slope falls as the intercept rises."""
    analyses = [
        analyse_experiment(series(rng, {1e-3: 10.0 + k}, temperature_K=285.0 + 5 * k, name=f"{k}"))
        for k in range(4)
    ]
    rows = {row["parameter"]: row["value"] for row in secondary_rows(analyse_lab(analyses))}
    assert 0.99 < rows["correlation(Ea, ln A)"] < 1
    assert 0.99 < rows["correlation(dH, dS)"] < 1


def test_two_concentrations_make_no_plot(rng: np.random.Generator) -> None:
    lab = analyse_lab([analyse_experiment(series(rng, {1e-3: 10.0, 2e-3: 20.0}))])
    assert lab.secondary == ()


def test_level_rates_of_single_shots_have_no_k_on(rng: np.random.Generator) -> None:
    """Without replicates a line was taken for a constant: k_on = -180 +- 170 stood on page 1."""
    seen = []
    for _ in range(12):
        y = 0.03 * (1 + 0.02 * rng.standard_normal(len(X)))
        rates = {c: 1e3 * k for c, k in zip(X, y, strict=True)}
        fits = analyse_lab([analyse_experiment(series(rng, rates, shots=1))]).secondary
        for fit in fits:
            if fit.chosen:
                constant, reach = characteristic_constant(fit.curve)
                assert not fit.curve.model.characteristic or abs(constant) > reach
        seen.append(any(fit.kind == "constant" and fit.chosen for fit in fits))
        level = [fit.remark for fit in fits if fit.kind == "constant" and fit.chosen]
        assert all("is not different from zero" in text for text in level)
    assert sum(seen) >= 9


def test_a_line_that_may_be_steep_is_undecided() -> None:
    """Scatter that hides any change along the series shows neither a slope nor a level."""
    y = np.array([20.0, 60.0, 10.0, 70.0, 15.0, 62.0])
    curves = [fit_curve(CURVES[kind], X, y, y / 1e3, error_dof=0) for kind in ("line", "constant")]
    found = [curve for curve in curves if curve is not None]
    reported, said = curve_to_report(found[0], found, span=float(np.ptp(X)))
    assert reported is None
    assert said.startswith("undecided: k_on of the line")


def test_a_falling_line_is_no_k_on() -> None:
    y = 60 - 4000 * X
    curve = fit_line(X, y, 0.01 * y)
    reported, said = curve_to_report(curve, [curve], span=float(np.ptp(X)))
    assert reported is None
    assert "falls" in said


def test_the_search_stays_near_its_grid(rng: np.random.Generator) -> None:
    """It left it, and powers of the Hill curve ended the whole analysis with a LinAlgError."""
    tried = []
    model = CURVES["Hill"]

    def watched(x, values):
        tried.append(np.broadcast_to(np.squeeze(values[1:3]).reshape(2, -1), (2, values[1].size)))
        return model.function(x, values)

    for n in (5.0, 5.9, 8.0):
        y = model.function(MANY, np.array([40.0, 4e-3, n, 1.0]))[0]
        made = y * (1 + 0.02 * rng.standard_normal(len(MANY)))
        fit_curve(replace(model, function=watched), MANY, made, 0.02 * y)
    half, n = np.concatenate(tried, axis=1)
    astray = 1.000001 * np.exp(ASTRAY)
    assert MANY[0] / REACH <= half.min() * astray
    assert half.max() <= MANY[-1] * REACH * astray
    assert HILL_SPAN[0] <= n.min() * astray
    assert n.max() <= HILL_SPAN[1] * astray
