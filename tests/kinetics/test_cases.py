"""Small inputs that used to fail, with the right answer: each stands for a kind."""

import numpy as np
import pytest
from lab_shots import shot

from stopflow.errors import SettingsError
from stopflow.kinetics.analysis import AnalysisSettings, analyse_experiment, shot_rows
from stopflow.kinetics.fit import FitStatus, fit_trace
from stopflow.kinetics.laws import LAWS
from stopflow.kinetics.usable_points import overflows, padded_tail
from stopflow.trace import Conditions, Experiment


def rows_of(*shots, **options):
    analysed = analyse_experiment(Experiment(name="lab", shots=shots), AnalysisSettings(**options))
    return shot_rows(analysed)


def double(time, fast, slow, share, *, size=1.0):
    return size * (share * np.exp(-fast * time) + (1 - share) * np.exp(-slow * time)) + 0.3


def test_phases_keep_their_labels_where_amplitudes_are_equal(rng):
    """Replicates with 45 to 55 % of either phase: k is the fast one in every shot."""
    time = np.linspace(0, 0.6, 1000)
    shots = [
        shot(
            double(time, fast, 8.0, share) + 0.003 * rng.normal(size=1000),
            time_s=time,
            file=f"{number}.bka",
            start_s=0.0,
        )
        for number, (fast, share) in enumerate(
            (fast, share) for fast in (25.0, 45.0, 86.0) for share in (0.45, 0.5, 0.55)
        )
    ]
    for place, row in enumerate(rows_of(*shots, law="double")):
        fast, share = (25.0, 45.0, 86.0)[place // 3], (0.45, 0.5, 0.55)[place % 3]
        assert row["k_per_s"] > row["k2_per_s"]
        assert row["k_per_s"] == pytest.approx(fast, abs=4 * row["k_stderr_per_s"])
        assert row["k2_per_s"] == pytest.approx(8.0, abs=4 * row["k2_stderr_per_s"])
        assert row["amplitude"] == pytest.approx(share, abs=4 * row["amplitude_stderr"])
        assert row["amplitude2"] == pytest.approx(1 - share, abs=4 * row["amplitude2_stderr"])


def test_the_fast_phase_of_a_series_is_a_line_although_amplitudes_cross(rng):
    """k_on = 3.0e5 /M/s, k_off = 10 /s, the fast phase from 80 to 20 % of the change."""
    time = np.linspace(0, 0.5, 1000)
    concentration = np.linspace(5e-5, 5e-4, 6)
    shots = [
        shot(
            double(time, 10 + 3e5 * molar, 4.0, share) + 0.003 * rng.normal(size=1000),
            time_s=time,
            file=f"{number}.bka",
            start_s=0.0,
            conditions=Conditions(substrate="S", concentration_M=molar),
        )
        for number, (molar, share) in enumerate(
            zip(concentration, np.linspace(0.8, 0.2, 6), strict=True)
        )
    ]
    rates = np.array([row["k_per_s"] for row in rows_of(*shots, law="double")])
    slope, intercept = np.polyfit(concentration, rates, 1)
    assert slope == pytest.approx(3.0e5, rel=0.05)
    assert intercept == pytest.approx(10, abs=4)


def test_a_single_phase_is_not_two_numbers(rng):
    time = np.linspace(0, 1, 600)
    signal = np.exp(-8 * time) + 0.02 * rng.normal(size=600)
    (row,) = rows_of(shot(signal, time_s=time, start_s=0.0), law="double")
    assert row["verdict"] == "FAIL"
    assert np.isnan(row["k_per_s"])
    assert np.isnan(row["k2_per_s"])
    assert row["fit_status"] in ("phases not separable", "parameters undetermined")


@pytest.mark.parametrize("law", ["single", "single-slope", "double", "lag"])
def test_a_fixed_rate_has_no_error_and_breaks_nothing(law, rng):
    time = np.linspace(0, 1, 400)
    signal = np.exp(-5 * time) + 0.01 * rng.normal(size=400)
    (row,) = rows_of(shot(signal, time_s=time, start_s=0.0), law=law, fixed={"k_per_s": 5.0})
    if np.isfinite(row["k_per_s"]):
        rates = (row["k_per_s"], row["k2_per_s"])
        assert 5.0 in rates
        name = ("k", "k2")[rates.index(5.0)]
        assert row[f"{name}_stderr_per_s"] == 0
        assert row[f"{name}_low95_per_s"] == row[f"{name}_high95_per_s"] == 5.0
    for wrong in (np.nan, -1.0, 0.0, np.inf):
        with pytest.raises(SettingsError):
            fit_trace(time, signal, law=law, fixed={"k_per_s": wrong})


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan, 1e38])
def test_one_overflow_in_a_thousand_points_is_left_out(wrong, rng):
    time = np.linspace(0, 1, 1000)
    signal = np.exp(-8 * time) + 0.01 * rng.normal(size=1000)
    signal[309] = wrong
    (row,) = rows_of(shot(signal, time_s=time))
    assert row["verdict"] == "WARN"
    assert row["rules"] == "omitted-points"
    assert "1 point has of 1000 no usable value" in row["reason"]
    assert row["k_per_s"] == pytest.approx(8, abs=4 * row["k_stderr_per_s"])
    signal[::20] = wrong
    assert not overflows(signal).any()
    (row,) = rows_of(shot(signal, time_s=time))
    assert row["verdict"] == "FAIL"


def test_ten_good_points_are_no_coarse_digitiser(rng):
    time = np.linspace(0, 600, 10)
    signal = np.round(3000 * np.exp(-0.006 * time) + 200 + 5 * rng.normal(size=10), 1)
    (row,) = rows_of(shot(signal, time_s=time))
    assert "levels" not in row["reason"]
    assert row["k_per_s"] == pytest.approx(0.006, abs=5 * row["k_stderr_per_s"])


@pytest.mark.parametrize("value", [0.0, None])
def test_the_padding_after_an_early_stop_is_left_out(value, rng):
    """Padded with zeros, or with the last value."""
    time = np.linspace(0, 1, 501)
    signal = 2 + np.exp(-9 * time) + 0.01 * rng.normal(size=501)
    signal[400:] = signal[399] if value is None else value
    (row,) = rows_of(shot(signal, time_s=time))
    assert row["verdict"] == "WARN"
    assert "was padded" in row["reason"]
    assert row["k_per_s"] == pytest.approx(9, abs=4 * row["k_stderr_per_s"])


def test_neither_saturation_nor_a_coarse_plateau_is_padding(rng):
    time = np.linspace(0, 1, 1000)
    rising = 1 - np.exp(-9 * time)
    saturated = np.minimum(rising + 0.01 * rng.normal(size=1000), 0.8)
    assert padded_tail(np.sort(saturated)) == 0
    assert padded_tail(np.round(rising, 2)) == 0


def test_a_start_far_before_the_data_is_refused_by_name():
    time = np.linspace(0, 0.5, 300)
    signal = np.exp(-8 * time) + 0.5
    for start in (-1e10, -100.0, -0.6):
        fit = fit_trace(time, signal, start_s=start)
        assert fit.status is FitStatus.START_OUTSIDE
        assert "before the first point" in fit.reason
        (row,) = rows_of(shot(signal, time_s=time, start_s=start))
        assert row["verdict"] == "FAIL"
    near = fit_trace(time, signal, start_s=-0.1)
    assert near.amplitude == pytest.approx(np.exp(0.8), rel=1e-6)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("robust", [False, True])
def test_data_without_noise_have_no_error_and_stop_nothing(law, robust):
    """The profile of exact data is rounding: it has neither a bracket nor a variance."""
    time = np.linspace(0, 1, 495)
    (row,) = rows_of(shot(np.exp(-0.2 * time), time_s=time, start_s=0.0), law=law, robust=robust)
    assert row["reason"]


def test_noise_that_waits_behind_too_few_points_is_no_pass():
    """Two first residuals far outside the noise of 47 others: what is left of an artefact."""
    rng = np.random.default_rng(5)
    time = np.geomspace(0.02, 40, 49) - 0.02
    signal = -6.4 * np.exp(-2.165 * time) + 5.1 + 0.08 * rng.normal(size=49)
    signal[:2] += [0.9, -0.9]
    (row,) = rows_of(shot(signal, time_s=time, start_s=0.0))
    assert "systematic pattern" in row["reason"]
