"""Means of replicates and the tests against a lab's common repeatability."""

import numpy as np
import pytest
from scipy import stats

from stopflow.kinetics.verdicts import repeatability
from stopflow.kinetics.verdicts.repeatability import (
    Series,
    as_series,
    drift_of,
    outliers_of,
    pool,
    scatter_of,
)
from stopflow.kinetics.verdicts.replicates import average_replicates


@pytest.mark.slow
@pytest.mark.parametrize("shots", [3, 5, 7])
def test_interval_of_replicates_covers_the_truth(
    shots: int, full_proof, rng: np.random.Generator
) -> None:
    """94 to 96 %; the single-shot errors play no part however wrong they are."""
    draws = 40_000 if full_proof else 6_000
    k = 5 + 0.1 * rng.standard_normal((draws, shots))
    covered = 0
    for row in k:
        mean = average_replicates(row, np.full(shots, 1e-4))
        covered += mean.k_low_per_s < 5 < mean.k_high_per_s
    assert 0.94 < covered / draws < 0.96


def test_three_shots_give_the_interval_of_a_t_test() -> None:
    k = np.array([4.9, 5.05, 5.2])
    mean = average_replicates(k, [0.01, 0.02, 0.03])
    expected = stats.t.interval(0.95, 2, loc=k.mean(), scale=stats.sem(k))
    assert (mean.k_low_per_s, mean.k_high_per_s) == pytest.approx(expected)
    assert mean.source == "replicates"
    assert mean.scatter_ratio == pytest.approx(k.std(ddof=1) / 0.02)


def test_fewer_shots_fall_back_on_the_single_fits() -> None:
    two = average_replicates([4.0, 4.4], [0.3, 0.4])
    assert two.k_stderr_per_s == pytest.approx(0.25)
    assert two.source == "single shot"
    one = average_replicates([4.0], [0.3], interval=(3.2, 5.1))
    assert (one.k_low_per_s, one.k_high_per_s) == (3.2, 5.1)
    assert np.isnan(one.between_shot_sd_per_s)
    none = average_replicates([], [])
    assert none.shots == 0
    assert np.isnan(none.k_per_s)


def lab(rng: np.random.Generator, *, conditions: int = 20, shots: int = 6) -> list[Series]:
    """Conditions of different noise and one common scatter of 2 %."""
    found = []
    for _ in range(conditions):
        error = rng.uniform(0.002, 0.03)
        log_k = rng.uniform(0, 4) + np.hypot(0.02, error) * rng.standard_normal(shots)
        found.append(as_series(np.arange(shots), np.exp(log_k), error * np.exp(log_k)))
    return found


def with_k(series: Series, log_k: np.ndarray) -> Series:
    return Series(order=series.order, log_k=log_k, error=series.error)


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_promised(full_proof, rng: np.random.Generator) -> None:
    """Chances of a lab without any fault are uniform within a factor, at the level used."""
    labs = 400 if full_proof else 60
    drifts, scatters, outliers = [], [], []
    for _ in range(labs):
        series = lab(rng)
        common = pool(series)
        drifts += [found.chance for item in series if (found := drift_of(item, common))]
        scatters += [found.chance for item in series if (found := scatter_of(item, common))]
        outliers += [found.chance for row in outliers_of(series) for found in row if found]
    for chances in (drifts, scatters, outliers):
        assert 0.035 < np.mean(np.array(chances) < 0.05) < 0.08
        assert np.mean(np.array(chances) < 0.0025) < 0.007


def test_the_common_scatter_is_found(rng: np.random.Generator) -> None:
    found = [pool(lab(rng)).tau for _ in range(40)]
    assert np.mean(found) == pytest.approx(0.02, abs=0.002)


def test_one_drifting_series_stands_out(rng: np.random.Generator) -> None:
    series = lab(rng, conditions=12, shots=7)
    drifting = with_k(series[4], series[4].log_k + 0.03 * np.arange(7))
    series[4] = drifting
    common = pool(series)
    chances = [found.chance for item in series if (found := drift_of(item, common))]
    assert np.argmin(chances) == 4
    assert chances[4] < 0.05 / 12
    found = drift_of(drifting, common)
    assert found is not None
    assert found.size == pytest.approx(np.expm1(0.18), abs=0.08)


def test_an_outlier_is_named_and_does_not_hide_itself(rng: np.random.Generator) -> None:
    series = lab(rng, conditions=6, shots=5)
    log_k = np.array(series[2].log_k)
    log_k[3] += 0.3
    series[2] = with_k(series[2], log_k)
    rows = outliers_of(series)
    chances = {
        (i, j): found.chance for i, row in enumerate(rows) for j, found in enumerate(row) if found
    }
    assert min(chances, key=chances.__getitem__) == (2, 3)
    assert chances[2, 3] < 0.05 / len(chances)


def test_shots_are_put_in_order() -> None:
    series = as_series([3, 1, 2], [3.0, 1.0, 2.0], [0.3, 0.1, 0.2])
    np.testing.assert_allclose(np.exp(series.log_k), [1, 2, 3])
    np.testing.assert_allclose(series.error, 0.1)


def test_too_few_shots_are_not_judged() -> None:
    two = as_series([0, 1], [1.0, 2.0], [0.1, 0.1])
    common = pool([two])
    assert common.dof == 0
    assert drift_of(two, common) is None
    assert scatter_of(two, common) is None
    assert outliers_of([two]) == [[None, None]]


@pytest.mark.parametrize("seed", range(3))
def test_tau_without_a_shot_is_the_median_over_all_other_conditions(seed, monkeypatch):
    """The two that are left of three shots count as a condition too."""
    generator = np.random.default_rng(seed)
    series = [
        as_series(
            np.arange(count),
            np.exp(generator.normal(0, 0.05, count)),
            np.full(count, generator.uniform(0.01, 0.06)),
        )
        for count in generator.integers(1, 7, 30)
    ]
    found = outliers_of(series)
    for place, item in enumerate(series):
        for shot, deviation in enumerate(found[place]):
            if len(item) < 3:
                assert deviation is None
                continue
            rest = item.without(shot)
            others = [one for number, one in enumerate(series) if number != place and len(one) >= 3]
            with monkeypatch.context() as allowing_pairs:
                allowing_pairs.setattr(repeatability, "FEWEST_SHOTS", 2)
                common = pool([*others, rest])
            weights = 1 / (rest.error**2 + common.tau**2)
            away = item.log_k[shot] - np.average(rest.log_k, weights=weights)
            variance = item.error[shot] ** 2 + common.tau**2 + 1 / weights.sum()
            chance = 2 * stats.t.sf(abs(away) / np.sqrt(variance), common.dof)
            assert deviation.chance == pytest.approx(chance, rel=1e-9)
            assert deviation.size == pytest.approx(np.expm1(away), rel=1e-9)


def test_the_chance_of_an_outlier_is_that_of_a_t_test() -> None:
    """Without scatter beyond the errors, and those equal: a new value against the mean of n."""
    log_k = np.array([0.0, 0.01, -0.01, 0.05])
    error = 0.02
    series = Series(order=np.arange(4), log_k=log_k, error=np.full(4, error))
    (row,) = outliers_of([series])
    found = row[3]
    assert found is not None
    deviation = 0.05 / (error * np.sqrt(1 + 1 / 3))
    assert found.size == pytest.approx(np.expm1(0.05), rel=1e-12)
    assert found.chance == pytest.approx(2 * stats.t.sf(deviation, 2), rel=1e-9)
