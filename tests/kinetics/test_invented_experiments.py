"""Experiments as laboratories have them: the verdicts true of each, and never a wrong PASS."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from lab_shots import shot

from stopflow.kinetics.analysis import AnalysisSettings, analyse_experiment
from stopflow.kinetics.verdicts.findings import Verdict
from stopflow.trace import Conditions, Experiment

pytestmark = pytest.mark.whole

TIME = np.linspace(0, 0.5, 2000)
Signal = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def noise(rng: np.random.Generator, time: np.ndarray, size: float = 0.01) -> np.ndarray:
    return size * rng.standard_normal(len(time))


def burst_with_drift(rng):
    """A burst of 60 per second, steady turnover, and the lamp that warms up."""
    warming = 0.05 * np.exp(-TIME / 2)
    return TIME, 0.5 * (1 - np.exp(-60 * TIME)) + 0.8 * TIME + warming + noise(rng, TIME, 0.004)


def bleaching(rng):
    """Fluorescence that the light destroys at 1.5 per second; the rates of the two add up."""
    return TIME, (1 - 0.4 * np.exp(-30 * TIME)) * np.exp(-1.5 * TIME) + noise(rng, TIME, 0.004)


def bubbles(rng):
    """Three bubbles pass the beam during the reaction."""
    passing = sum(0.3 * np.exp(-(((TIME - at) / 0.008) ** 2)) for at in (0.04, 0.11, 0.3))
    return TIME, np.exp(-20 * TIME) + passing + noise(rng, TIME)


def flicker(rng):
    """Hum of 50 Hz, five times the noise."""
    return TIME, np.exp(-20 * TIME) + 0.05 * np.sin(2 * np.pi * 50 * TIME) + noise(rng, TIME)


def saturated(rng):
    """The detector ends at 0.7 of the signal's range."""
    return TIME, np.minimum(1 - np.exp(-20 * TIME) + noise(rng, TIME), 0.7)


def unfinished(rng):
    """A twentieth of the reaction within the record."""
    return TIME, np.exp(-0.1 * TIME) + noise(rng, TIME, 0.002)


def hardly_any_change(rng):
    """A change of half the noise."""
    return TIME, 2 + 0.005 * np.exp(-20 * TIME) + noise(rng, TIME)


def falling(rng):
    """Counts of a million that fall by a thousand, to below zero of the change."""
    return TIME, 1e6 - 1e3 * (1 - np.exp(-20 * TIME)) + noise(rng, TIME, 10)


def recorded_before_zero(rng):
    """The record begins 0.1 s before the trigger at time 0."""
    time = np.linspace(-0.1, 0.4, 2000)
    return time, np.exp(-20 * np.maximum(time, 0)) + noise(rng, time)


def trigger_too_early(rng):
    """The flow goes on for 60 ms after the trigger."""
    age = np.maximum(TIME - 0.06, 0)
    ringing = 0.2 * np.exp(-age / 1e-3) * np.cos(2500 * age) * (TIME >= 0.06)
    return TIME, np.exp(-20 * age) + ringing + noise(rng, TIME)


def lamp_step(rng):
    """The lamp jumps by a tenth of the change in the middle of the reaction."""
    return TIME, np.exp(-20 * TIME) + 0.1 * (TIME > 0.06) + noise(rng, TIME)


def two_of_a_size(rng):
    """Two phases, twice as fast as each other, of one size."""
    return TIME, 0.5 * np.exp(-40 * TIME) + 0.5 * np.exp(-20 * TIME) + noise(rng, TIME)


def dying_lamp(rng):
    """The light falls by a third within the record, and everything with it."""
    return TIME, (2 + np.exp(-20 * TIME)) * (1 - 0.7 * TIME) + noise(rng, TIME)


RIGHT: dict[str, tuple[Signal, float, set[str]]] = {
    "burst with drift": (burst_with_drift, 60, {"PASS", "WARN"}),
    "bleaching": (bleaching, 31.5, {"WARN", "FAIL"}),
    "bubbles": (bubbles, 20, {"WARN", "FAIL"}),
    "flicker": (flicker, 20, {"PASS", "WARN", "FAIL"}),
    "saturated": (saturated, 20, {"FAIL"}),
    "unfinished": (unfinished, 0.1, {"WARN", "FAIL"}),
    "hardly any change": (hardly_any_change, 20, {"WARN", "FAIL"}),
    "falling": (falling, 20, {"PASS"}),
    "recorded before zero": (recorded_before_zero, 20, {"PASS", "WARN"}),
    "trigger too early": (trigger_too_early, 20, {"PASS", "WARN"}),
    "lamp step": (lamp_step, 20, {"WARN", "FAIL"}),
    "two of a size": (two_of_a_size, 26, {"WARN", "FAIL"}),
    "dying lamp": (dying_lamp, 20, {"WARN", "FAIL"}),
}
"""Name -> the trace, the rate, and the verdicts that are true of it under the default rate law."""


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("law", ["single-slope", "single", "auto", "double"])
def test_the_verdict_is_true(name: str, law: str, rng: np.random.Generator) -> None:
    """No PASS of a rate off by more than four errors and 2 %, whatever the law."""
    made, k, verdicts = RIGHT[name]
    for _ in range(3):
        time, signal = made(rng)
        lab = Experiment(name="lab", shots=(shot(signal, time_s=time),))
        judged = analyse_experiment(lab, AnalysisSettings(law=law)).shots[0]
        if law == "single-slope":
            assert judged.verdict.value in verdicts, judged.findings
        result = judged.shot.result
        if judged.verdict is Verdict.PASS and result is not None and name != "two of a size":
            fit = result.fit
            rates = [rate for rate in fit.rate_law.rates if rate in fit.parameters]
            off = [
                abs(fit.parameters[rate] - k) / max(4 * result.stderr[rate], 0.02 * k)
                for rate in rates
            ]
            assert min(off) < 1, (fit.parameters, judged.shot.window)


def test_two_channels_of_one_push_are_two_conditions(rng: np.random.Generator) -> None:
    """Absorbance and fluorescence of six pushes: their rates are not averaged."""
    shots = []
    for number in range(6):
        given = Conditions(substrate="S", concentration_M=1e-3, replicate=number + 1)
        for channel, sign in enumerate((1.0, -300.0)):
            signal = sign * np.exp(-20 * TIME) + noise(rng, TIME, 0.01 * abs(sign))
            made = shot(signal, time_s=TIME, file=f"{number}.bka", conditions=given)
            shots.append(replace(made, channel=channel))
    analysed = analyse_experiment(Experiment(name="lab", shots=tuple(shots)))
    assert [item.mean.shots for item in analysed.conditions] == [6, 6]
    assert all(item.mean.k_per_s == pytest.approx(20, rel=0.02) for item in analysed.conditions)
