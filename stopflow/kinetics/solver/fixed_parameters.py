"""Constrained parameters: a law with some fixed or proportional to others, dimensionless.

All linear parameters follow from the free ones by ``c = offset + free @ mixing``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stopflow.errors import SettingsError, require_key
from stopflow.kinetics.laws import Proportional, RateLaw, RealArray
from stopflow.kinetics.solver.window import LARGEST_NUMBER, Window
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Constraints:
    """Which parameters are free.

    Attributes
    ----------
    theta
        (q,) values of the fixed nonlinear parameters, 1 elsewhere.
    free
        (q,) True for free nonlinear parameters.
    mixing
        (f, m) free linear parameters to all.
    offset
        (m,) fixed linear parameters, 0 elsewhere.
    theta_units, linear_units
        Factors from dimensionless values to those in the units of the trace.
    count
        Number of free parameters.
    any_fixed
        Whether anything at all is fixed or proportional to another.
    """

    law: RateLaw
    theta: FloatArray
    free: NDArray[np.bool_]
    mixing: FloatArray
    offset: FloatArray
    theta_units: FloatArray
    linear_units: FloatArray
    count: int = field(init=False)
    any_fixed: bool = field(init=False)

    def __post_init__(self) -> None:
        count = int(self.free.sum()) + len(self.mixing)
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "any_fixed", count < len(self.law.parameters))

    def basis(self, time: RealArray, theta: RealArray) -> tuple[RealArray, RealArray | None]:
        """Rows (..., f, N) of the free linear parameters and the fixed part (..., N) if any."""
        rows = self.law.basis(time, theta)
        fixed = None if self.law.offset is None else self.law.offset(time, theta)
        if not self.any_fixed:
            return rows, fixed
        if self.offset.any():
            held = self.offset.astype(rows.dtype) @ rows
            fixed = held if fixed is None else fixed + held
        return self.mixing.astype(rows.dtype) @ rows, fixed

    def linear(self, coefficients: RealArray) -> RealArray:
        """All linear parameters (m,) from the free ones (f,)."""
        return self.offset + coefficients @ self.mixing if self.any_fixed else coefficients


def free_constraints(law: RateLaw) -> Constraints:
    """Leave every parameter of a law free; for a dimensionless window."""
    nonlinear, linear = len(law.nonlinear), len(law.linear)
    return Constraints(
        law=law,
        theta=np.ones(nonlinear),
        free=np.ones(nonlinear, dtype=bool),
        mixing=np.eye(linear),
        offset=np.zeros(linear),
        theta_units=np.ones(nonlinear),
        linear_units=np.ones(linear),
    )


def free_count(law: RateLaw, fixed: Mapping[str, float | Proportional]) -> int:
    """Count the parameters left free; checks the names.

    Raises
    ------
    SettingsError
        A name the law does not have, or a `Proportional` that does not join two linear parameters.
    """
    for name, value in fixed.items():
        require_key("fixed parameter", name, law.parameters)
        if isinstance(value, Proportional):
            targets = [item for item in law.linear if item != name and item not in fixed]
            if name not in law.linear or value.to not in targets:
                raise SettingsError(f"{name} proportional to", value.to, valid=targets)
        elif not abs(value) < LARGEST_NUMBER or (
            name in law.rates and not law.signed and value <= 0
        ):
            raise SettingsError(f"fixed {name}", value, valid="finite numbers; rates positive")
        elif name in law.shapes and not law.shapes[name].low <= value <= law.shapes[name].high:
            low, high = law.shapes[name].low, law.shapes[name].high
            raise SettingsError(f"fixed {name}", value, valid=f"{low:g} to {high:g}")
    return len(law.parameters) - len(fixed)


def may_centre(law: RateLaw, fixed: Mapping[str, float | Proportional]) -> bool:
    """Whether the intercept can absorb the mean of the signal and leave the rest as it is."""
    tied_to = {value.to for value in fixed.values() if isinstance(value, Proportional)}
    constant = "intercept" in law.linear and not law.signed
    return constant and "intercept" not in fixed and "intercept" not in tied_to


def constrain(
    law: RateLaw, fixed: Mapping[str, float | Proportional], window: Window
) -> Constraints:
    """Express `fixed`, in the units of the trace, for a dimensionless window."""
    rate_unit = 1 / window.length_s

    def unit(name: str) -> float:
        return rate_unit if name.endswith("_per_s") else 1.0

    theta_units = np.array([unit(name) for name in law.nonlinear])
    linear_units = np.array([unit(name) for name in law.linear]) * window.unit
    mixing = np.eye(len(law.linear))
    offset = np.zeros(len(law.linear))
    theta = np.ones(len(law.nonlinear))
    for name, value in fixed.items():
        if isinstance(value, Proportional):
            to, here = law.linear.index(value.to), law.linear.index(name)
            mixing[to, here] = value.factor * linear_units[to] / linear_units[here]
        elif name in law.nonlinear:
            here = law.nonlinear.index(name)
            theta[here] = value / theta_units[here]
        else:
            here = law.linear.index(name)
            offset[here] = value / linear_units[here]
    return Constraints(
        law=law,
        theta=theta,
        free=np.array([name not in fixed for name in law.nonlinear]),
        mixing=mixing[[i for i, name in enumerate(law.linear) if name not in fixed]],
        offset=offset,
        theta_units=theta_units,
        linear_units=linear_units,
    )
