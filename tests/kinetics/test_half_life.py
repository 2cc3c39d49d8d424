"""Half-lives: every law of the table at its own half, by the curve itself."""

import numpy as np
import pytest
from lab_shots import shot

from stopflow.kinetics.analysis import (
    AnalysisSettings,
    analyse_experiment,
    condition_rows,
    shot_rows,
)
from stopflow.kinetics.laws import LAWS, find_law
from stopflow.trace import Conditions, Experiment

SAME = Conditions(substrate="S", concentration_M=1e-4)

VALUES = dict(
    k_per_s=50.0,
    k2_per_s=7.0,
    k3_per_s=1.5,
    beta=0.7,
    ratio=0.4,
    amplitude=2.0,
    amplitude2=1.0,
    amplitude3=0.5,
    slope_per_s=0.3,
    intercept=0.1,
)


# At the end of a law that falls with a power of time too.
FOREVER_S = 1e15


@pytest.mark.parametrize("key", LAWS)
def test_half_of_the_change_is_over_at_the_half_life(key):
    """The line under the reaction does not count."""
    law = LAWS[key]
    parameters = {name: VALUES[name] for name in law.parameters}
    bare = parameters | {
        name: 0.0 for name in law.parameters if name in ("slope_per_s", "intercept")
    }
    first, half, last = law.evaluate(np.array([0.0, law.half_life_s(parameters), FOREVER_S]), bare)
    assert half == pytest.approx((first + last) / 2, rel=1e-5)


def test_closed_forms():
    """Espenson, Chemical Kinetics and Reaction Mechanisms, 2nd ed., chapters 2 and 4."""
    expected = {
        "single": np.log(2) / 50,
        "burst": np.log(2) / 50,
        "second-order": 1 / 50,
        "second-order-unequal": np.log(1.6) / (0.6 * 50),
        "stretched": np.log(2) ** (1 / 0.7) / 50,
    }
    for key, value in expected.items():
        assert LAWS[key].half_life_s(VALUES) == pytest.approx(value, rel=1e-12)
    near = VALUES | {"ratio": 1.0}
    assert LAWS["second-order-unequal"].half_life_s(near) == pytest.approx(1 / 50, rel=1e-12)
    # Equal rates in a row: (1 + kt) exp(-kt) = 1/2 at kt = 1.67834699.
    equal = VALUES | {"k2_per_s": 50.0}
    assert LAWS["lag"].half_life_s(equal) == pytest.approx(1.678346990 / 50, rel=1e-8)


def test_a_curve_that_turns_back_and_a_formula_have_none():
    turning = VALUES | {"amplitude": 1.0, "amplitude2": -1.2}
    assert np.isnan(LAWS["double"].half_life_s(turning))
    assert np.isnan(find_law("a*exp(-k*t) + b").half_life_s({"k_per_s": 3.0, "a": 1.0, "b": 0.0}))


@pytest.mark.parametrize("replicates", [1, 3])
def test_tables_give_the_half_life_of_the_law(rng, replicates):
    time = np.linspace(0, 1, 500)
    signals = 1 / (1 + 20 * time) + 0.002 * rng.normal(size=(replicates, 500))
    shots = [
        shot(signal, time_s=time, start_s=0.0, file=f"{number}.bka", conditions=SAME)
        for number, signal in enumerate(signals)
    ]
    made = Experiment(name="lab", shots=tuple(shots))
    analysed = analyse_experiment(made, AnalysisSettings(law="second-order"))
    for rows in (shot_rows(analysed), condition_rows(analysed)):
        assert rows[0]["half_life_s"] == pytest.approx(1 / rows[0]["k_per_s"])
        assert rows[0]["half_life_s"] == pytest.approx(0.05, rel=0.02)
