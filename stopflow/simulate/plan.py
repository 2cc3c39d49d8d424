"""How the simulated lab plans its experiments: series, recording window and detector.

An experiment is one reaction at one temperature: a concentration series with replicate shots,
recorded in one time window. The window is meant to hold about 15 times 1/k of the middle of the
series; in one experiment of eight it is about four times too short or too long. An absorbance
signal is a small change of a high voltage, a fluorescence signal a large change of a low one. A
tenth of the detectors have the opposite polarity. Recording begins while the liquid still flows,
and most artefacts are over 15 to 20 ms after the beginning of the record.
"""

from dataclasses import dataclass

import numpy as np

from stopflow.errors import SettingsError
from stopflow.io.units import ZERO_CELSIUS_K
from stopflow.simulate.chemistry import REACTIONS, Reaction, concentration_ladder
from stopflow.simulate.instrument import ARTEFACT_OVER, Instrument
from stopflow.trace import FloatArray

TEMPERATURES_K = (278.15, 283.15, 288.15, 293.15, 298.15, 303.15, 310.15)
KT_WANTED = 15.0
CARELESS_SHARE = 1 / 8
CARELESS_FACTOR = 4.0
SERIES_STEPS = 11
"""Number of steps of the pipetting ladder in a series, which span about a decade."""
SMALL_CELL_ABOVE = 100.0
"""Rate constant, 1/s, above which the small cell with its shorter artefact is used."""
LEAST_AMPLITUDE_V = 0.08
"""Least amplitude, in volts, of the fastest reaction at the end of the artefact."""
OPPOSITE_POLARITY_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSpec:
    """The size and the working practice of a simulated lab; the default is the size of a real one.

    Attributes
    ----------
    folders
        Experiments.
    traces
        Fewest and most traces of an experiment.
    points
        Points of a trace.
    windows_s
        Recording windows the lab uses, seconds.
    rates_per_s
        Slowest and fastest k_obs.
    noise
        Smallest and largest noise SD over the amplitude that is left when the artefact is over.
    correlated_share
        Share of experiments whose noise is correlated (AR(1), rho 0.1 to 0.7).
    disturbed_share
        Share of shots with a bubble or an electric spike.
    second_phase
        Amplitude share of a second phase, eight times slower, in every shot; 0 for none.

    Raises
    ------
    SettingsError
        When a value is impossible.
    """

    folders: int = 45
    traces: tuple[int, int] = (15, 45)
    points: int = 15_001
    windows_s: tuple[float, ...] = (0.15, 0.3, 0.75, 1.5, 3.0, 7.5, 15.0)
    rates_per_s: tuple[float, float] = (0.3, 400.0)
    noise: tuple[float, float] = (0.003, 0.06)
    correlated_share: float = 1 / 3
    disturbed_share: float = 0.0
    second_phase: float = 0.0

    def __post_init__(self) -> None:
        rules = (
            ("folders", self.folders >= 1, "1 or more"),
            ("traces", 1 <= self.traces[0] <= self.traces[1], "(fewest, most), 1 or more"),
            ("points", self.points >= 50, "50 or more"),
            ("windows_s", min(self.windows_s, default=0) >= 0.1, "one or more, 0.1 s or longer"),
            ("rates_per_s", 0 < self.rates_per_s[0] < self.rates_per_s[1], "(slowest, fastest)"),
            ("noise", 0 < self.noise[0] <= self.noise[1] <= 1, "(smallest, largest), up to 1"),
            ("correlated_share", 0 <= self.correlated_share <= 1, "0 to 1"),
            ("disturbed_share", 0 <= self.disturbed_share <= 1, "0 to 1"),
            ("second_phase", 0 <= self.second_phase < 0.5, "0 to below 0.5"),
        )
        for name, is_valid, valid in rules:
            if not is_valid:
                raise SettingsError(name, getattr(self, name), valid=valid)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExperimentPlan:
    """The plan of one experiment.

    Attributes
    ----------
    time_s
        (points,) sampling times.
    mixtures
        (concentration after mixing in µM, shots) of the series.
    polarity
        1, or -1 where more light gives a more negative voltage.
    swing_V, low_V
        Full change of voltage of the reaction, and the lower of its two ends; both positive.
    noise_V
        Noise SD.
    drift_V
        Usual size of the drift over the window, signed.
    ringing_V, ringing_phase, schlieren_V
        Usual size of the artefact, signed.
    flush
        Share of the previous shot in the cell when recording begins.
    """

    name: str
    reaction: Reaction
    temperature_K: float
    time_s: FloatArray
    instrument: Instrument
    mixtures: tuple[tuple[float, int], ...]
    polarity: int
    swing_V: float
    low_V: float
    noise_V: float
    drift_V: float
    ringing_V: float
    ringing_phase: float
    schlieren_V: float
    flush: float


def choose_reactions(
    spec: LabSpec, *, generator: np.random.Generator
) -> tuple[tuple[Reaction, float], ...]:
    """Choose a reaction and a temperature, kelvin, for each folder, without repeats if possible.

    Raises
    ------
    SettingsError
        When no reaction of the table has a series of rates inside `spec.rates_per_s`.
    """
    choices = [
        (reaction, temperature_K)
        for reaction in REACTIONS
        for temperature_K in TEMPERATURES_K
        if len(concentration_ladder(reaction, temperature_K=temperature_K, within=spec.rates_per_s))
        > SERIES_STEPS // 2
    ]
    if not choices:
        raise SettingsError("rates_per_s", spec.rates_per_s, valid="a wider range, e.g. (0.3, 400)")
    rounds = -(-spec.folders // len(choices))
    order = np.concatenate([generator.permutation(len(choices)) for _ in range(rounds)])
    return tuple(choices[choice] for choice in order[: spec.folders])


def plan_experiment(
    spec: LabSpec,
    number: int,
    *,
    reaction: Reaction,
    temperature_K: float,
    generator: np.random.Generator,
) -> ExperimentPlan:
    """Set up experiment `number` (from 1) of a lab."""
    mixtures = _choose_series(spec, reaction, temperature_K, generator=generator)
    series = np.array([concentration for concentration, _ in mixtures]) * 1e-6
    rates = np.array([reaction.k_obs(c, temperature_K=temperature_K) for c in series])
    shares = np.array([reaction.occupancy(c, temperature_K=temperature_K) for c in series])

    is_fast = rates.max() > SMALL_CELL_ABOVE
    lasting_s = generator.uniform(*((3.5e-3, 5.0e-3) if is_fast else (5e-3, 12e-3)))
    dead_time_s = generator.uniform(1.0e-3, 1.6e-3) if is_fast else generator.uniform(1.2e-3, 3e-3)
    left = shares * np.exp(-rates * (lasting_s + dead_time_s))
    is_absorbance = reaction.light.startswith("absorbance")
    swing_V = _log_uniform((0.3, 1.6) if is_absorbance else (0.5, 4.0), generator)
    swing_V = max(swing_V, LEAST_AMPLITUDE_V / left.min())
    left_V = swing_V * float(np.median(left))
    noise_V = _log_uniform(spec.noise, generator) * left_V

    flowing_V = swing_V * np.exp(-np.median(rates) * dead_time_s)
    ringing_V, schlieren_V = flowing_V * generator.uniform(0.05, 0.5, 2)
    decay_s = lasting_s / np.log(max(ringing_V, schlieren_V) / (ARTEFACT_OVER / 2 * noise_V))
    is_ringing_longer = generator.random() < 0.5
    shorter_s = decay_s * generator.uniform(0.5, 0.9)
    instrument = Instrument(
        dead_time_s=dead_time_s,
        valve_s=max(generator.uniform(14e-3, 18e-3) - lasting_s, 2.5e-3),
        ramp_s=generator.uniform(0.3e-3, 0.8e-3),
        flush_decay_s=generator.uniform(0.5e-3, 1.2e-3),
        ringing_hz=generator.uniform(180, 600),
        ringing_decay_s=decay_s if is_ringing_longer else shorter_s,
        schlieren_decay_s=shorter_s if is_ringing_longer else decay_s,
        artefact_rise_s=generator.uniform(0.1e-3, 0.3e-3),
        flow_noise=generator.uniform(1.2, 3.0),
        noise_rho=generator.uniform(0.1, 0.7)
        if generator.random() < spec.correlated_share
        else 0.0,
    )
    lowest_V = max(0.3, 5.0 - swing_V) if is_absorbance else 0.2
    highest_V = max(lowest_V, min(9.5 - 1.5 * swing_V, 9.5 if is_absorbance else 5.0))
    celsius = temperature_K - ZERO_CELSIUS_K
    return ExperimentPlan(
        name=f"{number:02d}_{reaction.reagent}_{reaction.substrate}_{celsius:.0f}C",
        reaction=reaction,
        temperature_K=temperature_K,
        time_s=sampling_times(_choose_window(spec, rates, generator=generator), spec.points),
        instrument=instrument,
        mixtures=mixtures,
        polarity=-1 if generator.random() < OPPOSITE_POLARITY_SHARE else 1,
        swing_V=swing_V,
        low_V=generator.uniform(lowest_V, highest_V),
        noise_V=noise_V,
        drift_V=float(generator.choice((-1, 1))) * _log_uniform((0.002, 0.08), generator) * left_V,
        ringing_V=ringing_V,
        ringing_phase=generator.uniform(0, 2 * np.pi),
        schlieren_V=generator.choice((-1, 1)) * schlieren_V,
        flush=generator.choice((0.0, generator.uniform(0.2, 1.0))),
    )


def sampling_times(window_s: float, points: int) -> FloatArray:
    """Even times (points,), seconds from 0, with a step of two significant digits in ms."""
    step_ms = float(f"{window_s * 1e3 / (points - 1):.2g}")
    return np.round(np.arange(points) * step_ms, 6) * 1e-3


def _choose_series(
    spec: LabSpec, reaction: Reaction, temperature_K: float, *, generator: np.random.Generator
) -> tuple[tuple[float, int], ...]:
    """Concentrations, µM, spread over about a decade, with their numbers of shots."""
    ladder = concentration_ladder(reaction, temperature_K=temperature_K, within=spec.rates_per_s)
    first = int(generator.integers(0, max(1, len(ladder) - SERIES_STEPS + 1)))
    span = ladder[first : first + SERIES_STEPS]
    fewest, most = spec.traces
    few = fewest + 0.2 * (most - fewest)
    total = round(generator.triangular(fewest, few, most)) if fewest < most else fewest
    replicates = min(int(generator.integers(3, 6)), max(1, total // 3))
    count = min(round(total / replicates), len(span))
    chosen = np.rint(np.linspace(0, len(span) - 1, count)).astype(int)
    shots, more = divmod(total, count)
    return tuple((span[step], shots + (place < more)) for place, step in enumerate(chosen))


def _choose_window(spec: LabSpec, rates: FloatArray, *, generator: np.random.Generator) -> float:
    wanted_s = KT_WANTED / np.exp(np.log(rates).mean())
    if generator.random() < CARELESS_SHARE:
        wanted_s *= CARELESS_FACTOR ** generator.choice((-1, 1))
    return min(spec.windows_s, key=lambda window_s: abs(np.log(window_s / wanted_s)))


def _log_uniform(limits: tuple[float, float], generator: np.random.Generator) -> float:
    return float(np.exp(generator.uniform(*np.log(limits))))
