"""The pages of an experiment: none nearly empty, and a table that says what its numbers are."""

import numpy as np
import pytest

from stopflow.report.kinetics.experiment_page import _open_law
from stopflow.report.kinetics.experiment_room import share_room

PAGE_MM, ABOVE_MM, NOTES_MM = 240.0, 16.0, (12.0, 9.0, 5.0)


def share(below_mm, *, has_strip=True):
    return share_room(
        page_mm=PAGE_MM,
        above_mm=ABOVE_MM,
        notes_mm=NOTES_MM,
        below_mm=below_mm,
        has_strip=has_strip,
    )


@pytest.mark.parametrize(
    ("below_mm", "traces_mm", "strip_mm"),
    [
        (20.0, 128.0, 54.0),  # room for all: no higher than is good to look at
        (86.0, 70.0, 54.0),  # a little lower, and all is on one page
        (110.0, 50.0, 50.0),  # the strip gives way, too
        (116.0, 50.0, 44.0),  # as low as they may be
        (117.0, 213.0, 110.0),  # the traces have the first page, and the strip is on the second
        (189.0, 213.0, 44.0),
        (190.0, 156.0, 54.0),  # the tables fill the second page
        (300.0, 76.0, 54.0),  # they take pages of their own anyway
    ],
)
def test_pictures_leave_no_page_nearly_empty(below_mm, traces_mm, strip_mm):
    room = share(below_mm)
    assert (room.traces_mm, room.strip_mm) == (traces_mm, strip_mm)
    assert room.on_one_page == (below_mm < 117)


def test_no_page_of_pictures_and_tables_is_half_empty():
    """Whatever the height of the tables, as long as they take no third page."""
    for below_mm in np.arange(20.0, PAGE_MM, 0.5):
        room = share(below_mm)
        both = room.traces_mm + room.strip_mm
        if room.on_one_page:
            filled = [ABOVE_MM + both + NOTES_MM[0] + below_mm]
        elif room.strip_beside_tables:
            filled = [
                ABOVE_MM + room.traces_mm + NOTES_MM[1],
                room.strip_mm + NOTES_MM[2] + below_mm,
            ]
        else:
            filled = [ABOVE_MM + both + NOTES_MM[0], below_mm]
        assert max(filled) <= PAGE_MM
        assert min(filled) > 0.75 * PAGE_MM


def test_shots_without_a_rate_have_no_strip():
    room = share(100.0, has_strip=False)
    assert (room.traces_mm, room.strip_mm, room.on_one_page) == (110.0, 0.0, True)


def test_a_shift_to_a_law_that_is_ruled_out_is_not_called_0():
    assert _open_law({"model_shift_sigma": np.array([0.0, 0.0, 2.5])}) == "none"
    assert _open_law({"model_shift_sigma": np.array([0.5, -1.5, np.nan])}) == "1.0"
    assert _open_law({"model_shift_sigma": np.array([np.nan])}) == "–"
    assert _open_law({"model_shift_sigma": np.array([9.9e-4])}) == "< 0.1"
