"""Plans against the published table of the bound and against repeated draws."""

import numpy as np
import pytest
from lab_shots import TIME, decay, noisy

from stopflow.errors import SettingsError
from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.plan import plan_recording
from stopflow.pipeline.one_file.single import PlannedFile


def test_the_best_window_is_at_kt_13(rng: np.random.Generator) -> None:
    plan = plan_recording(TIME, noisy(rng, decay(8.0)), precision=0.02)
    best = plan.recordings[1]
    assert best.window_s * plan.fit.k_per_s == pytest.approx(13, abs=1)
    # sigma_k / k = (sigma / |c|) g / sqrt(N) with g = 15.0 at the optimum.
    expected = 15.0 / plan.fit.signal_to_noise / np.sqrt(best.points)
    assert best.relative_error == pytest.approx(expected, rel=0.01)


def test_the_promised_error_is_what_repeated_shots_show(rng: np.random.Generator) -> None:
    k = [fit_trace(TIME, noisy(rng, decay(20.0))).k_per_s for _ in range(400)]
    plan = plan_recording(TIME, noisy(rng, decay(20.0)), precision=0.02)
    assert plan.recordings[0].relative_error == pytest.approx(np.std(k) / 20, rel=0.12)


def test_shots_follow_from_the_error(rng: np.random.Generator) -> None:
    plan = plan_recording(TIME, noisy(rng, decay(20.0), sd=0.2), precision=0.005)
    for way in plan.recordings:
        assert (way.shots - 1) * 0.005**2 < way.relative_error**2 <= way.shots * 0.005**2 * 1.0001
        assert way.window_s == pytest.approx(way.interval_s * (way.points - 1))
    assert plan.recordings[2].interval_s == pytest.approx(TIME[1], rel=0.01)


def test_a_short_window_for_one_shot_is_offered(rng: np.random.Generator) -> None:
    plan = plan_recording(TIME, noisy(rng, decay(20.0)), precision=0.05)
    single = plan.recordings[-1]
    assert single.name.endswith("one shot")
    assert single.relative_error <= 0.05
    assert single.window_s < plan.recordings[0].window_s


def test_no_reaction_no_plan(rng: np.random.Generator) -> None:
    plan = plan_recording(TIME, rng.standard_normal(len(TIME)), precision=0.02)
    assert plan.recordings == ()
    assert plan.reason


@pytest.mark.parametrize("precision", [0.0, -1.0, 1.0, np.nan])
def test_impossible_precisions_are_refused(precision: float) -> None:
    with pytest.raises(SettingsError, match="precision"):
        plan_recording(TIME, decay(), precision=precision)


def test_the_table_fits_a_terminal_of_80_columns(rng: np.random.Generator) -> None:
    time = np.linspace(0, 0.5, 15_001)
    signal = np.exp(-3 * time) + 0.05 * rng.normal(size=len(time))
    plan = plan_recording(time, signal, precision=0.005)
    titles, rows = PlannedFile(file="a.bka", plan=plan).table()
    assert len(rows) >= 3
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    assert sum(widths) + 3 * len(widths) + 1 <= 80
