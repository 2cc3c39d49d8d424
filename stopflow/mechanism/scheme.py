"""Reaction schemes as chemists write them: ``E + S <=> ES -> E + P``; ``2 A <=> A2``.

Grammar
-------
A scheme is a list of chains, separated by ``;`` or by line ends. A chain is a list of sides, joined
by arrows: ``->`` for a step in one direction, ``<=>`` for a reversible one. A side is a sum of
species, ``+`` between blanks; a species is a name that begins with a letter, with a whole number
before it where more than one molecule takes part. Arrows are counted over the whole scheme: arrow
number n has the constant ``kn`` and, where it is reversible, ``k-n`` for the way back. Names of
one's own stand behind a chain, in the order in which its constants occur:
``A + B <=> C : k_on, k_off``.

A step is elementary: its rate is its constant times the concentrations of its reactants, each to
the power of its coefficient, ``2 A -> A2`` proceeds at ``k1 [A]^2`` and consumes two molecules of A
at a time, so that ``d[A]/dt = -2 k1 [A]^2`` (IUPAC Gold Book, 10.1351/goldbook.R05156).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog

from stopflow.errors import StopflowError
from stopflow.trace import FloatArray

REVERSIBLE, FORWARD = "<=>", "->"
_ARROW = re.compile(r"(<=>|<->|⇌|↔|->|→)")
_SAME = {"<->": REVERSIBLE, "⇌": REVERSIBLE, "↔": REVERSIBLE, "→": FORWARD}
_PLUS = re.compile(r"\s\+\s")
_SPECIES = re.compile(r"(?:(\d{1,2})\s*)?([A-Za-z][\w'*.]*)")
CONSTANT = re.compile(r"[A-Za-z][\w'.-]*")
MOST_MOLECULES = 2
MOST_STEPS = 40


class SchemeError(StopflowError):
    """A scheme that cannot be read, or does not balance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One elementary step in one direction.

    Attributes
    ----------
    reactants, products
        Species and how many molecules of each.
    constant
        Name of its rate constant.
    is_back
        Whether it is the way back of a reversible step.
    """

    reactants: Mapping[str, int]
    products: Mapping[str, int]
    constant: str
    is_back: bool = False

    @property
    def order(self) -> int:
        """How many molecules meet."""
        return sum(self.reactants.values())

    @property
    def unit(self) -> str:
        """Unit of the rate constant."""
        return write_unit(M=1 - self.order, s=-1)

    def __str__(self) -> str:
        return f"{write_side(self.reactants)} -> {write_side(self.products)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A reaction scheme.

    Attributes
    ----------
    text
        As it was written.
    species
        In order of their first mention.
    steps
        Every direction of every arrow.
    """

    text: str
    species: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the rate constants, in the order of the steps."""
        return tuple(step.constant for step in self.steps)

    @property
    def units(self) -> dict[str, str]:
        """Unit of every rate constant."""
        return {step.constant: step.unit for step in self.steps}

    @property
    def orders(self) -> FloatArray:
        """Number of molecules that meet in every step, (R,)."""
        return np.array([step.order for step in self.steps], dtype=float)

    def stoichiometry(self) -> FloatArray:
        """Net molecules of each species made by each step: (species, steps)."""
        net = np.zeros((len(self.species), len(self.steps)))
        for column, step in enumerate(self.steps):
            for side, sign in ((step.reactants, -1), (step.products, 1)):
                for name, count in side.items():
                    net[self.species.index(name), column] += sign * count
        return net


def parse_scheme(text: str) -> Scheme:
    """Read a scheme.

    Raises
    ------
    SchemeError
        Names the place and what was expected there, or the step that does not balance.
    """
    steps: list[Step] = []
    arrows = 0
    for chain in re.split(r"[;\n]", text):
        if chain.strip():
            made, arrows = _parse_chain(chain, arrows)
            steps += made
    if not steps:
        raise SchemeError(f"the scheme {text!r} has no step; expected one such as A + B <=> C")
    if len(steps) > MOST_STEPS:
        raise SchemeError(f"the scheme has {len(steps)} steps; at most {MOST_STEPS} are possible")
    twice = [step.constant for step in steps]
    for name in twice:
        if twice.count(name) > 1:
            raise SchemeError(f"the constant {name} is named twice; every step has its own name")
    mentioned = (
        name for step in steps for side in (step.reactants, step.products) for name in side
    )
    scheme = Scheme(
        text=" ".join(text.split()), species=tuple(dict.fromkeys(mentioned)), steps=tuple(steps)
    )
    _require_balance(scheme)
    return scheme


def _parse_chain(chain: str, arrows: int) -> tuple[list[Step], int]:
    body, _, named = chain.partition(":")
    parts = _ARROW.split(body)
    if len(parts) < 3:
        raise SchemeError(f"no arrow in {chain.strip()!r}; expected -> or <=> between two sides")
    sides = [_parse_side(part, chain) for part in parts[::2]]
    names = [name.strip() for name in named.split(",")] if named.strip() else []
    steps: list[Step] = []
    for before, arrow, after in zip(sides[:-1], parts[1::2], sides[1:], strict=True):
        arrows += 1
        steps.append(Step(reactants=before, products=after, constant=f"k{arrows}"))
        if _SAME.get(arrow, arrow) == REVERSIBLE:
            back = f"k-{arrows}"
            steps.append(Step(reactants=after, products=before, constant=back, is_back=True))
    if names:
        steps = _named(steps, names, chain)
    for step in steps:
        if step.order > MOST_MOLECULES:
            raise SchemeError(
                f"{step} lets {step.order} molecules meet at once; write it as steps of at most "
                f"{MOST_MOLECULES}"
            )
        if dict(step.reactants) == dict(step.products):
            raise SchemeError(f"{step} changes nothing")
    return steps, arrows


def _named(steps: Sequence[Step], names: Sequence[str], chain: str) -> list[Step]:
    if len(names) != len(steps):
        raise SchemeError(
            f"{len(names)} names for {len(steps)} constants in {chain.strip()!r}; expected one for "
            "each direction of each arrow"
        )
    for name in names:
        if not CONSTANT.fullmatch(name):
            raise SchemeError(f"{name!r} is no name of a constant; expected one such as k_on")
    return [replace(step, constant=name) for step, name in zip(steps, names, strict=True)]


def _parse_side(text: str, chain: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in _PLUS.split(f" {text.strip()} "):
        match = _SPECIES.fullmatch(part.strip())
        if match is None:
            raise SchemeError(
                f"{part.strip()!r} in {chain.strip()!r} is no species; expected a name such as ES, "
                "with a number before it for several molecules, and + between blanks"
            )
        count, name = match.groups()
        if count == "0" or (count and int(count) == 0):
            raise SchemeError(f"0 {name} in {chain.strip()!r}; expected 1 molecule or more")
        found[name] = found.get(name, 0) + int(count or 1)
    return found


def _require_balance(scheme: Scheme) -> None:
    """Find masses, all of them above 0, that every step conserves; without them mass is made."""
    net = scheme.stoichiometry()
    if _balances(net):
        return
    for column, step in enumerate(scheme.steps):
        if not _balances(net[:, : column + 1]):
            raise SchemeError(
                f"the scheme does not balance: with {step} no masses of the species exist that "
                "every step conserves; is a product or a reactant missing?"
            )


def _balances(net: FloatArray) -> bool:
    species = net.shape[0]
    found = linprog(
        np.ones(species), A_eq=net.T, b_eq=np.zeros(net.shape[1]), bounds=[(1, None)] * species
    )
    return bool(found.success)


def write_side(side: Mapping[str, int]) -> str:
    """Write one side of a step: ``2 A + B``."""
    return " + ".join(f"{count} {name}" if count > 1 else name for name, count in side.items())


def write_unit(**exponents: int) -> str:
    """Write a unit, ``M^-1 s^-1``; 1 where nothing is left of it."""
    parts = [name if n == 1 else f"{name}^{n}" for name, n in exponents.items() if n]
    return " ".join(parts) or "1"
