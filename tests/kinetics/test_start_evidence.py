"""What a start is judged by, against the same numbers worked out by hand."""

import numpy as np
import pytest
from lab_shots import TIME as LAB_TIME
from lab_shots import decay, noisy
from lab_shots import shot as lab_shot

from stopflow.kinetics.analysis import analyse_experiment
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.kinetics.solver.refusals import REFUSALS
from stopflow.kinetics.start.artefact_end import artefact_end
from stopflow.kinetics.start.course import Course
from stopflow.kinetics.start.detect import detect_start
from stopflow.kinetics.start.detected_start import InitialDeviation
from stopflow.kinetics.start.reasons import REASONS, because
from stopflow.trace import Experiment

TIME = np.arange(3000) * 1e-4


def test_phases_grow_as_they_are_followed_back() -> None:
    course = Course(from_s=0.02, phases=((50.0, 1.0), (0.0, 2.0)), slope_per_s=0.5)
    earlier = course.back_to(0.0)
    assert earlier.phases == ((50.0, pytest.approx(np.e)), (0.0, 2.0))
    assert (earlier.from_s, earlier.slope_per_s) == (0.0, 0.5)


def test_an_artefact_of_one_block_ends_by_the_limit_of_what_comes_after() -> None:
    """Of the block after it, two errors more than is seen count; 1/50 of the noise is left."""
    edge_s, deviation, error = np.arange(6) * 1e-3, np.zeros(5), np.full(5, 0.25)
    deviation[0], middle_s = 4.0, edge_s[:5] + 0.5e-3
    initial = InitialDeviation(
        edge=4, edge_s=edge_s, middle_s=middle_s, deviation=deviation, error=error
    )
    decay_s = 1e-3 / np.log(4.0 / (2 * 0.25))
    end_s, why = artefact_end(initial)
    assert end_s == pytest.approx(min(0.5e-3 + decay_s * np.log(4.0 * 50), 2 * 4e-3))
    assert why.keys == ("falling-artefact",)
    assert why.values["decay_ms"] == pytest.approx(1e3 * decay_s)


def test_the_shift_from_an_early_start_is_that_of_k_over_its_error(
    rng: np.random.Generator,
) -> None:
    signal = noisy(rng, decay() + 0.8 * np.exp(-LAB_TIME / 3e-3))
    shots = (lab_shot(signal, start_s=0.0),)
    (judged,) = analyse_experiment(Experiment(name="x", shots=shots), AnalysisSettings()).shots
    detection, result = judged.shot.detection, judged.shot.result
    assert detection is not None
    assert result is not None
    at = int(np.argmax(detection.cut_s >= detection.window.start_s))
    moved = detection.k_per_s[at] - result.fit.k_per_s
    assert result.start_shift_sigma == pytest.approx(abs(moved) / detection.k_stderr_per_s[at])
    assert result.start_shift_sigma > 3


@pytest.mark.parametrize("shift_s", [5.0, -0.02])
@pytest.mark.parametrize("shape", ["one phase", "two phases", "spread", "clean"])
def test_a_start_moves_with_the_times(shape: str, shift_s: float) -> None:
    """Whatever the first points are taken for, and at times below 0 too."""
    rng = np.random.default_rng(7)
    curves = {
        "one phase": np.exp(-25 * TIME),
        "two phases": 0.5 * np.exp(-60 * TIME) + 0.5 * np.exp(-6 * TIME),
        "spread": np.exp(-np.sqrt(40 * TIME)),
        "clean": np.exp(-25 * TIME),
    }
    artefact = 0.0 if shape == "clean" else 0.6 * np.exp(-TIME / 5e-4)
    signal = curves[shape] + artefact + 2e-3 * rng.standard_normal(len(TIME))
    here, there = detect_start(TIME, signal), detect_start(TIME + shift_s, signal)
    assert there.window.start_s - shift_s == pytest.approx(here.window.start_s, abs=1e-7)
    assert there.window.because.keys == here.window.because.keys
    assert there.removed_change == pytest.approx(here.removed_change, abs=1e-6)


def test_every_reason_is_said_in_words_and_none_hides_a_refusal() -> None:
    assert not set(REASONS) & set(REFUSALS)
    values = {"limit_ms": 3.0, "line_ms": 2.0}
    why = because("nowhere").within("straight", line_ms=2.0).within("at-limit", limit_ms=3.0)
    assert (why.keys, why.values) == (("at-limit", "straight", "nowhere"), values)
    assert str(why) == (
        "the detector is at its limit up to 3 ms, then a straight line up to 2 ms, then no start "
        "detected: no part of the trace follows the fit of what comes after"
    )
