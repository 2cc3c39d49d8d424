"""Whether a signal comes in levels, and their distance."""

import numpy as np
import pytest

from stopflow.kinetics.uncertainty.quantisation import digitising_step


def step_of(signal):
    return digitising_step(np.unique(signal), points=len(signal))


LEVELS = np.arange(200) / 7


@pytest.mark.parametrize("step", [1e-3, 0.25, 2.0**-12])
@pytest.mark.parametrize("offset", [0.0, -1.7])
def test_the_distance_of_levels_is_found(rng, step, offset):
    exact = rng.uniform(0, 60, 2000) * step
    assert step_of(offset + step * np.round(exact / step)) == pytest.approx(step)


@pytest.mark.parametrize(
    ("signal", "why"),
    [
        (LEVELS, "a ramp on a lattice, no value twice"),
        (np.full(200, 0.5), "one value"),
        (np.repeat(LEVELS[:3], 3), "nine points"),
        (np.repeat(np.sqrt(np.arange(1.0, 60.0)), 3), "values twice, on no lattice"),
    ],
)
def test_other_signals_have_no_levels(signal, why):
    assert step_of(signal) == 0.0, why
