"""A solution of rate equations as polynomials over steps of time."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stopflow.mechanism.radau import Radau
from stopflow.trace import FloatArray


class Mesh:
    """Steps of time, and where the times asked for lie in them.

    Attributes
    ----------
    method
        Whose nodes the values of a step stand at.
    knots_s
        (K + 1,) ends of the steps, 0 the first.
    times_s
        (n,) rising.
    """

    def __init__(self, method: Radau, knots_s: FloatArray, times_s: FloatArray) -> None:
        self.method, self.knots_s, self.times_s = method, knots_s, times_s

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.knots_s) - 1

    @cached_property
    def lengths_s(self) -> FloatArray:
        """(K,) of the steps."""
        return np.diff(self.knots_s)

    @cached_property
    def weights(self) -> list[tuple[int, int, FloatArray]]:
        """For each step first and last place of the times in it, and what reads values there."""
        at, weights = self.read_at(self.times_s)
        ends = np.searchsorted(at, np.arange(self.steps + 1)).tolist()
        return [(a, b, weights[a:b]) for a, b in pairwise(ends)]

    def read_at(self, times_s: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
        """Find the step that holds each time, and (..., s + 1) what reads values there."""
        at = np.searchsorted(self.knots_s, times_s, side="right") - 1
        at = np.minimum(np.maximum(at, 0), self.steps - 1)
        z = (times_s - self.knots_s[at]) / self.lengths_s[at]
        return at, self.method.interpolate(z)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """A solution over K steps that all M mixtures share.

    Attributes
    ----------
    x, dx
        (M, K, s + 1, r) and (M, K, s + 1, p, r) at the nodes of each step.
    theta
        (p,) free numbers that it belongs to.
    """

    mesh: Mesh
    x: FloatArray
    dx: FloatArray
    theta: FloatArray = field(default_factory=lambda: np.zeros(1))

    def moved_to(self, theta: FloatArray) -> "Trajectory":
        """Guess the solution for other free numbers (p,)."""
        step = (theta - self.theta)[:, None]
        return replace(self, x=self.x + (step * self.dx).sum(axis=-2), theta=theta)

    def read(self, onto: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Evaluate some of the species: (M, n, o) and their derivatives (M, n, p, o).

        Parameters
        ----------
        onto
            (r, o) what a change of x does to the species.
        """
        mixtures, steps, nodes, free, _ = self.dx.shape
        width = onto.shape[1]
        values = np.empty((mixtures, steps, nodes, 1 + free, width))
        np.matmul(self.x, onto, out=values[:, :, :, 0])
        np.matmul(self.dx, onto, out=values[:, :, :, 1:])
        flat = values.reshape(mixtures, steps, nodes, -1)
        found = np.empty((mixtures, len(self.mesh.times_s), flat.shape[-1]))
        for k, (first, last, weights) in enumerate(self.mesh.weights):
            np.matmul(weights, flat[:, k], out=found[:, first:last])
        both = found.reshape(mixtures, -1, 1 + free, width)
        return both[:, :, 0], both[:, :, 1:]

    def resample(self, mesh: Mesh) -> FloatArray:
        """Evaluate x at the nodes of other steps: (M, K', s' + 1, r)."""
        times = mesh.knots_s[:-1, None] + mesh.lengths_s[:, None] * mesh.method.nodes
        at, weights = self.mesh.read_at(times)
        found = (weights[..., None, :] @ self.x[:, at])[..., 0, :]
        found[:, 1:, 0] = found[:, :-1, -1]
        return np.asarray(found)
