"""What a verdict tells a chemist to do is what helps: spikes, limits of a detector, time zero."""

import numpy as np
import pytest
from lab_shots import shot

from stopflow.kinetics.analysis import AnalysisSettings, analyse_experiment
from stopflow.kinetics.laws import LAWS
from stopflow.kinetics.signal_checks import stray_points, without_stray
from stopflow.kinetics.verdicts.findings import Verdict
from stopflow.kinetics.verdicts.sentences import say
from stopflow.trace import Experiment

TIME = np.linspace(0, 1, 1500)


def judge(*signals, time=TIME, law="single-slope", robust=False, start_s=None):
    shots = tuple(shot(signal, time_s=time, start_s=start_s) for signal in signals)
    settings = AnalysisSettings(law=law, robust=robust)
    return analyse_experiment(Experiment(name="lab", shots=shots), settings).shots


def spiky(rng):
    signal = np.exp(-12 * TIME) + 0.005 * rng.normal(size=1500)
    signal[[300, 640, 1100]] += [1.5, -0.8, 2.0]
    return signal


def test_stray_points_are_told_with_what_helps(rng):
    signal = spiky(rng)
    (plain,) = judge(signal)
    assert plain.verdict is Verdict.WARN
    (finding,) = (item for item in plain.findings if item.rule == "residual-runs")
    assert say(finding).startswith("3 points lie far off the fit")
    assert "--robust" in say(finding)


def test_stray_points_do_not_fail_a_robust_fit(rng):
    """k was right to a tenth of a per cent, and the verdict FAIL; or a spike was an artefact."""
    (robust,) = judge(spiky(rng), robust=True)
    assert robust.verdict is Verdict.PASS
    assert robust.shot.result is not None
    assert robust.shot.result.fit.k_per_s == pytest.approx(12, rel=0.01)


def test_a_robust_fit_that_waves_still_warns(rng):
    signal = spiky(rng) + 0.05 * np.sin(40 * TIME)
    (robust,) = judge(signal, robust=True)
    assert "residual-runs" in {item.rule for item in robust.findings}


def test_neither_a_bubble_nor_many_points_are_stray(rng):
    rest = 0.01 * rng.normal(size=1000)
    assert not stray_points(rest).any()
    bubble = rest.copy()
    bubble[400:420] += 1
    assert not stray_points(bubble).any()
    many = rest.copy()
    many[::20] += 1
    assert not stray_points(many).any()
    few = rest.copy()
    few[[10, 500, 501]] += 1
    assert np.flatnonzero(stray_points(few)).tolist() == [10, 500, 501]


def test_a_spike_is_no_artefact_and_ringing_is(rng):
    """Only points that stand alone, later than an artefact lasts, are put between their neighbours.

    Nothing else of the signal is touched.
    """
    calm = np.exp(-12 * TIME) + 0.005 * rng.normal(size=1500)
    assert without_stray(calm, after=40) is calm
    signal = spiky(rng)
    moved = np.flatnonzero(without_stray(signal, after=40) != signal)
    assert moved.tolist() == [300, 640, 1100]
    assert without_stray(signal, after=1200) is signal
    flat = np.zeros(1500)
    flat[700] = 1.0
    assert without_stray(flat, after=40) is flat
    (judged,) = judge(signal)
    assert judged.shot.window is not None
    assert judged.shot.window.start_s == 0


def test_a_saturated_detector_asks_for_no_other_rate_law(rng):
    """Its flat part was a distribution of rates, and a start that could not be found."""
    clean = np.exp(-12 * TIME) + 0.01 * rng.normal(size=1500)
    (judged,) = judge(np.maximum(clean, 0.15))
    assert judged.verdict is Verdict.FAIL
    assert {item.rule for item in judged.findings} == {"saturated"}


@pytest.mark.parametrize("law", ["second-order", "stretched", "lag"])
def test_a_record_that_begins_after_time_zero_says_that_k_depends_on_it(law, rng):
    """k of a second-order reaction seen from 1/k on is half of what it was; it passed."""
    values = {"k_per_s": 20.0, "k2_per_s": 6.0, "beta": 0.7, "amplitude": 1.0, "intercept": 0.5}
    late = TIME + 0.05
    signal = LAWS[law].evaluate(late, values) + 0.003 * rng.normal(size=1500)
    rules = {item.rule for item in judge(signal, time=late, law=law)[0].findings}
    assert "time-zero" in rules
    (given,) = judge(signal, time=late, law=law, start_s=0.0)
    assert "time-zero" not in {item.rule for item in given.findings}
    result = given.shot.result
    assert result is not None
    for name in LAWS[law].nonlinear:
        assert abs(result.fit.parameters[name] - values[name]) < 4 * result.stderr[name]


def test_a_ratio_at_its_limit_says_which_law_to_use(rng):
    time = np.linspace(0, 1, 800)
    ends = {"second-order": 1 / (1 + 40 * time), "single": np.exp(-8 * time)}
    for advised, clean in ends.items():
        reasons = {
            judge(clean + 0.003 * rng.normal(size=800), time=time, law="second-order-unequal")[
                0
            ].shot.reason
            for _ in range(8)
        }
        assert any(reason.endswith(f"use --law {advised}") for reason in reasons)


def test_auto_does_not_pass_where_laws_that_are_no_cases_of_each_other_are_as_good(rng):
    """Four shots of two phases: a second-order law of fewer parameters had passed, 40 % off."""
    time = np.concatenate((np.linspace(0, 1.4, 268, endpoint=False), np.linspace(1.4, 14, 268)))
    clean = (np.exp(-1.41 * time) + 0.9 * np.exp(-0.458 * time)) / 1.9
    for _ in range(6):
        shots = judge(
            *(clean + 0.02 * rng.normal(size=536) for _ in range(2)), time=time, law="auto"
        )
        for judged in shots:
            result = judged.shot.result
            if judged.shot.law == "double" or result is None:
                continue
            far = abs(result.fit.k_per_s / 1.41 - 1) > 0.2
            assert not (far and judged.verdict is Verdict.PASS)
