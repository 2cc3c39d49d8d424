"""The search for the rates of several phases finds the lowest minimum there is."""

import numpy as np
import pytest
from scipy.ndimage import minimum_filter
from scipy.optimize import least_squares

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import LAWS

PHASES = {"double": 2, "double-slope": 2, "triple": 3}
SLOWEST_KT = 0.02
# Rates on the grid of the exhaustive search, and how many of its minima are followed.
GRID = {2: 70, 3: 30}
FOLLOWED = 25


def rows_of(time, rates, *, slope):
    """Exponentials and baseline (m, N)."""
    baseline = np.stack((np.ones_like(time), time))[: 1 + slope]
    return np.concatenate((np.exp(-np.asarray(rates)[:, None] * time), baseline))


def rest_of(time, signal, rates, *, slope):
    rows = rows_of(time, rates, slope=slope).T
    return signal - rows @ np.linalg.lstsq(rows, signal, rcond=None)[0]


def exhaustive(time, signal, law):
    """Smallest sum of squares, by every minimum of a dense grid: no code of the program."""
    phases, slope = PHASES[law], law.endswith("slope")
    grid = np.geomspace(SLOWEST_KT, 2 / (time[2] - time[0]), GRID[phases])
    rows = rows_of(time, grid, slope=slope)
    gram, target = rows @ rows.T, rows @ signal
    lines = np.arange(len(grid), len(rows))
    misfit = np.full((len(grid),) * phases, np.inf)
    places = np.argwhere(np.ones_like(misfit, dtype=bool))
    places = places[(np.diff(places, axis=1) > 0).all(axis=1)]
    used = np.concatenate((places, np.tile(lines, (len(places), 1))), axis=1)
    matrix = gram[used[:, :, None], used[:, None]] + 1e-12 * np.eye(used.shape[1])
    solved = np.linalg.solve(matrix, target[used][..., None])[..., 0]
    misfit[tuple(places.T)] = signal @ signal - (solved * target[used]).sum(axis=1)
    tops = np.argwhere(np.isfinite(misfit) & (misfit <= minimum_filter(misfit, size=3)))
    tops = tops[np.argsort(misfit[tuple(tops.T)])][:FOLLOWED]
    found = [
        least_squares(
            lambda x: rest_of(time, signal, np.exp(np.clip(x, -12, 14)), slope=slope),
            np.log(grid[top]),
            xtol=1e-10,
            ftol=1e-12,
        )
        for top in tops
    ]
    best = min(found, key=lambda item: item.cost)
    return 2 * best.cost, np.sort(np.exp(best.x))


def draw(law, number):
    """Rates 3 to 100 times apart, amplitudes 0.01 to 10 times the slow one's, of either sign."""
    rng = np.random.default_rng([909, PHASES[law], number])
    extra = PHASES[law] - 1
    ratios = np.exp(rng.uniform(np.log(3), np.log(100 if extra == 1 else 20), extra))
    rates = np.exp(rng.uniform(np.log(1.5), np.log(12))) * np.cumprod(np.append(1.0, ratios))
    sizes = np.exp(rng.uniform(np.log(0.01), np.log(10), extra)) * rng.choice([-1, 1], extra)
    points = int(np.exp(rng.uniform(np.log(200), np.log(600))))
    early = np.linspace(0, 0.05, points // 3, endpoint=False)
    time = np.concatenate((early, np.linspace(0.05, 1, points - len(early))))
    signal = rows_of(time, rates, slope=True).T @ np.concatenate(
        ([1.0], sizes, [0.5], [0.2 * rng.normal() * law.endswith("slope")])
    )
    noise = np.ptp(signal) / np.exp(rng.uniform(np.log(50), np.log(3000)))
    return time, signal + noise * rng.standard_normal(points)


@pytest.mark.slow
@pytest.mark.parametrize("law", PHASES)
def test_no_minimum_lies_lower(law, full_proof):
    """One draw in twelve of two phases, one in eight of three, ended where two rates are one."""
    draws = 600 if full_proof else {"double": 40, "double-slope": 12, "triple": 12}[law]
    compared, higher = 0, []
    for number in range(draws):
        time, signal = draw(law, number)
        lowest, rates = exhaustive(time, signal, law)
        fastest = 4 / (time[2] - time[0])
        if not (rates[0] > 2 * SLOWEST_KT and rates[-1] < fastest / 2):
            # At the edge of what the sampling shows the program refuses.
            continue
        fit = fit_trace(time, signal, law=law)
        found = fit.parameters if fit.ok else fit.nearest
        if not found:
            # Another refusal than for lack of a phase: correlated noise, no amplitude.
            continue
        compared += 1
        rest = signal - LAWS[law].evaluate(time, found)
        # Of a refused fit the nearest curve is where the last steps began.
        if rest @ rest > lowest * (1 + (1e-6 if fit.ok else 2e-4)):
            higher.append((number, rest @ rest / lowest - 1))
            assert not fit.ok
    assert not higher
    assert compared > draws / 2


def test_a_small_fast_phase_beside_a_large_one(rng):
    """The data determine both; the search ended in two equal rates and called them undetermined."""
    time = np.linspace(0, 1, 1000)
    clean = 0.346 * np.exp(-9.977 * time) - 0.004 * np.exp(-148 * time)
    for _ in range(5):
        fit = fit_trace(time, clean + 2e-4 * rng.standard_normal(1000), law="double")
        assert fit.ok, fit.reason
        for name, truth in (("k_per_s", 148), ("k2_per_s", 9.977), ("amplitude", -0.004)):
            assert abs(fit.parameters[name] - truth) < 5 * fit.stderr[name]
            assert fit.stderr[name] < 0.2 * abs(truth)
