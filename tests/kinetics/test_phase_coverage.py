"""Intervals of two and three phases hold the truth as often as they say; no phase is swapped."""

from itertools import permutations

import numpy as np
import pytest
from lab_shots import shot

from stopflow.kinetics.analysis import AnalysisSettings, analyse_experiment
from stopflow.kinetics.laws import LAWS
from stopflow.trace import Experiment

RATES = ("k_per_s", "k2_per_s", "k3_per_s")
AMPLITUDES = ("amplitude", "amplitude2", "amplitude3")
PHASES = {"double": 2, "triple": 3}


def draw_phases(law, number):
    """Rates 3 to 100 times apart, amplitudes of .1 to 10 times each other and of either sign.

    Two time bases: a quarter of the points in the first twentieth of the record.
    """
    rng = np.random.default_rng([PHASES[law], number])
    length_s = float(np.exp(rng.uniform(np.log(0.05), np.log(50))))
    slowest = rng.uniform(3, 8) / length_s
    ratios = np.exp(rng.uniform(np.log(3), np.log(100), PHASES[law] - 1))
    if PHASES[law] == 3:
        # The fastest of three would be over before the second point.
        ratios = np.sqrt(ratios * 3)
    rates = slowest * np.cumprod(np.concatenate(([1.0], ratios)))[::-1]
    sizes = np.exp(rng.uniform(np.log(0.1), np.log(10), PHASES[law] - 1))
    sizes = np.concatenate(([1.0], sizes)) * rng.choice([-1.0, 1.0], PHASES[law])
    points = int(np.exp(rng.uniform(np.log(600), np.log(4000))))
    early = np.linspace(0, length_s / 20, points // 4, endpoint=False)
    late = np.linspace(length_s / 20, length_s, points - len(early))
    time = np.concatenate((early, late))
    truth = dict(zip(RATES, rates.tolist(), strict=False))
    truth |= dict(zip(AMPLITUDES, sizes.tolist(), strict=False))
    signal = LAWS[law].evaluate(time, truth | {"intercept": 1.0})
    noise = np.ptp(signal) / np.exp(rng.uniform(np.log(30), np.log(300)))
    return truth, time, signal + noise * rng.standard_normal(points)


def swapped(truth, result, phases):
    """Whether rates and amplitudes, by their errors, are nearer to those of phases exchanged."""
    found, errors = result.fit.parameters, result.stderr

    def distance(order):
        return sum(
            ((found[names[place]] - truth[names[other]]) / errors[names[place]]) ** 2
            for place, other in enumerate(order)
            for names in (RATES, AMPLITUDES)
        )

    return min(permutations(range(phases)), key=distance) != tuple(range(phases))


def count_held(law, draws):
    """Fits called separable: (how many, held of each parameter, how many swapped)."""
    phases = PHASES[law]
    names = RATES[:phases] + AMPLITUDES[:phases]
    held, fitted, wrong = dict.fromkeys(names, 0), 0, []
    for number in range(draws):
        truth, time, signal = draw_phases(law, number)
        made = Experiment(name="lab", shots=(shot(signal, time_s=time, start_s=0.0),))
        result = analyse_experiment(made, AnalysisSettings(law=law)).shots[0].shot.result
        if result is None:
            continue
        fitted += 1
        for name in names:
            low, high = result.intervals[name]
            held[name] += low <= truth[name] <= high
        if swapped(truth, result, phases):
            wrong.append(number)
    return fitted, held, wrong


@pytest.mark.slow
@pytest.mark.parametrize("law", PHASES)
def test_intervals_of_phases_hold_the_truth(law, full_proof):
    """Where the phases are called separable."""
    draws = 5000 if full_proof else {"double": 120, "triple": 60}[law]
    fitted, held, wrong = count_held(law, draws)
    shares = {name: count / fitted for name, count in held.items()}
    assert fitted > draws / 3
    assert not wrong
    slack = 3 * np.sqrt(0.05 * 0.95 / fitted)
    assert min(shares.values()) >= 0.94 - slack, shares
    assert max(shares.values()) <= 0.96 + slack, shares
