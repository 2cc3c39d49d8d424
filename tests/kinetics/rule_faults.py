"""For every rule of the verdicts, experiments with the fault that it is for."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from lab_shots import shot

from stopflow.kinetics.analysis import AnalysisSettings, analyse_experiment, analyse_lab
from stopflow.trace import Conditions, Experiment, Shot

LENGTH_S, POINTS, RATE = 0.5, 800, 20.0
TIME = np.linspace(0, LENGTH_S, POINTS)
Make = Callable[[np.random.Generator], list[Shot]]


SINGLE = AnalysisSettings(law="single")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong, in words, and experiments in which it is."""

    said: str
    make: Make
    settings: AnalysisSettings = SINGLE


def trace(
    rng: np.random.Generator,
    clean: np.ndarray | None = None,
    *,
    time: np.ndarray = TIME,
    sd: float = 0.01,
    start_s: float | None = 0.0,
    file: str = "a.bka",
    **given: object,
) -> Shot:
    """One shot; of a clean decay of 20 per second where nothing else is given."""
    values = np.exp(-RATE * time) if clean is None else clean
    signal = 2 + values + sd * rng.standard_normal(len(time))
    rate = given.pop("rate", None)
    return shot(
        signal,
        time_s=time,
        file=file,
        start_s=start_s,
        rate=rate if isinstance(rate, float) else None,
        conditions=Conditions(substrate="S", **given),  # type: ignore[arg-type]
    )


def one(clean: Callable[[np.random.Generator], np.ndarray], **given: object) -> Make:
    """Experiments of one shot."""
    return lambda rng: [trace(rng, clean(rng), **given)]  # type: ignore[arg-type]


def replicates(
    rng: np.random.Generator,
    factors: dict[float, list[float]],
    *,
    scatter: float = 0.01,
    sizes: dict[float, float] | None = None,
    partner: str = "",
) -> list[Shot]:
    """Shots at concentrations, in M; k is 1e4 times as much, times the factors."""
    extra = {"Enzyme (uM)": partner} if partner else {}
    made = []
    for molar, row in factors.items():
        for number, factor in enumerate(row):
            k = 1e4 * molar * factor * (1 + scatter * rng.standard_normal())
            time = np.linspace(0, 10 / (1e4 * molar), POINTS)
            clean = (sizes or {}).get(molar, 1.0) * np.exp(-k * time)
            given = {"concentration_M": molar, "replicate": number + 1, "extra": extra}
            made.append(trace(rng, clean, time=time, file=f"{molar}_{number}.bka", **given))
    return made


def series(rng: np.random.Generator, odd: list[float], *, at: float = 2e-3) -> list[Shot]:
    """Four concentrations of five shots, one of them with factors of its own."""
    factors = {molar: [1.0] * 5 for molar in (1e-3, 2e-3, 4e-3, 8e-3)}
    return replicates(rng, factors | {at: odd})


def decay(k: float = RATE, time: np.ndarray = TIME) -> np.ndarray:
    return np.exp(-k * time)


def ringing(size: float) -> np.ndarray:
    return size * np.exp(-TIME / 2e-3) * np.cos(2500 * TIME)


def unlike_laws(rng: np.random.Generator) -> list[Shot]:
    made = replicates(rng, {2e-3: [1.0] * 3})
    return [replace(made[0], law="single-slope"), *made[1:]]


WIDE = np.linspace(0, 0.05, POINTS)
COARSE = np.linspace(0, 1, 40)
FAULTS: dict[str, Fault] = {
    "refused": Fault(said="a signal that never changes", make=lambda _: [shot(np.full(1201, 2.0))]),
    "slope": Fault(
        said="drift of a tenth of the amplitude, S/N 100",
        make=one(lambda _: decay() + 0.2 * TIME),
        settings=AnalysisSettings(),
    ),
    "short-window": Fault(
        said="a record of 1.5 time constants, S/N 1,000", make=one(lambda _: decay(3.0), sd=0.001)
    ),
    "slow-sampling": Fault(
        said="0.8 time constants between two points",
        make=one(lambda _: decay(31.0, COARSE), time=COARSE),
    ),
    "uncertain": Fault(said="S/N 1.5", make=one(lambda _: decay(), sd=0.7)),
    "undetermined": Fault(
        said="a record of a twentieth of a time constant, S/N 100",
        make=one(lambda _: decay(1.0, WIDE), time=WIDE),
    ),
    "residual-runs": Fault(
        said="a bubble of ten times the noise, 15 ms wide",
        make=one(lambda _: decay() + 0.1 * np.exp(-(((TIME - 0.1) / 0.015) ** 2))),
    ),
    "saturated": Fault(
        said="the highest tenth of the change is beyond the detector",
        make=lambda rng: [
            replace(item, trace=replace(item.trace, signal=np.minimum(item.trace.signal, 2.9)))
            for item in [trace(rng)]
            if item.trace is not None
        ],
    ),
    "quantised": Fault(
        said="twenty levels over the change, noise of a tenth of one",
        make=lambda rng: [
            replace(
                item, trace=replace(item.trace, signal=np.round(item.trace.signal / 0.05) * 0.05)
            )
            for item in [trace(rng, sd=0.005)]
            if item.trace is not None
        ],
    ),
    "noisy": Fault(said="S/N 3", make=one(lambda _: decay(), sd=1 / 3)),
    "early-start": Fault(
        said="a start given within an artefact of half of the change that falls with 2 ms",
        make=one(lambda _: decay() + 0.5 * np.exp(-TIME / 2e-3)),
    ),
    "law-shift": Fault(
        said="a fifth of the change in a phase 2.5 times slower, S/N 20",
        make=one(lambda _: 0.8 * decay() + 0.2 * decay(8.0), sd=0.05),
    ),
    "wrong-law": Fault(
        said="a quarter of the change in a phase five times slower",
        make=one(lambda _: 0.75 * decay() + 0.25 * decay(4.0)),
    ),
    "omitted-points": Fault(
        said="the last tenth of the record padded with zeros",
        make=lambda rng: [
            replace(
                item,
                trace=replace(item.trace, signal=np.where(TIME > 0.45, 0.0, item.trace.signal)),
            )
            for item in [trace(rng)]
            if item.trace is not None
        ],
    ),
    "time-zero": Fault(
        said="second order, the start detected behind an artefact",
        make=one(lambda _: 1 / (1 + 40 * TIME) + ringing(0.3), start_s=None),
        settings=AnalysisSettings(law="second-order"),
    ),
    "no-start": Fault(
        said="forty points, too few to look for a start",
        make=one(lambda _: decay(5.0, COARSE), time=COARSE, start_s=None),
    ),
    "artefact-inside": Fault(
        said="waves of a tenth of the change all along",
        make=one(lambda _: decay() + 0.1 * np.sin(60 * TIME), start_s=None),
    ),
    "start-removes": Fault(
        said="half of the change in a phase of 1,500 per second",
        make=one(lambda _: 0.5 * decay(1500) + 0.5 * decay(), start_s=None),
    ),
    "workbook-rate": Fault(
        said="the lab's own rate is a fifth higher", make=one(lambda _: decay(), rate=1.2 * RATE)
    ),
    "outlier-shot": Fault(
        said="one of three shots off by 10 %, in four conditions",
        make=lambda rng: replicates(
            rng, {m: [1.0] * 3 for m in (1e-3, 2e-3, 4e-3)} | {8e-3: [1.0, 1.1, 1.0]}
        ),
    ),
    "left-out": Fault(
        said="one of five shots off by 10 %, scatter 1 %",
        make=lambda rng: series(rng, [1.0, 1.0, 1.1, 1.0, 1.0]),
    ),
    "without-outliers": Fault(
        said="the same", make=lambda rng: series(rng, [1.0, 1.0, 1.1, 1.0, 1.0])
    ),
    "replicate-drift": Fault(
        said="k rises by 8 % over five shots",
        make=lambda rng: series(rng, [1.0, 1.02, 1.04, 1.06, 1.08]),
    ),
    "replicate-scatter": Fault(
        said="one condition scatters by 6 %, the others by 1 %",
        make=lambda rng: series(rng, list(1 + 0.06 * rng.standard_normal(5))),
    ),
    "scatter": Fault(
        said="one condition scatters by 20 %",
        make=lambda rng: series(rng, list(np.exp(0.2 * rng.standard_normal(5)))),
    ),
    "amplitude-falls": Fault(
        said="half of the amplitude at the highest concentration",
        make=lambda rng: replicates(
            rng, {m: [1.0] * 3 for m in (1e-3, 2e-3, 4e-3)}, sizes={4e-3: 0.5}
        ),
    ),
    "off-curve": Fault(
        said="one of seven conditions 20 % off the line, scatter 1 %",
        make=lambda rng: replicates(
            rng,
            {1e-3 * number: [1.2 if number == 4 else 1.0] * 4 for number in range(1, 8)},
        ),
    ),
    "little-excess": Fault(
        said="three times as much as of the partner",
        make=lambda rng: replicates(rng, {3e-3: [1.0] * 3}, partner="1000"),
    ),
    "no-excess": Fault(
        said="1.2 times as much as of the partner",
        make=lambda rng: replicates(rng, {1.2e-3: [1.0] * 3}, partner="1000"),
    ),
    "not-together": Fault(
        said="shots of two rate laws, one fit asked for",
        make=unlike_laws,
        settings=AnalysisSettings(law="single", replicates="joint"),
    ),
    "shots": Fault(
        said="a condition with a shot of 0.3 ringing",
        make=lambda rng: [
            *replicates(rng, {2e-3: [1.0] * 2}),
            trace(rng, decay() + ringing(0.3), concentration_M=2e-3, replicate=3),
        ],
    ),
    "none-fitted": Fault(
        said="a condition of signals that never change",
        make=lambda _: [shot(np.full(1201, 2.0), conditions=Conditions(concentration_M=1e-3))],
    ),
}
"""Rule -> the fault that it is for."""


def rules_heard(rule: str, rng: np.random.Generator) -> set[str]:
    """Rules that speak up in one experiment with the fault that a rule is for."""
    fault = FAULTS[rule]
    made = Experiment(name="lab", shots=tuple(fault.make(rng)))
    analysed = analyse_lab([analyse_experiment(made, fault.settings)], fault.settings)
    (found,) = analysed.experiments
    items = (*found.shots, *found.conditions)
    return {finding.rule for item in items for finding in item.findings}
