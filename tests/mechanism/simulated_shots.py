"""Simulated shots of a scheme: the truth is integrated by scipy, not by the code under test."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.integrate import solve_ivp

from stopflow.mechanism.observations import MechanismShot
from stopflow.mechanism.scheme import Scheme


def integrate(
    scheme: Scheme, constants: Mapping[str, float], start: Mapping[str, float], time_s: np.ndarray
) -> np.ndarray:
    """Concentrations (n, s) by scipy's LSODA, term by term from the steps."""

    def slope(_time: float, c: np.ndarray) -> np.ndarray:
        change = np.zeros(len(scheme.species))
        for step in scheme.steps:
            rate = constants[step.constant]
            for name, count in step.reactants.items():
                rate *= c[scheme.species.index(name)] ** count
            for side, sign in ((step.reactants, -1), (step.products, 1)):
                for name, count in side.items():
                    change[scheme.species.index(name)] += sign * count * rate
        return change

    first = np.array([start.get(name, 0.0) for name in scheme.species])
    found = solve_ivp(
        slope,
        (0.0, float(time_s[-1])),
        first,
        t_eval=time_s,
        method="LSODA",
        rtol=1e-11,
        atol=1e-14 * first.max(),
    )
    return found.y.T


def simulate(
    rng: np.random.Generator,
    scheme: Scheme,
    constants: Mapping[str, float],
    starts: Sequence[Mapping[str, float]],
    *,
    observed: Mapping[str, float],
    time_s: np.ndarray,
    noise_sd: float = 0.01,
    shots: int = 2,
    noisy: bool = True,
) -> list[MechanismShot]:
    """Shots with an offset of their own, with or without their noise; responses are per mol/L."""
    made = []
    for number, start in enumerate(starts):
        c = integrate(scheme, constants, start, time_s)
        clean = sum(
            response * c[:, scheme.species.index(name)] for name, response in observed.items()
        )
        made += [
            MechanismShot(
                name=f"c{number}_{shot}",
                time_s=time_s,
                signal=clean + rng.normal() + noisy * noise_sd * rng.standard_normal(len(time_s)),
                noise_sd=noise_sd,
                start_M=start,
            )
            for shot in range(shots)
        ]
    return made
