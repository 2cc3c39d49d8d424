"""What is fitted of a scheme: logarithms of rate constants, fixed, tied or temperature-dependent.

Everything a chemist can say of rate constants as products and quotients is linear in their
logarithms: ``k-1 = 5`` fixes one, ``k-1/k1 = 2e-6`` fixes an equilibrium constant, ``k3 = k1`` ties
two. So ``ln k = A theta + b`` with free numbers ``theta``. Around a closed cycle the product of the
constants one way equals that the other way (detailed balance), which is such a relation, too.

With Eyring's law, ``k = (kB T / h) exp(dS / R - dH / (R T))`` (J. Chem. Phys. 3, 107 (1935),
10.1063/1.1749604), each free number has a companion, the activation enthalpy:
``ln k(T) = ln k(T0) + ln(T / T0) - dH / R (1 / T - 1 / T0)``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.constants import R

from stopflow.mechanism.scheme import Scheme, SchemeError
from stopflow.trace import FloatArray, frozen_array

_FACTOR = re.compile(r"\s*([*/]?)\s*([^*/\s]+)\s*")
KILO = 1e3
LARGEST = 1e20
"""Of constants and quotients that are stated: far more than bonds vibrate or molecules meet."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Constants:
    """The map from free numbers to the logarithms of all constants.

    Attributes
    ----------
    names, units
        Of the free numbers: constants, and activation enthalpies in kJ/mol behind them.
    matrix, offset
        (R, q), (R,): ``ln k = matrix @ theta[:q] + offset`` at the reference temperature.
    reference_K
        Of Eyring's law; None where constants do not depend on temperature.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    matrix: FloatArray
    offset: FloatArray
    reference_K: float | None = None

    def __post_init__(self) -> None:
        for name in ("matrix", "offset"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))

    @property
    def count(self) -> int:
        """How many free numbers there are."""
        return len(self.names)

    @property
    def is_logarithm(self) -> tuple[bool, ...]:
        """Which free numbers are logarithms of constants; the others are enthalpies in kJ/mol."""
        rates = self.matrix.shape[1]
        return tuple(place < rates for place in range(self.count))

    def log_k(self, theta: FloatArray, kelvin: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Evaluate ln k for each mixture, (M, R), and its derivative by theta, (M, R, p).

        Parameters
        ----------
        theta
            (p,) free numbers.
        kelvin
            (M,) temperatures; used with Eyring's law only.
        """
        rates = self.matrix.shape[1]
        plain = self.matrix @ theta[:rates] + self.offset
        mixtures = len(kelvin)
        slopes = np.zeros((mixtures, len(plain), self.count))
        slopes[:, :, :rates] = self.matrix
        values = plain[None].repeat(mixtures, axis=0)
        if self.reference_K is not None:
            inverse = -KILO / R * (1 / kelvin - 1 / self.reference_K)
            values += (self.matrix @ theta[rates:])[None, :] * inverse[:, None]
            values += np.log(kelvin / self.reference_K)[:, None] * (self.matrix != 0).any(axis=1)
            slopes[:, :, rates:] = self.matrix[None] * inverse[:, None, None]
        return values, slopes


def build_constants(
    scheme: Scheme, relations: Sequence[str] = (), *, reference_K: float | None = None
) -> Constants:
    """Work out which constants are free under relations such as ``"k-1/k1 = 2e-6"``.

    Raises
    ------
    SchemeError
        Names the relation that cannot be read, contradicts another or leaves nothing to fit.
    """
    names = scheme.constants
    rows, rights = [], []
    for relation in relations:
        row, right = _parse_relation(relation, names)
        rows.append(row)
        rights.append(right)
    matrix, offset, free = _eliminate(names, np.array(rows), np.array(rights), relations)
    if not free:
        raise SchemeError("every constant is fixed; nothing is left to fit")
    units = scheme.units
    enthalpies = tuple(f"dH({name})" for name in free) if reference_K is not None else ()
    return Constants(
        names=(*free, *enthalpies),
        units=(*(units[name] for name in free), *("kJ/mol" for _ in enthalpies)),
        matrix=matrix,
        offset=offset,
        reference_K=reference_K,
    )


def _eliminate(
    names: Sequence[str], rows: FloatArray, rights: FloatArray, relations: Sequence[str]
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Solve the relations for as many constants, the later ones of the scheme first."""
    count = len(names)
    system = np.zeros((len(relations), count + 1))
    if len(relations):
        system[:, :count], system[:, count] = rows, rights
    solved: dict[int, FloatArray] = {}
    for number, relation in enumerate(relations):
        row = system[number]
        for column, other in solved.items():
            row = row - row[column] * other
        columns = np.flatnonzero(np.abs(row[:count]) > 1e-12)
        if len(columns) == 0:
            said = "contradicts" if abs(row[count]) > 1e-9 else "repeats"
            raise SchemeError(f"the relation {relation!r} {said} the relations before it")
        pivot = int(columns[-1])
        row = row / row[pivot]
        solved = {column: other - other[pivot] * row for column, other in solved.items()}
        solved[pivot] = row
    free = [column for column in range(count) if column not in solved]
    matrix, offset = np.zeros((count, len(free))), np.zeros(count)
    for place, column in enumerate(free):
        matrix[column, place] = 1.0
    for column, row in solved.items():
        matrix[column] = -row[free]
        offset[column] = row[count]
    return matrix, offset, [names[column] for column in free]


def _parse_relation(text: str, names: Sequence[str]) -> tuple[FloatArray, float]:
    """Read ``"k-1/k1 = 2e-6"`` as a row of coefficients of ln k and its right-hand side."""
    left, equals, right = text.partition("=")
    if not equals:
        raise SchemeError(f"the relation {text!r} has no =; expected one such as k-1/k1 = 2e-6")
    row, value = np.zeros(len(names)), 0.0
    for side, sign in ((left, 1), (right, -1)):
        place = 0
        side = side.strip()
        while place < len(side):
            match = _FACTOR.match(side, place)
            if match is None or not match[2]:
                raise SchemeError(f"the relation {text!r} cannot be read at {side[place:]!r}")
            power = -sign if match[1] == "/" else sign
            if match[2] in names:
                row[names.index(match[2])] += power
            else:
                value -= power * np.log(_positive(match[2], text, names))
            place = match.end()
    if not np.any(row):
        raise SchemeError(f"the relation {text!r} names no constant of {', '.join(names)}")
    return row, value


def _positive(text: str, relation: str, names: Sequence[str]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise SchemeError(
            f"{text!r} in the relation {relation!r} is neither a number above 0 nor a constant; "
            f"the constants are {', '.join(names)}"
        )
    if not 1 / LARGEST <= value <= LARGEST:
        raise SchemeError(
            f"{text!r} in the relation {relation!r} is no value that a constant or a quotient of "
            f"constants has; expected one from {1 / LARGEST:g} to {LARGEST:g}"
        )
    return value


def describe_theta(constants: Constants, theta: FloatArray) -> Mapping[str, float]:
    """Name the values of the free numbers: constants themselves, enthalpies in kJ/mol."""
    return {
        name: float(np.exp(value)) if logarithm else float(value)
        for name, value, logarithm in zip(
            constants.names, theta, constants.is_logarithm, strict=True
        )
    }
