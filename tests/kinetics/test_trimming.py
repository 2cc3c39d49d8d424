import numpy as np
import pytest

from stopflow.kinetics.solver.refusals import Refusal
from stopflow.kinetics.start.detected_start import undetected
from stopflow.kinetics.start.reasons import because
from stopflow.kinetics.start.trimming import TrimWindow, choose_window

TIME = np.linspace(0.0, 2.0, 201)
DETECTED = undetected(TIME, because("nowhere")).window


def test_the_workbook_wins() -> None:
    window = choose_window(TIME, workbook_start_s=0.5, detected=DETECTED)
    assert isinstance(window, TrimWindow)
    assert (window.start_s, window.stop_s, window.source) == (0.5, 2.0, "workbook")


def test_without_a_workbook_start_the_detected_one_is_taken() -> None:
    assert choose_window(TIME, workbook_start_s=None, detected=DETECTED) is DETECTED


@pytest.mark.parametrize(("start_s", "said"), [(2.1, "beyond the data"), (np.nan, "not a time")])
def test_an_impossible_start_says_why(start_s: float, said: str) -> None:
    window = choose_window(TIME, workbook_start_s=start_s, detected=DETECTED)
    assert isinstance(window, Refusal)
    assert said in window.reason


def test_a_start_before_the_data_is_kept_and_noted() -> None:
    window = choose_window(TIME, workbook_start_s=-0.01, detected=DETECTED)
    assert isinstance(window, TrimWindow)
    assert window.start_s == -0.01
    assert "begin later" in str(window.because)


@pytest.mark.parametrize("start_s", [-1e10, -100.0, -2.1])
def test_a_start_far_before_the_data_is_refused(start_s: float) -> None:
    """No amplitude of 1e77 extrapolated over a hundred records: the unit is asked for."""
    window = choose_window(TIME, workbook_start_s=start_s, detected=DETECTED)
    assert isinstance(window, Refusal)
    assert "before the data" in window.reason
    assert "unit" in window.reason


@pytest.mark.parametrize("points", [201, 1, 0])
def test_an_end_before_the_start_is_said_however_little_is_left(points: int) -> None:
    """Not that the start lies beyond the data: they end where the fit was told to end."""
    window = choose_window(TIME[:points], workbook_start_s=5.0, end_s=0.001, detected=DETECTED)
    assert isinstance(window, Refusal)
    assert "end at 0.001 s, which is not after its start at 5 s" in window.reason
    beyond = choose_window(TIME, workbook_start_s=5.0, end_s=6.0, detected=DETECTED)
    assert isinstance(beyond, Refusal)
    assert "beyond the data" in beyond.reason
