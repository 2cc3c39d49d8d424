"""The edge of a region on ribs across it is the edge that is followed as a curve."""

from itertools import islice

import numpy as np
import pytest
from simulated_shots import simulate
from test_identifiability import OPEN, made

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.contours import follow_contours
from stopflow.mechanism.determined import determine
from stopflow.mechanism.fit import GlobalFit, fit_mechanism
from stopflow.mechanism.level import Level
from stopflow.mechanism.observations import Detector
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.ribs import follow_ribs
from stopflow.mechanism.scheme import parse_scheme

TIME = np.linspace(0.0, 0.5, 80)


def fit_binding(rng: np.random.Generator, *levels: float) -> GlobalFit:
    scheme = parse_scheme("A + B <=> C")
    starts = [{"A": 1e-6, "B": level * 1e-6} for level in levels]
    truth = {"k1": 2e6, "k-1": 5.0}
    shots = simulate(rng, scheme, truth, starts, observed={"C": 1e6}, time_s=TIME)
    problem = build_problem(scheme, build_constants(scheme), shots,
                            detector=Detector(observed=("C",)))  # fmt: skip
    return fit_mechanism(problem, generator=np.random.default_rng(1))


def radii(points: np.ndarray, centre: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Distances from the centre at which rays meet the closed curve through the points."""
    start, side = points - centre, np.roll(points, -1, axis=0) - points
    found = []
    for ray in directions:
        cross = ray[0] * side[:, 1] - ray[1] * side[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            length = (start[:, 0] * side[:, 1] - start[:, 1] * side[:, 0]) / cross
            share = (start[:, 0] * ray[1] - start[:, 1] * ray[0]) / cross
        found.append(length[(share >= 0) & (share <= 1) & (length > 0)].max())
    return np.array(found)


def test_ribs_and_curve_find_the_same_edge(rng) -> None:
    fit = fit_binding(rng, 1.0, 4.0, 10.0)
    curve = next(follow_contours(fit, determine(fit)))
    points, is_open, _ = follow_ribs(Level.of(fit, curve.places))
    assert not any(is_open)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    centre = fit.best.theta[list(curve.places)]
    size = np.ptp(curve.points, axis=0)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    along_curve, along_ribs = (
        radii(item / size, centre / size, rays) for item in (curve.points, points)
    )
    np.testing.assert_allclose(along_ribs, along_curve, rtol=0.08)


def test_ribs_end_open_where_the_range_ends(rng) -> None:
    """One mixture leaves k1 without a lower end: the valley reaches the end of the range there."""
    fit = fit_binding(rng, 1.0)
    level = Level.of(fit, (0, 1))
    points, is_open, _ = follow_ribs(level)
    going_on = np.array(is_open)
    assert 0 < going_on.sum() < len(points)
    ends = np.abs(np.stack([points - level.low, points - level.high])).min(axis=(0, 2))
    np.testing.assert_allclose(ends[going_on], 0.0, atol=1e-6)
    for point in points[~going_on]:
        y = np.linalg.solve(level.axes, point - level.centre)
        assert level.at(y, fit.best).level == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("name", OPEN)
def test_both_ways_lead_round_the_minimum(name, full_proof) -> None:
    """Also where the minimum stands at an end of the range, and where all edges are aslant."""
    text, truth, mixtures, observed, _ = OPEN[name]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    for contour in islice(follow_contours(fit, determine(fit)), None if full_proof else 1):
        level = Level.of(fit, contour.places)
        assert contour.is_whole
        for points, is_open in ((contour.points, contour.is_open), follow_ribs(level)[:2]):
            low, high = points.min(axis=0), points.max(axis=0)
            assert (low - 1e-9 <= level.centre).all()
            assert (high + 1e-9 >= level.centre).all()
            at_end = np.isclose([low, high], [level.low, level.high]).any()
            assert any(is_open) == at_end
