"""Coefficients of the Radau IIA methods with any odd number of stages.

Hairer and Wanner, Stiff differential equations solved by Radau methods, J. Comput. Appl. Math. 111,
93 (1999), 10.1016/S0377-0427(99)00134-X. With s stages the end of a step has the order 2 s - 1, the
collocation polynomial and the estimate of the error have the order s, so that the polynomial can
be read everywhere with the accuracy that was asked for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import legder, legint, legval, legvander
from scipy.special import roots_jacobi

from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Radau:
    """A method.

    Attributes
    ----------
    nodes
        (s + 1,) 0 and the s nodes, of which the last is 1.
    matrix
        (s, s) of Runge and Kutta.
    slope_weight, error_weights
        g and (s,) e of the error ``(1 - h g J)^-1 (h g f(x0) + sum_i e_i (x_i - x0))``.
    last_slope
        (s,) gives ``h f`` at the end of the step from ``x_i - x0``.
    derivative
        (s, s + 1) gives ``h f`` at the nodes of a step, but its start, from all values there.
    tail
        (2, s + 1) gives the last two coefficients in Legendre's polynomials.
    """

    nodes: FloatArray
    matrix: FloatArray
    slope_weight: float
    error_weights: FloatArray
    last_slope: FloatArray
    derivative: FloatArray
    tail: FloatArray
    _to_legendre: FloatArray
    _to_powers: FloatArray

    @property
    def stages(self) -> int:
        """How many stages a step has."""
        return len(self.nodes) - 1

    def interpolate(self, z: FloatArray) -> FloatArray:
        """Weights (..., s + 1) of the values at `nodes`; z = 0 is the start of the step."""
        return np.asarray(legvander(2 * z - 1, self.stages) @ self._to_legendre)

    def extrapolate(self, ahead: float) -> FloatArray:
        """Weights (s, s + 1) that guess the stages of a next step, `ahead` times as long."""
        z = ahead * self.nodes[1:, None]
        return np.asarray(z ** np.arange(self.stages + 1) @ self._to_powers)


def build_radau(stages: int) -> Radau:
    """Compute the coefficients of a method with an odd number of stages."""
    inner = 0.5 * (1 + roots_jacobi(stages - 1, 1, 0)[0])
    nodes = np.concatenate((inner, [1.0]))
    integrals = np.stack(
        [legval(2 * nodes - 1, 0.5 * legint(unit, lbnd=-1)) for unit in np.eye(stages)], axis=1
    )
    matrix = integrals @ np.linalg.inv(legvander(2 * nodes - 1, stages - 1))
    inverse = np.linalg.inv(matrix)
    values = np.linalg.eigvals(inverse)
    slope_weight = 1.0 / float(values[np.abs(values.imag).argmin()].real)
    moments = np.zeros(stages)
    moments[0] = 1.0
    at_start = legvander(np.array([-1.0]), stages - 1)[0]
    weights = np.linalg.solve(
        legvander(2 * nodes - 1, stages - 1).T, moments - slope_weight * at_start
    )
    all_nodes = np.concatenate(([0.0], nodes))
    to_legendre = np.linalg.inv(legvander(2 * all_nodes - 1, stages))
    slopes = [2 * legval(2 * nodes - 1, legder(unit)) for unit in np.eye(stages + 1)[1:]]
    return Radau(
        nodes=all_nodes,
        matrix=matrix,
        slope_weight=slope_weight,
        error_weights=(weights - matrix[-1]) @ inverse,
        last_slope=inverse[-1],
        derivative=np.stack(slopes, axis=1) @ to_legendre[1:],
        tail=to_legendre[-2:],
        _to_powers=np.linalg.inv(np.vander(all_nodes - 1, increasing=True)),
        _to_legendre=to_legendre,
    )
