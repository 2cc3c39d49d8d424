"""What a mixture holds at the time of mixing, where that depends on the constants.

Forms in equilibrium before mixing share what is given of both. Where mixing is double, some species
age together for a delay before the others are added: they are then more concentrated than after the
last mixing, by the factor of its dilution, and the same rate equations hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.mechanism.rates import MassAction
from stopflow.mechanism.scheme import Scheme, SchemeError
from stopflow.mechanism.solve import solve
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """The first of two mixings.

    Attributes
    ----------
    species
        Those that are mixed first.
    dilution
        What the last mixing divides their concentrations by.
    """

    species: tuple[str, ...]
    dilution: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Equilibrium:
    """Two forms that were in equilibrium before mixing: numbers of species and constants."""

    first: int
    second: int
    forward: int
    back: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Starts:
    """Concentrations at the time of mixing, as they follow from the constants.

    Attributes
    ----------
    given
        (M, s) as they were stated, after the last mixing.
    delays_s
        (M,) how long the species of `aged` were together before.
    aged
        (s,) which those are; none where mixing is single.
    dilution
        Of the last mixing.
    least
        (M,) smallest stated concentration of each mixture that is not 0.
    """

    given: FloatArray
    least: FloatArray
    equilibria: tuple[_Equilibrium, ...]
    delays_s: FloatArray
    aged: NDArray[np.bool_]
    dilution: float

    @property
    def depend(self) -> bool:
        """Whether they depend on the constants."""
        return bool(self.equilibria) or bool(self.aged.any())

    def evaluate(
        self, system: MassAction, log_k: FloatArray, slopes: FloatArray | None, *, tolerance: float
    ) -> tuple[FloatArray, FloatArray | None]:
        """Evaluate the starts (T M, s) and their derivatives (T M, p, s) for T sets of constants.

        Parameters
        ----------
        log_k, slopes
            (T M, R), and (T M, R, p) or None where no derivatives are wanted.
        """
        sets = len(log_k) // len(self.given)
        starts = self.given.copy() if sets == 1 else np.tile(self.given, (sets, 1))
        if not self.depend:
            return starts, None
        free = 0 if slopes is None else slopes.shape[2]
        moved = np.zeros((len(starts), free, starts.shape[1]))
        for pair in self.equilibria:
            _equilibrate(pair, starts, moved, log_k, slopes)
        if self.aged.any() and self.delays_s.any():
            starts, moved = self._age(system, starts, moved, log_k, slopes, tolerance=tolerance)
        return starts, None if slopes is None else moved

    def _age(
        self,
        system: MassAction,
        starts: FloatArray,
        moved: FloatArray,
        log_k: FloatArray,
        slopes: FloatArray | None,
        *,
        tolerance: float,
    ) -> tuple[FloatArray, FloatArray]:
        k = np.exp(np.clip(log_k, -700, 700))
        share = np.where(self.aged, self.dilution, 0.0)
        times, place = np.unique(self.delays_s, return_inverse=True)
        found = solve(
            system,
            starts * share,
            k,
            times,
            dk=None if slopes is None else (k[:, :, None] * slopes).transpose(0, 2, 1),
            dstart=moved * share,
            tolerance=tolerance,
            least_M=self.least_M(len(starts)),
        )
        at = np.tile(place, len(starts) // len(place)), np.arange(len(starts))
        rest = ~self.aged
        return (
            found.c[at[1], at[0]] / self.dilution + starts * rest,
            found.dc[at[1], at[0]] / self.dilution + moved * rest,
        )

    def least_M(self, count: int) -> FloatArray:
        """Give the smallest stated concentration of each of `count` mixtures that is not 0."""
        sets = count // len(self.least)
        return self.least if sets == 1 else np.tile(self.least, sets)


def _equilibrate(
    pair: _Equilibrium,
    starts: FloatArray,
    moved: FloatArray,
    log_k: FloatArray,
    slopes: FloatArray | None,
) -> None:
    """Share what is in a syringe between two forms, in place."""
    total = starts[:, pair.first] + starts[:, pair.second]
    share = 1 / (1 + np.exp(log_k[:, pair.back] - log_k[:, pair.forward]))
    starts[:, pair.first], starts[:, pair.second] = total * (1 - share), total * share
    if slopes is None:
        return
    change = slopes[:, pair.forward] - slopes[:, pair.back]
    change = (total * share * (1 - share))[:, None] * change
    moved[:, :, pair.first] -= change
    moved[:, :, pair.second] += change


def build_starts(
    scheme: Scheme,
    mixtures: Sequence[Mapping[str, float]],
    *,
    delays_s: Sequence[float],
    pre_equilibrated: Sequence[tuple[str, str]],
    ageing: Ageing | None,
) -> Starts:
    """Put the starts of M mixtures together.

    Raises
    ------
    SchemeError
        Names a pair that does not interconvert, or a species of the first mixing that the scheme
        does not have.
    """
    for name in ageing.species if ageing is not None else ():
        if name not in scheme.species:
            raise SchemeError(
                f"the species {name!r} of the first mixing is not of the scheme: "
                f"{', '.join(scheme.species)}"
            )
    aged = np.isin(scheme.species, () if ageing is None else ageing.species)
    given = np.array([[mixture.get(name, 0.0) for name in scheme.species] for mixture in mixtures])
    least = np.where(given > 0, given, np.inf).min(axis=1)
    return Starts(
        given=given,
        least=np.where(np.isfinite(least), least, 1.0),
        equilibria=tuple(_find_equilibrium(scheme, pair) for pair in pre_equilibrated),
        delays_s=np.array(delays_s, dtype=float),
        aged=aged,
        dilution=1.0 if ageing is None else ageing.dilution,
    )


def _find_equilibrium(scheme: Scheme, pair: tuple[str, str]) -> _Equilibrium:
    steps = {
        (next(iter(step.reactants)), next(iter(step.products))): number
        for number, step in enumerate(scheme.steps)
        if step.order == 1 and sum(step.products.values()) == 1
    }
    first, second = pair
    if (first, second) not in steps or (second, first) not in steps:
        raise SchemeError(f"the scheme has no step {first} <=> {second} to be in equilibrium")
    return _Equilibrium(
        first=scheme.species.index(first),
        second=scheme.species.index(second),
        forward=steps[first, second],
        back=steps[second, first],
    )
