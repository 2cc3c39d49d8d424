"""What is fitted of a scheme: logarithms of rate constants, fixed, tied or temperature-dependent.

Everything a chemist can say of rate constants as products and quotients is linear in their
logarithms: ``k-1 = 5`` fixes one, ``k-1/k1 = 2e-6`` fixes an equilibrium constant, ``k3 = k1`` ties
two. So ``ln k = A theta + b`` with free numbers ``theta``. Around a closed cycle the product of the
constants one way equals that the other way (detailed balance), which is such a relation, too.
``K1 = k-1/k1`` gives a quotient a name, under which it is a free number in place of ``k-1``. Free
numbers can be bounded: ``k1 <= 1e9``.

With Eyring's law, ``k = (kB T / h) exp(dS / R - dH / (R T))`` (J. Chem. Phys. 3, 107 (1935),
10.1063/1.1749604), each free number has a companion, the activation enthalpy:
``ln k(T) = ln k(T0) + ln(T / T0) - dH / R (1 / T - 1 / T0)``.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.constants import R

from stopflow.mechanism.scheme import CONSTANT, Scheme, SchemeError, write_unit
from stopflow.trace import FloatArray, frozen_array

_SIGN = re.compile(r"(<=|>=|[≤≥<>=])")
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
        Of the free numbers: constants and named quotients of them, and their enthalpies in kJ/mol
        behind them.
    matrix, offset
        (R, q), (R,): ``ln k = matrix @ theta[:q] + offset`` at the reference temperature.
    powers
        (q, R) to which each constant of the scheme goes into a free number.
    low, high
        (p,) bounds that are stated; infinite where there is none.
    reference_K
        Of Eyring's law; None where constants do not depend on temperature.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    matrix: FloatArray
    offset: FloatArray
    powers: FloatArray
    low: FloatArray
    high: FloatArray
    reference_K: float | None = None

    def __post_init__(self) -> None:
        for name in ("matrix", "offset", "powers", "low", "high"):
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

    @property
    def unbounded(self) -> "Constants":
        """The same without the bounds that are stated."""
        nowhere = np.full(self.count, np.inf)
        return replace(self, low=-nowhere, high=nowhere)

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Relation:
    """A sum of logarithms, each with its power, that equals a number or is bounded by it.

    Attributes
    ----------
    sign
        0 where both are equal, 1 where the sum is at most the number, -1 where at least.
    """

    text: str
    powers: Mapping[str, int]
    right: float
    sign: int


def build_constants(
    scheme: Scheme, relations: Sequence[str] = (), *, reference_K: float | None = None
) -> Constants:
    """Work out which constants are free under relations such as ``"k-1/k1 = 2e-6"``.

    Raises
    ------
    SchemeError
        Names the relation that cannot be read, contradicts another or leaves nothing to fit.
    """
    powers = dict(zip(scheme.constants, np.eye(len(scheme.constants)), strict=True))
    read = [_parse_relation(text, powers) for text in relations]
    names, count = tuple(powers), len(scheme.constants)
    equal = [item for item in read if not item.sign]
    matrix, offset, free = _eliminate(names, count, equal)
    if not free:
        raise SchemeError("every constant is fixed; nothing is left to fit")
    low, high = _bound(names, matrix, offset, [item for item in read if item.sign], free)
    enthalpies = tuple(f"dH({name})" for name in free) if reference_K is not None else ()
    nowhere = np.full(len(enthalpies), np.inf)
    return Constants(
        names=(*free, *enthalpies),
        units=(*(_unit(scheme, powers[name]) for name in free), *("kJ/mol" for _ in enthalpies)),
        matrix=matrix[:count],
        offset=offset[:count],
        powers=np.array([powers[name] for name in free]),
        low=np.concatenate((low, -nowhere)),
        high=np.concatenate((high, nowhere)),
        reference_K=reference_K,
    )


def _unit(scheme: Scheme, powers: FloatArray) -> str:
    return write_unit(M=round(float(powers @ (1 - scheme.orders))), s=round(-float(powers.sum())))


def _eliminate(
    names: Sequence[str], count: int, relations: Sequence[_Relation]
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Solve the relations, for constants before quotients, the later ones of the scheme first.

    Of the names the first `count` are constants of the scheme, the others are quotients.
    """
    solved: dict[int, FloatArray] = {}
    for relation in relations:
        row = np.append([relation.powers.get(name, 0) for name in names], relation.right)
        for column, other in solved.items():
            row = row - row[column] * other
        columns = np.flatnonzero(np.abs(row[:-1]) > 1e-12)
        if len(columns) == 0:
            said = "contradicts" if abs(row[-1]) > 1e-9 else "repeats"
            raise SchemeError(f"the relation {relation.text!r} {said} the relations before it")
        pivot = int(max(columns, key=lambda column: (column < count, column)))
        row = row / row[pivot]
        solved = {column: other - other[pivot] * row for column, other in solved.items()}
        solved[pivot] = row
    free = [column for column in range(len(names)) if column not in solved]
    matrix, offset = np.zeros((len(names), len(free))), np.zeros(len(names))
    for place, column in enumerate(free):
        matrix[column, place] = 1.0
    for column, row in solved.items():
        matrix[column] = -row[free]
        offset[column] = row[-1]
    return matrix, offset, [names[column] for column in free]


def _bound(
    names: Sequence[str],
    matrix: FloatArray,
    offset: FloatArray,
    bounds: Sequence[_Relation],
    free: Sequence[str],
) -> tuple[FloatArray, FloatArray]:
    """Turn bounds into the ends, (q,) each, between which free numbers have to be."""
    low, high = np.full(len(free), -np.inf), np.full(len(free), np.inf)
    for bound in bounds:
        row = np.array([bound.powers.get(name, 0) for name in names], dtype=float)
        along, right = row @ matrix, bound.right - float(row @ offset)
        places = np.flatnonzero(np.abs(along) > 1e-12).tolist()
        if len(places) > 1:
            several = " and ".join(free[place] for place in places)
            raise SchemeError(
                f"the bound {bound.text!r} is one of {several} together; give what is bounded a "
                "name, as in K1 = k-1/k1, and bound that"
            )
        if not len(places):
            if bound.sign * right < -1e-9:
                raise SchemeError(f"the bound {bound.text!r} contradicts the relations")
            continue
        (place,) = places
        end = right / along[place]
        if bound.sign * along[place] > 0:
            high[place] = min(high[place], end)
        else:
            low[place] = max(low[place], end)
        if not low[place] < high[place]:
            raise SchemeError(f"the bound {bound.text!r} leaves no value for {free[place]}")
    return low, high


def _parse_relation(text: str, powers: dict[str, FloatArray]) -> _Relation:
    """Read ``"k-1/k1 = 2e-6"`` as powers of constants and the logarithm they make.

    A new name that stands for a product or quotient of known ones is added to their `powers`.
    """
    parts = _SIGN.split(text, maxsplit=1)
    if len(parts) < 3:
        raise SchemeError(
            f"the relation {text!r} has no =, <= or >=; expected one such as k-1/k1 = 2e-6"
        )
    left, sign, right = parts[0].strip(), parts[1], parts[2].strip()
    counted, value = _parse_side(right, text, powers)
    is_new = left not in powers and CONSTANT.fullmatch(left) is not None
    if sign == "=" and is_new and sum(map(bool, counted.values())) > 1:
        powers[left] = np.sum([power * powers[name] for name, power in counted.items()], axis=0)
    own, given = _parse_side(left, text, powers)
    own.subtract(counted)
    if not any(own.values()):
        raise SchemeError(f"the relation {text!r} names no constant of {', '.join(powers)}")
    return _Relation(
        text=text, powers=own, right=value - given, sign={"<": 1, "≤": 1, "=": 0}.get(sign[0], -1)
    )


def _parse_side(
    text: str, relation: str, known: Mapping[str, FloatArray]
) -> tuple[Counter[str], float]:
    """Read factors: powers of what is known, and the logarithm of the numbers among them."""
    counted, value, place = Counter[str](), 0.0, 0
    if not text:
        raise SchemeError(f"the relation {relation!r} has nothing on one side")
    while place < len(text):
        match = _FACTOR.match(text, place)
        if match is None:
            raise SchemeError(f"the relation {relation!r} cannot be read at {text[place:]!r}")
        power = -1 if match[1] == "/" else 1
        if match[2] in known:
            counted[match[2]] += power
        else:
            value += power * np.log(_positive(match[2], relation, list(known)))
        place = match.end()
    return counted, value


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
