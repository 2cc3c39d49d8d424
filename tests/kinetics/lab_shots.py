"""Hand-made shots for the tests of the analysis."""

import numpy as np

from stopflow.trace import Conditions, Experiment, Shot, Trace

TIME = np.linspace(0.0, 0.5, 1201)


def decay(k_per_s: float = 20.0, *, amplitude: float = 1.0, slope_per_s: float = 0.0) -> np.ndarray:
    return amplitude * np.exp(-k_per_s * TIME) + slope_per_s * TIME + 2.0


def noisy(rng: np.random.Generator, signal: np.ndarray, *, sd: float = 0.01) -> np.ndarray:
    return signal + sd * rng.standard_normal(len(signal))


def shot(
    signal: np.ndarray,
    *,
    file: str = "a.bka",
    time_s: np.ndarray = TIME,
    conditions: Conditions | None = None,
    start_s: float | None = None,
    rate: float | None = None,
) -> Shot:
    return Shot(
        experiment="lab",
        file=file,
        trace=Trace(time_s=time_s, signal=signal),
        conditions=conditions or Conditions(),
        start_s=start_s,
        workbook_rate_per_s=rate,
    )


def series(
    rng: np.random.Generator,
    rates: dict[float, float],
    *,
    shots: int = 3,
    amplitude: float = 1.0,
    temperature_K: float | None = 298.15,
    name: str = "lab",
) -> Experiment:
    """One experiment: {concentration in M: k}, replicates with 1 % scatter."""
    made = [
        shot(
            noisy(rng, decay(k * (1 + 0.01 * rng.standard_normal()), amplitude=amplitude)),
            file=f"c{number}_{replicate}.bka",
            conditions=Conditions(
                substrate="S",
                concentration_M=concentration,
                temperature_K=temperature_K,
                replicate=replicate,
            ),
        )
        for number, (concentration, k) in enumerate(rates.items())
        for replicate in range(1, shots + 1)
    ]
    return Experiment(name=name, shots=tuple(made))
