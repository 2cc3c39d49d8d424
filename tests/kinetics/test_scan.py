"""The highest point of a scan: the vertex of the parabola through the three highest points."""

import numpy as np
import pytest

from stopflow.kinetics.solver.scan import highest

GRID = np.linspace(-2.0, 6.0, 33)
VERTICES = np.array([-1.31, 0.0, 2.2, 5.07])


def test_the_vertex_of_a_parabola_is_exact():
    found, clear = highest(20 - (GRID - VERTICES[:, None]) ** 2, GRID)
    assert found == pytest.approx(VERTICES, abs=1e-12)
    assert clear.all()


def test_rivals_and_ends_are_not_clear():
    two = np.exp(-((GRID - 0.5) ** 2)) + 0.999 * np.exp(-((GRID - 4.5) ** 2))
    assert not highest(np.stack([two, GRID, -GRID]), GRID)[1].any()
