"""Features: laws they obey, and the bin means by an independent route."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from stopflow.bins import EDGES, bin_matrix, bin_means
from stopflow.errors import SettingsError, TraceError
from stopflow.features import (
    FEATURES,
    FeatureSpec,
    build_feature_batch,
    build_features,
    decode_target,
    encode_target,
    fill_rows,
    shared_grids,
    sign_weights,
    window_of,
)
from stopflow.learn.standardiser import Standardiser

DIMENSIONLESS = [FeatureSpec("shape", 400), FeatureSpec("blocks", 64)]
kinds = pytest.mark.parametrize("spec", DIMENSIONLESS, ids=lambda spec: spec.kind)


def decay(points: int, kt: float, *, slope: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    tau = np.arange(points) / (points - 1)
    return tau, np.exp(-kt * tau) + slope * tau


def test_sizes_are_the_published_and_the_stated_ones() -> None:
    assert FeatureSpec().n_inputs == 28_000
    assert FeatureSpec("raw").n_inputs == 28_000
    assert FeatureSpec("blocks").n_inputs == 512
    assert set(FEATURES) == {"raw", "shape", "blocks"}
    assert FeatureSpec(**FeatureSpec("blocks").to_dict()) == FeatureSpec("blocks")


@pytest.mark.parametrize("bad", [("shapes", 10), ("shape", 1), ("shape", -3)])
def test_wrong_specs_are_refused_by_name(bad: tuple[str, int]) -> None:
    with pytest.raises(SettingsError, match="valid"):
        FeatureSpec(*bad)


@pytest.mark.parametrize("points", [10, 57, 900])
def test_cell_means_are_integrals_of_the_interpolant(points: int, rng: np.random.Generator) -> None:
    tau = np.sort(rng.uniform(size=points))
    tau = (tau - tau[0]) / (tau[-1] - tau[0])
    signal, edges = rng.normal(size=points), np.unique(np.r_[0.0, rng.uniform(size=12), 1.0])
    found = bin_means(tau, signal, edges)
    for number in range(len(edges) - 1):
        low, high = edges[number : number + 2]
        kinks = tau[(tau > low) & (tau < high)]
        pieces = np.r_[low, kinks, high]
        area = sum(quad(lambda x: np.interp(x, tau, signal), a, b)[0] for a, b in pairwise(pieces))
        assert found[number] == pytest.approx(area / (high - low), abs=1e-9)


@pytest.mark.parametrize("points", [10, 173, 20_000])
@pytest.mark.parametrize("even", [False, True])
@kinds
def test_the_matrix_gives_the_same_cells(
    spec: FeatureSpec, points: int, rng: np.random.Generator, *, even: bool
) -> None:
    tau = np.arange(points) / (points - 1) if even else np.sort(rng.uniform(size=points))
    tau = (tau - tau[0]) / (tau[-1] - tau[0])
    edges, signals = EDGES[spec.kind](spec.pairs), rng.normal(size=(3, points)) + 100.0
    matrix = bin_matrix(tau, edges)
    np.testing.assert_allclose((matrix @ signals.T).T, bin_means(tau, signals, edges), atol=1e-9)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-10)


@kinds
def test_even_and_searched_grids_give_the_same_cells(
    spec: FeatureSpec, rng: np.random.Generator
) -> None:
    """A grid a hair away from even takes the search, an even one does not."""
    tau, signal = decay(301, 12.0)
    nudged = tau.copy()
    nudged[1:-1] += rng.normal(size=299) * 1e-7
    even, searched = (build_features(t, signal, spec=spec) for t in (tau, nudged))
    np.testing.assert_allclose(even, searched, atol=1e-4)


@kinds
@given(
    shift=st.floats(-50, 50),
    stretch=st.floats(1e-3, 1e3),
    gain=st.floats(1e-3, 1e3),
    offset=st.floats(-10, 10),
    turned=st.booleans(),
)
def test_rows_know_neither_units_nor_offsets_nor_polarity(
    spec: FeatureSpec, *, shift: float, stretch: float, gain: float, offset: float, turned: bool
) -> None:
    tau, signal = decay(200, 7.0, slope=0.2)
    signal = signal + 0.01 * np.sin(900 * tau)
    plain = build_features(tau, signal, spec=spec)
    other = build_features(
        shift + stretch * tau, (offset + gain * signal) * (-1 if turned else 1), spec=spec
    )
    np.testing.assert_allclose(other[1::2], plain[1::2], atol=2e-3)


@kinds
@pytest.mark.parametrize("slope", [-5.0, -0.6, 0.0, 0.6, 5.0])
@pytest.mark.parametrize("kt", [0.7, 9.0, 300.0])
def test_a_decay_is_turned_upright_whatever_the_slope(
    spec: FeatureSpec, kt: float, slope: float
) -> None:
    tau, signal = decay(2000, kt, slope=slope)
    bins = bin_means(tau, signal, EDGES[spec.kind](spec.pairs))
    weights = sign_weights(spec.kind, spec.pairs)
    middle = bin_means(tau, tau, EDGES[spec.kind](spec.pairs))
    assert bins @ weights > 0
    assert abs(middle @ weights) < 1e-9 * np.linalg.norm(weights)
    rows = [build_features(tau, sign * signal, spec=spec)[1::2] for sign in (1, -1)]
    np.testing.assert_array_equal(rows[0], rows[1])


@kinds
def test_centred_and_of_unit_scale(spec: FeatureSpec) -> None:
    row = build_features(*decay(333, 20.0), spec=spec)[1::2].astype(float)
    assert row.mean() == pytest.approx(0.0, abs=1e-6)
    assert row.std() == pytest.approx(1.0, abs=1e-6)


@kinds
@pytest.mark.parametrize("points", [150, 700, 5000, 15_001])
def test_the_same_curve_looks_the_same_at_any_length(spec: FeatureSpec, points: int) -> None:
    reference = build_features(*decay(30_000, 6.0, slope=0.1), spec=spec)[1::2]
    found = build_features(*decay(points, 6.0, slope=0.1), spec=spec)[1::2]
    np.testing.assert_allclose(found, reference, atol=2e-3)


@kinds
def test_the_same_curve_looks_the_same_on_a_log_grid(spec: FeatureSpec) -> None:
    grid = np.geomspace(1e-3, 1.0, 900)
    tau = (grid - grid[0]) / (1 - grid[0])
    reference = build_features(*decay(20_000, 30.0), spec=spec)[1::2]
    found = build_features(tau, np.exp(-30.0 * tau), spec=spec)[1::2]
    np.testing.assert_allclose(found, reference, atol=2e-3)


def test_blocks_count_their_points() -> None:
    spec = FeatureSpec("blocks", 64)
    row = build_features(*decay(500, 6.0), spec=spec)
    assert np.expm1(row[0::2]).sum() == pytest.approx(500, rel=1e-5)


def test_raw_is_interleaved_padded_and_cut() -> None:
    time_s, signal = np.arange(12) * 0.5 + 3.0, np.arange(12.0) ** 2
    padded = build_features(time_s, signal, spec=FeatureSpec("raw", 20))
    np.testing.assert_array_equal(padded[:6], [3.0, 0.0, 3.5, 1.0, 4.0, 4.0])
    assert not padded[24:].any()
    cut = build_features(time_s, signal, spec=FeatureSpec("raw", 5))
    np.testing.assert_array_equal(cut, padded[:10])


@pytest.mark.parametrize("spec", [*DIMENSIONLESS, FeatureSpec("raw", 50)], ids=lambda s: s.kind)
def test_one_by_one_or_as_a_batch(spec: FeatureSpec, rng: np.random.Generator) -> None:
    tau, signal = decay(120, 5.0)
    signals = signal + 0.1 * rng.normal(size=(21, 120))
    batch = build_feature_batch(tau, signals, spec=spec)
    one_by_one = np.stack([build_features(tau, own, spec=spec) for own in signals])
    np.testing.assert_allclose(one_by_one, batch, atol=1e-6)


@pytest.mark.parametrize("spec", [*DIMENSIONLESS, FeatureSpec("raw", 50)], ids=lambda s: s.kind)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t, s: (t[:9], s[:9]), "9 points, and at least 10"),
        (lambda t, s: (t, np.full_like(s, 2.5)), "constant"),
        (lambda t, s: (t, np.where(t > 0.5, np.nan, s)), "signal holds values that are not finite"),
        (lambda t, s: (np.where(t > 0.5, np.inf, t), s), "times hold values that are not finite"),
        (lambda t, s: (t[::-1], s), "do not increase"),
        (lambda t, s: (np.round(t, 1), s), r"do not increase: 0 s is followed by 0 s \(point 2\)"),
    ],
)
def test_what_is_no_trace_is_refused(spec: FeatureSpec, spoil: object, message: str) -> None:
    time_s, signal = spoil(*decay(100, 5.0))  # type: ignore[operator]
    with pytest.raises(TraceError, match=message):
        build_features(time_s, signal, spec=spec)


@given(k=st.floats(1e-3, 1e4), window=st.floats(1e-3, 1e3))
def test_targets_come_back(k: float, window: float) -> None:
    for kind in FEATURES:
        spec = FeatureSpec(kind)
        back = decode_target(encode_target(k, window, spec=spec), window, spec=spec)
        assert back == pytest.approx(k, rel=1e-12)
    assert encode_target(3.0, 2.0, spec=FeatureSpec("raw")) == 3.0
    assert encode_target(3.0, 2.0, spec=FeatureSpec("shape")) == pytest.approx(np.log(6.0))


def test_the_window_is_that_of_the_recorded_steps() -> None:
    assert window_of(np.array([2.0, 2.5, 4.0])) == 2.0


def test_standardiser_learns_columns_and_zeroes_constant_ones(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(50, 4)) * [1.0, 100.0, 1e-3, 0.0] + [0.0, -7.0, 3.0, 0.1]
    standardiser = Standardiser.fit(rows.astype(np.float32))
    seen = standardiser.apply(rows)
    np.testing.assert_allclose(seen[:, :2].mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(seen[:, :2].std(axis=0), 1.0, atol=1e-4)
    new = standardiser.apply(rows + 5.0)
    assert np.isfinite(new).all()
    assert (new[:, 3] == 0).all()
    np.testing.assert_array_equal(Standardiser.identity(4).apply(rows), rows.astype(np.float32))


def test_traces_are_grouped_by_their_times_and_the_bad_ones_named(
    rng: np.random.Generator,
) -> None:
    tau, _ = decay(120, 5.0)
    nudged = tau.copy()
    nudged[57] += 1e-9
    noise = rng.normal(size=(5, 120))
    traces = [(tau, noise[0]), (nudged, noise[1]), (tau.copy(), noise[2]), (tau, noise[3, :90])]
    assert shared_grids([*traces, (tau[:0], noise[4, :0])]) == [[0, 2], [1], [3], [4]]
    signals = np.stack([noise[0], np.ones(120), noise[1], np.full(120, np.nan), noise[2]])
    spec = FeatureSpec("blocks")
    rows = np.zeros((5, spec.n_inputs), dtype=np.float32)
    reasons = fill_rows(tau, signals, spec=spec, out=rows)
    assert [bool(why) for why in reasons] == [False, True, False, True, False]
    np.testing.assert_allclose(
        rows[:3], build_feature_batch(tau, signals[[0, 2, 4]], spec=spec), atol=1e-6
    )
    with pytest.raises(TraceError, match="90 values of the signal do not fit 120 times"):
        build_features(tau, noise[3, :90], spec=spec)
