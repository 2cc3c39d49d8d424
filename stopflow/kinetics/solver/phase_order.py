"""Phases keep their identity: the fastest is the first, whatever the order in which it was found.

A phase is known by its rate, never by its amplitude: along a series amplitudes cross, and labels
that follow them would change places.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stopflow.kinetics.laws import Proportional, RateLaw
from stopflow.kinetics.solver.fixed_parameters import Constraints, constrain
from stopflow.kinetics.solver.window import Window
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solved:
    """A minimum, with the names that its fixed parameters have.

    Attributes
    ----------
    constraints, fixed
        What was held.
    theta, coefficients
        (q,) all nonlinear and (f,) free linear parameters, dimensionless.
    inverse
        (p, p) ``inverse @ inverse.T`` is the covariance of the free ones for noise of variance 1.
    """

    constraints: Constraints
    fixed: Mapping[str, float | Proportional]
    theta: FloatArray
    coefficients: FloatArray
    inverse: FloatArray


def by_falling_rate(solved: Solved, window: Window) -> Solved:
    """Put exchangeable phases in falling order of rate; what is fixed moves with its phase."""
    law = solved.constraints.law
    places = law.by_falling_rate(solved.theta)
    if np.array_equal(places, np.arange(len(places))):
        return solved
    new_name = {law.parameters[old]: name for name, old in zip(law.parameters, places, strict=True)}
    fixed = {new_name[name]: _moved(value, new_name) for name, value in solved.fixed.items()}
    old_free = [new_name[name] for name in _free_names(law, solved.fixed)]
    rows = [old_free.index(name) for name in _free_names(law, fixed)]
    first = sum(name in law.nonlinear for name in old_free)
    coefficients = [solved.coefficients[row - first] for row in rows if row >= first]
    return Solved(
        constraints=constrain(law, fixed, window),
        fixed=fixed,
        theta=solved.theta[places[: len(law.nonlinear)]],
        coefficients=np.array(coefficients),
        inverse=solved.inverse[rows],
    )


def _moved(value: float | Proportional, new_name: Mapping[str, str]) -> float | Proportional:
    return (
        Proportional(to=new_name[value.to], factor=value.factor)
        if isinstance(value, Proportional)
        else value
    )


def _free_names(law: RateLaw, fixed: Mapping[str, float | Proportional]) -> list[str]:
    return [name for name in law.parameters if name not in fixed]
