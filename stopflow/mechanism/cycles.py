"""Detailed balance: around a closed cycle of reversible steps the equilibrium constants make 1.

A cycle is a combination of reversible reactions that changes nothing in sum; the product of their
equilibrium constants, each to the power with which it goes in, is then 1 (Onsager, Phys. Rev. 37,
405 (1931), 10.1103/PhysRev.37.405). A fit that does not know this finds constants that cannot be.
"""

from fractions import Fraction
from math import gcd, lcm

import numpy as np

from stopflow.mechanism.constants import Constants
from stopflow.mechanism.scheme import Scheme


def find_cycles(scheme: Scheme) -> list[dict[str, int]]:
    """Find independent cycles, each as powers of rate constants whose product is 1."""
    pairs = _reversible(scheme)
    if not pairs:
        return []
    net = scheme.stoichiometry()[:, [forward for forward, _ in pairs]]
    found = []
    for cycle in _null_space([[Fraction(int(value)) for value in row] for row in net]):
        powers: dict[str, int] = {}
        for (forward, back), power in zip(pairs, cycle, strict=True):
            if power:
                powers[scheme.constants[forward]] = power
                powers[scheme.constants[back]] = -power
        found.append(powers)
    return found


def describe_missing_balance(scheme: Scheme, constants: Constants) -> list[str]:
    """Say which cycles the relations leave without detailed balance, and what to add."""
    said = []
    for powers in find_cycles(scheme):
        row = np.array([powers.get(name, 0) for name in scheme.constants], dtype=float)
        if np.abs(row @ constants.matrix).max() < 1e-9 and abs(row @ constants.offset) < 1e-6:
            continue
        relation = write_balance(powers)
        said.append(
            f"the scheme has a cycle, and its constants are not held to detailed balance; add "
            f'--relation "{relation}"'
        )
    return said


def write_balance(powers: dict[str, int]) -> str:
    """Write detailed balance as a relation: one way round the cycle equals the other."""
    sides = [
        " * ".join(name for name, power in powers.items() for _ in range(max(sign * power, 0)))
        for sign in (1, -1)
    ]
    return " = ".join(sides)


def _reversible(scheme: Scheme) -> list[tuple[int, int]]:
    """Pair the numbers of steps that are each other's way back."""
    found, taken = [], set()
    for first, step in enumerate(scheme.steps):
        for second in range(first + 1, len(scheme.steps)):
            other = scheme.steps[second]
            if (
                first not in taken
                and second not in taken
                and dict(step.reactants) == dict(other.products)
                and dict(step.products) == dict(other.reactants)
            ):
                found.append((first, second))
                taken |= {first, second}
    return found


def _null_space(rows: list[list[Fraction]]) -> list[list[int]]:
    """Find whole-number vectors that span what the rows map to 0, by exact elimination."""
    count, rows = len(rows[0]), [list(row) for row in rows]
    pivots: list[int] = []
    for column in range(count):
        place = len(pivots)
        pivot = next((i for i in range(place, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [value / rows[place][column] for value in rows[place]]
        for other in range(len(rows)):
            if other != place and rows[other][column]:
                factor = rows[other][column]
                rows[other] = [
                    a - factor * b for a, b in zip(rows[other], rows[place], strict=True)
                ]
        pivots.append(column)
    found = []
    for free in (column for column in range(count) if column not in pivots):
        vector = [Fraction(0)] * count
        vector[free] = Fraction(1)
        for place, column in enumerate(pivots):
            vector[column] = -rows[place][free]
        whole = lcm(*(value.denominator for value in vector))
        numbers = [int(value * whole) for value in vector]
        shared = gcd(*numbers)
        found.append([number // shared for number in numbers])
    return found
