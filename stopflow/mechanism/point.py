"""What a problem is at one set of free numbers."""

from dataclasses import dataclass

import numpy as np

from stopflow.mechanism.trajectory import Trajectory
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """The problem at one set of free numbers.

    Attributes
    ----------
    squares
        Weighted sum of squared residuals; infinite where the rate equations have no solution.
    residual
        (N,) weighted, all shots behind each other.
    jacobian
        (N, p) of `residual` by the free numbers, the linear parameters following.
    responses
        (G, o) responses of the observed species, for each group of shots that shares them.
    theta
        (p,) the free numbers.
    path
        The solution of the rate equations, for points close by; None where it is exact.
    """

    squares: float
    residual: FloatArray
    jacobian: FloatArray
    responses: FloatArray
    theta: FloatArray
    path: Trajectory | None = None

    @classmethod
    def nowhere(cls, theta: FloatArray, observed: int) -> "Point":
        """Where the rate equations have no solution."""
        return cls(
            squares=np.inf,
            residual=np.zeros(0),
            jacobian=np.zeros((0, len(theta))),
            responses=np.zeros((0, observed)),
            theta=theta,
        )
