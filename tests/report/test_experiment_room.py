"""The pages of an experiment: none nearly empty, and a table that says what its numbers are."""

import numpy as np
import pytest

from stopflow.report.kinetics.experiment_page import _open_law, _strip_mm, _traces_mm


@pytest.mark.parametrize(
    ("below_mm", "traces_mm"),
    [
        (20.0, 128.0),  # room for all: no higher than is good to look at
        (90.0, 70.0),  # a little lower, and all is on one page
        (110.0, 50.0),  # as low as they may be
        (111.0, 160.0),  # the tables have the second page, the traces the first
        (300.0, 76.0),  # the tables take pages of their own anyway
    ],
)
def test_traces_leave_no_page_nearly_empty(below_mm, traces_mm):
    assert _traces_mm(160.0, below_mm, page_mm=240.0) == traces_mm


@pytest.mark.parametrize(
    ("room_mm", "strip_mm"),
    [(120.0, 54.0), (104.0, 54.0), (100.0, 50.0), (94.0, 44.0), (93.0, 54.0)],
)
def test_the_strip_gives_way_where_all_is_then_on_one_page(room_mm, strip_mm):
    assert _strip_mm(room_mm) == strip_mm


def test_a_shift_to_a_law_that_is_ruled_out_is_not_called_0():
    assert _open_law({"model_shift_sigma": np.array([0.0, 0.0, 2.5])}) == "none"
    assert _open_law({"model_shift_sigma": np.array([0.5, -1.5, np.nan])}) == "1.0"
    assert _open_law({"model_shift_sigma": np.array([np.nan])}) == "–"
    assert _open_law({"model_shift_sigma": np.array([9.9e-4])}) == "< 0.1"
