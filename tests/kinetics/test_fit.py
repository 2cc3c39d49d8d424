"""The fit: laws it must obey, an independent fit, refusals, constraints, robust fits."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from stopflow.kinetics.fit import FitStatus, fit_trace, predict
from stopflow.kinetics.laws import LAWS, Proportional
from stopflow.kinetics.many.batch import fit_batch
from stopflow.kinetics.many.grid_space import build_space, solve_in_space
from stopflow.kinetics.many.individual_grids import fit_traces
from stopflow.kinetics.many.shared import fit_shared

TRUTH = {
    "k_per_s": 150.0,
    "k2_per_s": 30.0,
    "beta": 0.8,
    "amplitude": 0.4,
    "amplitude2": 0.7,
    "slope_per_s": 0.3,
    "intercept": 2.0,
}
SHAPES = ("single", "single-slope", "double", "stretched")


def a_trace(rng, *, law="single-slope", points=600, noise=0.01, length=0.3, even=True, start=0.02):
    """Time (from `start`) and signal of the truth above."""
    grid = np.linspace(0, 1, points) if even else np.sort(rng.uniform(size=points))
    grid = (grid - grid[0]) / (grid[-1] - grid[0])
    signal = LAWS[law].evaluate(length * grid, TRUTH)
    return start + length * grid, signal + noise * rng.normal(size=points)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("law", SHAPES)
def test_agrees_with_levenberg_marquardt_from_the_truth(law, even, rng):
    time, signal = a_trace(rng, law=law, even=even, points=1500)
    fit = fit_trace(time, signal, law=law)
    names = LAWS[law].parameters
    values, covariance = curve_fit(
        lambda t, *p: LAWS[law].evaluate(t - time[0], dict(zip(names, p, strict=True))),
        time,
        signal,
        p0=[TRUTH[name] for name in names],
        jac=lambda t, *p: LAWS[law].jacobian(t - time[0], dict(zip(names, p, strict=True))),
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    errors = np.sqrt(np.diag(covariance))
    ours = np.array([fit.parameters[name] for name in names])
    np.testing.assert_allclose((ours - values) / errors, 0, atol=1e-5)
    np.testing.assert_allclose([fit.stderr[name] for name in names], errors, rtol=1e-5)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-3, atol=1e-5 * errors.max())
    rest = signal - predict(fit, time)
    assert fit.rss == pytest.approx(rest @ rest, rel=1e-9)
    assert fit.noise_sd == pytest.approx(np.sqrt(rest @ rest / (len(time) - len(names))))


@given(
    factor=st.floats(0.01, 100) | st.floats(-100, -0.01),
    offset=st.floats(-100, 100),
    slope=st.floats(-100, 100),
    stretch=st.floats(1e-3, 1e3),
    shift=st.floats(-10, 10),
)
@settings(max_examples=40, deadline=None)
def test_k_does_not_depend_on_units_offsets_and_drift(factor, offset, slope, stretch, shift):
    time, signal = a_trace(np.random.default_rng(3), noise=0.02)
    k = fit_trace(time, signal).k_per_s
    changed = factor * (signal + offset + slope * (time - time[0]))
    # Adding up to 100 to a signal of 1 costs two of the sixteen digits.
    assert fit_trace(time, changed).k_per_s == pytest.approx(k, rel=1e-9)
    slower = fit_trace(stretch * (time - time[0]) + shift, signal).k_per_s
    # shift + stretch t loses digits of t when the shift is large against the window.
    lost = 1e-15 * abs(shift) / (stretch * 0.3) * len(time)
    assert slower == pytest.approx(k / stretch, rel=1e-9 + lost)


@pytest.mark.parametrize("law", ["single", "single-slope"])
@given(
    log_kt=st.floats(-1, 4.5),
    log_snr=st.floats(1.5, 6),
    points=st.integers(30, 700),
    seed=st.integers(0, 2**32),
)
@example(log_kt=0.0, log_snr=6.0, points=87, seed=1)
@settings(max_examples=16, deadline=None)
def test_batch_equals_single(law, log_kt, log_snr, points, seed):
    rng = np.random.default_rng(seed)
    time = np.linspace(0.1, 0.7, points)
    rates = np.exp(log_kt + rng.normal(size=(30, 1)) * 0.3) / 0.6
    signals = np.exp(-rates * (time - 0.1)) + rng.normal(size=(30, 1)) * (1 + time)
    signals += np.exp(-log_snr) * rng.normal(size=signals.shape)
    batch = fit_batch(time, signals, law=law)
    for fit, row in zip(batch, signals, strict=True):
        alone = fit_trace(time, row, law=law)
        assert fit.status == alone.status
        assert fit.reason == alone.reason
        if alone.ok:
            # Where the window shows little of the curve, k has lost digits: its error says so.
            room = max(1e-9 * alone.k_per_s, 1e-8 * alone.k_stderr_per_s)
            assert abs(fit.k_per_s - alone.k_per_s) < room
            assert fit.k_stderr_per_s == pytest.approx(alone.k_stderr_per_s, rel=1e-6)
            for name in alone.parameters:
                moved = fit.parameters[name] - alone.parameters[name]
                assert abs(moved) < 1e-6 * alone.stderr[name]
            assert fit.rss == pytest.approx(alone.rss, rel=1e-9)
            assert fit.aicc == pytest.approx(alone.aicc, rel=1e-9, abs=1e-6)
            errors = list(alone.stderr.values())
            moved = (fit.covariance - alone.covariance) / np.outer(errors, errors)
            assert np.abs(moved).max() < 1e-6


@pytest.mark.parametrize("kt", [0.6, 1.0, 2.0])
def test_short_windows_are_fitted_to_ten_digits(kt, rng):
    """Where a slope hides the curvature, against the same minimum in extended precision."""
    time = np.linspace(0.1, 0.7, 700)
    rates = np.full((24, 1), kt / 0.6)
    signals = np.exp(-rates * (time - 0.1)) + rng.normal(size=(24, 1)) * (1 + time)
    signals += 1e-3 * rng.normal(size=signals.shape)
    batch = fit_batch(time, signals)
    own = fit_traces([(time, row) for row in signals])
    for row, *found in zip(signals, batch.k_per_s, own.k_per_s, strict=True):
        exact = exact_rate(time - time[0], row, batch.k_per_s[0])
        alone = fit_trace(time, row).k_per_s
        np.testing.assert_allclose([alone, *found], exact, rtol=5e-10)


def exact_rate(time, signal, rate):
    """Rate where the projected sum of squares is stationary, by secants in extended precision."""
    time, signal = time.astype(np.longdouble), signal.astype(np.longdouble)

    def less(row, *frame):
        for axis in 3 * frame:
            row = row - (axis @ row) / (axis @ axis) * axis
        return row

    ones = np.ones_like(time)
    line = ones, less(time, ones)
    rest = less(signal, *line)

    def slope_at(x):
        decay = np.exp(-np.exp(x) * time)
        falling = less(time * decay, *line, less(decay, *line))
        return rest @ falling / np.sqrt(falling @ falling)

    x = np.log(np.longdouble(rate))
    last, x = x, x + np.longdouble(1e-3)
    for _ in range(40):
        before, here = slope_at(last), slope_at(x)
        if here == before:
            break
        last, x = x, x - here * (x - last) / (here - before)
    return float(np.exp(x))


def test_batch_keeps_order_and_refusals(rng):
    time, signal = a_trace(rng)
    signals = np.stack([signal * (i + 1) for i in range(30)])
    signals[3], signals[7, 5], signals[9] = 4.0, np.nan, rng.normal(size=len(time))
    forward, backward = fit_batch(time, signals), fit_batch(time, signals[::-1])
    np.testing.assert_allclose(forward.k_per_s, backward.k_per_s[::-1], rtol=1e-12)
    assert [i for i, good in enumerate(forward.ok) if not good] == [3, 7, 9]
    assert forward[3].status is FitStatus.CONSTANT
    assert forward[7].status is FitStatus.NOT_FINITE
    assert forward[9].status is FitStatus.NO_AMPLITUDE
    with pytest.raises(ValueError, match="must be"):
        fit_batch(time, signal)


def test_points_before_the_start_do_not_count(rng):
    time, signal = a_trace(rng)
    before = np.concatenate(([np.nan, 50.0], signal[2:]))
    late = fit_trace(time, before, start_s=float(time[2]))
    cut = fit_trace(time[2:], signal[2:])
    assert late.parameters == cut.parameters
    assert late.start_s == time[2]
    assert late.window_s == pytest.approx(time[-1] - time[2])
    earlier = fit_trace(time, signal, start_s=float(time[0]) - 0.01)
    factor = np.exp(0.01 * earlier.k_per_s)
    assert earlier.amplitude == pytest.approx(fit_trace(time, signal).amplitude * factor, rel=1e-9)


GOOD = np.linspace(0, 1, 50)
DECAY = np.exp(-5 * GOOD)


def with_value(values, at, value):
    changed = values.copy()
    changed[at] = value
    return changed


REFUSALS = {
    "empty": (GOOD[:0], DECAY[:0], {}, FitStatus.EMPTY),
    "one point": (GOOD[:1], DECAY[:1], {}, FitStatus.TOO_FEW_POINTS),
    "nine points": (GOOD[:9], DECAY[:9], {}, FitStatus.TOO_FEW_POINTS),
    "start at the end": (GOOD, DECAY, {"start_s": 0.95}, FitStatus.TOO_FEW_POINTS),
    "start behind the end": (GOOD, DECAY, {"start_s": 2.0}, FitStatus.TOO_FEW_POINTS),
    "start no number": (GOOD, DECAY, {"start_s": np.nan}, None),
    "nan": (GOOD, with_value(DECAY, 7, np.nan), {}, FitStatus.NOT_FINITE),
    "inf": (GOOD, with_value(DECAY, 7, np.inf), {}, FitStatus.NOT_FINITE),
    "huge": (GOOD, DECAY * 1e200, {}, FitStatus.NOT_FINITE),
    "time nan": (with_value(GOOD, 7, np.nan), DECAY, {}, FitStatus.NOT_FINITE),
    "time inf": (with_value(GOOD, -1, np.inf), DECAY, {}, FitStatus.NOT_FINITE),
    "times repeat": (with_value(GOOD, 7, GOOD[6]), DECAY, {}, FitStatus.TIMES_NOT_INCREASING),
    "times backwards": (GOOD[::-1], DECAY, {}, FitStatus.TIMES_NOT_INCREASING),
    "constant": (GOOD, 0 * DECAY + 3, {}, FitStatus.CONSTANT),
    "zero": (GOOD, 0 * DECAY, {}, FitStatus.CONSTANT),
    "no weights": (GOOD, DECAY, {"weights": 0 * GOOD}, FitStatus.ZERO_WEIGHTS),
    "few weights": (GOOD, DECAY, {"weights": GOOD > 0.9}, FitStatus.TOO_FEW_POINTS),
    "negative weights": (GOOD, DECAY, {"weights": -GOOD}, FitStatus.NOT_FINITE),
    "straight line": (GOOD, 2 + 3 * GOOD, {}, FitStatus.NO_AMPLITUDE),
    "one spike first": (GOOD, with_value(0 * DECAY, 0, 1.0), {}, FitStatus.TOO_FAST),
    "growth": (GOOD, np.exp(2 * GOOD), {}, FitStatus.TOO_SLOW),
}


@pytest.mark.parametrize("law", SHAPES)
@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_values_with_a_reason(case, law):
    time, signal, options, status = REFUSALS[case]
    fit = fit_trace(time, signal, law=law, **options)
    assert not fit.ok
    assert fit.reason
    if law == "single-slope" and status:
        assert fit.status is status
    assert np.isnan([fit.k_per_s, fit.k_stderr_per_s, fit.amplitude, fit.noise_sd]).all()
    assert np.isnan(predict(fit, GOOD)).all()


def test_noise_alone_passes_for_a_reaction_as_rarely_as_promised(rng):
    time = np.linspace(0, 1, 200)
    assert not fit_batch(time, rng.normal(size=(400, 200))).ok.any()
    # Correlated noise mimics slow decays far more often.
    noise = rng.normal(size=(150, 200))
    for i in range(1, 200):
        noise[:, i] += 0.6 * noise[:, i - 1]
    assert fit_batch(time, noise).ok.sum() <= 3


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=0, max_size=25),
    law=st.sampled_from(SHAPES),
    robust=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_numbers_give_numbers_or_a_reason(values, law, robust):
    time = np.arange(len(values), dtype=float)
    fit = fit_trace(time, values, law=law, robust=robust)
    numbers = [*fit.parameters.values(), *fit.stderr.values(), fit.noise_sd, fit.rss]
    assert np.isfinite(numbers).all() if fit.ok else fit.reason


@pytest.mark.parametrize("law", SHAPES)
def test_a_fixed_parameter_equals_the_fit_where_it_is_free(law, rng):
    time, signal = a_trace(rng, law=law)
    free = fit_trace(time, signal, law=law)
    for name, value in free.parameters.items():
        held = fit_trace(time, signal, law=law, fixed={name: value})
        assert held.ok, (name, held.reason)
        for other, expected in free.parameters.items():
            assert held.parameters[other] == pytest.approx(expected, rel=1e-6), (name, other)
        assert held.stderr[name] == 0
        assert held.dof == free.dof + 1


def test_a_proportional_parameter_equals_the_written_out_form(rng):
    time = np.linspace(0, 2, 300)
    signal = 3 * (1 - np.exp(-4 * time)) + 0.02 * rng.normal(size=300)
    fit = fit_trace(
        time, signal, law="single", fixed={"intercept": Proportional(to="amplitude", factor=-1.0)}
    )
    (b, k), covariance = curve_fit(
        lambda t, b, k: b * (1 - np.exp(-k * t)), time, signal, p0=[1, 1], xtol=1e-14, ftol=1e-14
    )
    assert fit.k_per_s == pytest.approx(k, rel=1e-6)
    assert fit.intercept == -fit.amplitude == pytest.approx(b, rel=1e-6)
    assert fit.stderr["intercept"] == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-5)


def test_weights_equal_repeated_points(rng):
    time, signal = a_trace(rng, points=40, noise=0.02)
    twice = fit_trace(time, signal, weights=np.where(np.arange(40) % 3, 1.0, 4.0))
    names = LAWS["single-slope"].parameters
    values, _ = curve_fit(
        lambda t, *p: LAWS["single-slope"].evaluate(t - time[0], dict(zip(names, p, strict=True))),
        time,
        signal,
        p0=[TRUTH[name] for name in names],
        sigma=np.where(np.arange(40) % 3, 1.0, 0.5),
        xtol=1e-14,
        ftol=1e-14,
    )
    assert twice.k_per_s == pytest.approx(values[0], rel=1e-5)


@pytest.mark.parametrize("law", ["single-slope", "double"])
def test_robust_fit_sees_through_bubbles_and_spikes(law, rng):
    time, signal = a_trace(rng, law=law, points=1000)
    clean = fit_trace(time, signal, law=law)
    dirty = signal.copy()
    dirty[rng.integers(0, 1000, 25)] += 3 * rng.normal(size=25)
    dirty[400:420] += 1.0
    robust = fit_trace(time, dirty, law=law, robust=True)
    assert robust.robust
    assert abs(robust.k_per_s - clean.k_per_s) < 1.5 * clean.k_stderr_per_s
    plain = fit_trace(time, dirty, law=law)
    assert not plain.ok or abs(plain.k_per_s - clean.k_per_s) > 3 * clean.k_stderr_per_s
    assert robust.noise_sd == pytest.approx(0.01, rel=0.15)


def test_robust_fit_minimises_the_loss_it_states(rng):
    time, signal = a_trace(rng, points=300)
    signal[50] += 1
    fit = fit_trace(time, signal, robust=True)

    def loss(parameters):
        rest = signal - fit.rate_law.evaluate(time - time[0], parameters)
        return np.sum(np.sqrt(1 + (rest / (2 * fit.noise_sd)) ** 2))

    best = loss(fit.parameters)
    for name, error in fit.stderr.items():
        for move in (-0.05, 0.05):
            moved = dict(fit.parameters) | {name: fit.parameters[name] + move * error}
            assert loss(moved) > best


def test_shared_rate_equals_one_big_fit(rng):
    traces = []
    for i in range(4):
        time, signal = a_trace(rng, noise=0.01 * (1 + i), length=0.2 + 0.05 * i, points=200)
        traces.append((time, (1 + i) * signal))
    shared = fit_shared(traces)
    t = np.concatenate([time - time[0] for time, _ in traces])
    y = np.concatenate([signal for _, signal in traces])
    which = np.repeat(np.arange(4), 200)
    noise = np.array([fit.noise_sd for fit in shared.fits])

    def model(_, k, *own):
        c, a, b = np.array(own).reshape(4, 3)[which].T
        return c * np.exp(-k * t) + a * t + b

    values, covariance = curve_fit(
        model,
        t,
        y,
        p0=[20] + [1, 0, 0] * 4,
        sigma=noise[which],
        absolute_sigma=True,
        xtol=1e-14,
        ftol=1e-14,
    )
    errors = np.sqrt(np.diag(covariance))
    assert abs(shared.parameters["k_per_s"] - values[0]) < 1e-3 * errors[0]
    assert shared.stderr["k_per_s"] == pytest.approx(errors[0], rel=1e-3)
    third = shared.fits[2]
    assert third.stderr["amplitude"] == pytest.approx(errors[7], rel=1e-3)
    assert third.amplitude == pytest.approx(values[7], rel=1e-4)
    assert shared.rss == pytest.approx(shared.dof, rel=1e-6)


def test_shared_rate_of_one_trace_is_its_own(rng):
    time, signal = a_trace(rng, law="double")
    alone = fit_trace(time, signal, law="double")
    shared = fit_shared([(time, signal), (time, 0 * signal)], law="double", own_noise=False)
    assert shared.fits[1].status is FitStatus.CONSTANT
    for name in ("k_per_s", "k2_per_s"):
        assert shared.parameters[name] == pytest.approx(alone.parameters[name], rel=1e-8)
        assert shared.stderr[name] == pytest.approx(alone.stderr[name], rel=1e-6)
    nothing = fit_shared([(time, 0 * signal)])
    assert not nothing.ok
    assert "constant" in nothing.reason


def test_a_batch_is_as_sure_in_every_unit_of_the_signal(rng):
    """What is left beside a steep line in rounding alone is no answer, in whatever unit."""
    time = np.linspace(0, 1, 400)
    space = build_space(time, slope=True, intercept=True)
    decay = np.exp(-7 * time)
    signals = np.array([decay + 0.01 * rng.normal(size=400), 1e6 * time + decay])
    for unit in (1e-4, 1.0, 1e4):
        rows = unit * signals
        _, sure = solve_in_space(space, rows @ space.basis, total=(rows**2).sum(axis=1))
        assert sure.tolist() == [True, False]
