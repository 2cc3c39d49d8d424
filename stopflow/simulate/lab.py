"""Simulated shots whose true rate constants are known, experiment by experiment.

The shots of one mixture differ by 1 % in k (pipetting, temperature) and slightly more in amplitude.
The start time in the workbook is the time at which the artefact of the shot is over, rounded up to
the next half millisecond. The rate constant in the workbook is a fit to the recorded points, with
the scatter that a person's choice of points adds. The fit is one Gauss-Newton step from the truth,
which equals the least-squares solution when the noise is small.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stopflow.io.units import ZERO_CELSIUS_K
from stopflow.simulate.instrument import (
    Pulse,
    SimulatedPush,
    SimulatedSignal,
    artefact_end,
    share_left,
    simulate_shot,
)
from stopflow.simulate.plan import ExperimentPlan, LabSpec, choose_reactions, plan_experiment
from stopflow.trace import Conditions, Experiment, Shot, Trace

SHOT_SCATTER = 0.01
"""Relative standard deviation of k between the shots of one mixture."""
HUMAN_SCATTER = 0.004
"""Relative standard deviation that a person's choice of points adds to the rate constant."""
START_ROUNDING_S = 0.5e-3
SECOND_PHASE_SLOWER = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotTruth:
    """The true values behind a simulated shot.

    Attributes
    ----------
    k_per_s
        Rate constant of this shot.
    start_s, amplitude, slope_per_s, intercept, noise_sd
        As in `SimulatedSignal`.
    noise_rho
        Correlation of neighbouring points.
    k_condition_per_s
        Rate constant of the mixture, as the kinetics of its reaction give it.
    second_k_per_s, second_amplitude
        0 without a second phase; the amplitude is that at `start_s`.
    disturbance
        ``"bubble"``, ``"spike"`` or empty.
    """

    k_per_s: float
    start_s: float
    amplitude: float
    slope_per_s: float
    intercept: float
    noise_sd: float
    noise_rho: float
    k_condition_per_s: float
    second_k_per_s: float
    second_amplitude: float
    disturbance: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedExperiment:
    """An experiment, and the truth of each of its shots in the same order."""

    experiment: Experiment
    truths: tuple[ShotTruth, ...]


def simulate_lab(spec: LabSpec, *, generator: np.random.Generator) -> Iterator[SimulatedExperiment]:
    """Yield the experiments of a lab one by one.

    Each draws from a generator of its own, so none depends on what was done with the others.

    Raises
    ------
    SettingsError
        When no reaction has a series of rates inside `spec.rates_per_s`.
    """
    chosen = choose_reactions(spec, generator=generator)
    children = generator.spawn(spec.folders)
    for number, ((reaction, temperature_K), child) in enumerate(
        zip(chosen, children, strict=True), start=1
    ):
        plan = plan_experiment(
            spec, number, reaction=reaction, temperature_K=temperature_K, generator=child
        )
        yield _record_experiment(plan, spec, generator=child)


def _record_experiment(
    plan: ExperimentPlan, spec: LabSpec, *, generator: np.random.Generator
) -> SimulatedExperiment:
    shots, truths = [], []
    for concentration_uM, replicates in plan.mixtures:
        k_per_s = plan.reaction.k_obs(concentration_uM * 1e-6, temperature_K=plan.temperature_K)
        for replicate in range(1, replicates + 1):
            push = _push(plan, spec, concentration_uM, k_per_s=k_per_s, generator=generator)
            push, disturbance = _disturb(push, plan, spec, generator=generator)
            record = simulate_shot(
                plan.time_s, push, instrument=plan.instrument, generator=generator
            )
            start_s = _named_start(record.start_s, generator=generator)
            rate_per_s, fitted = _lab_fit(plan, push, record, start_s=start_s, generator=generator)
            truths.append(_truth(plan, push, record, k_per_s=k_per_s, disturbance=disturbance))
            shots.append(
                Shot(
                    experiment=plan.name,
                    file=f"{plan.reaction.substrate}_{concentration_uM:g}uM_{replicate}.bka",
                    trace=_trace(plan, record, concentration_uM, replicate=replicate),
                    conditions=_conditions(
                        plan, concentration_uM, replicate=replicate, fitted=fitted
                    ),
                    start_s=start_s,
                    workbook_rate_per_s=rate_per_s,
                )
            )
    return SimulatedExperiment(
        experiment=Experiment(name=plan.name, shots=tuple(shots)), truths=tuple(truths)
    )


def _push(
    plan: ExperimentPlan,
    spec: LabSpec,
    concentration_uM: float,
    *,
    k_per_s: float,
    generator: np.random.Generator,
) -> SimulatedPush:
    """Draw a shot of the plan, with noise within the range that the spec gives."""
    normal = generator.standard_normal
    sign = generator.choice((1, 1, 1, 1, -1))
    k_shot = k_per_s * (1 + SHOT_SCATTER * normal())
    occupancy = plan.reaction.occupancy(concentration_uM * 1e-6, temperature_K=plan.temperature_K)
    change_V = plan.swing_V * occupancy * (1 + 0.015 * normal())
    end_V = plan.low_V * (1 + 0.002 * normal())
    if plan.reaction.rises:
        end_V, change_V = end_V + plan.swing_V, -change_V
    push = SimulatedPush(
        k_per_s=k_shot,
        amplitude_V=plan.polarity * change_V * (1 - spec.second_phase),
        second_k_per_s=k_shot / SECOND_PHASE_SLOWER if spec.second_phase else 0.0,
        second_amplitude_V=plan.polarity * change_V * spec.second_phase + 0.0,
        level_V=plan.polarity * end_V,
        slope_V_per_s=plan.drift_V * (1 + 0.3 * normal()) / float(plan.time_s[-1]),
        noise_sd_V=plan.noise_V * np.exp(0.05 * normal()),
        ringing_V=plan.ringing_V * np.exp(0.3 * normal()),
        ringing_phase=plan.ringing_phase + 0.3 * normal(),
        schlieren_V=plan.schlieren_V * np.exp(0.3 * normal()) * sign,
        flush=plan.flush,
    )
    for _ in range(3):
        start_s = artefact_end(push, plan.instrument)
        left_V = abs(push.amplitude_V) * share_left(
            start_s, push.k_per_s, push=push, instrument=plan.instrument
        )
        noise_V = np.clip(push.noise_sd_V, spec.noise[0] * left_V, spec.noise[1] * left_V)
        push = replace(push, noise_sd_V=float(noise_V))
    return push


def _disturb(
    push: SimulatedPush, plan: ExperimentPlan, spec: LabSpec, *, generator: np.random.Generator
) -> tuple[SimulatedPush, str]:
    """Add a bubble or an electric spike to the share of shots that the spec asks for."""
    if generator.random() >= spec.disturbed_share:
        return push, ""
    window_s = plan.time_s[-1]
    is_bubble = generator.random() < 0.5
    pulse = Pulse(
        time_s=generator.uniform(0.15, 0.95) * window_s,
        height_V=generator.choice((-1, 1)) * generator.uniform(0.1, 0.6) * plan.swing_V,
        width_s=generator.uniform(0.004, 0.03) * window_s if is_bubble else 0.6 * plan.time_s[1],
    )
    return replace(push, pulses=(pulse,)), "bubble" if is_bubble else "spike"


def _named_start(start_s: float, *, generator: np.random.Generator) -> float:
    """Draw the start time that a person would note: never too early, in steps of 0.5 ms."""
    seen_s = start_s + generator.exponential(0.2e-3)
    return round(float(np.ceil(seen_s / START_ROUNDING_S)) * START_ROUNDING_S, 6)


def _lab_fit(
    plan: ExperimentPlan,
    push: SimulatedPush,
    record: SimulatedSignal,
    *,
    start_s: float,
    generator: np.random.Generator,
) -> tuple[float, dict[str, str]]:
    """One Gauss-Newton step of y = a t + b + c exp(-k t) on the points from the named start.

    Returns the rate and what the workbook says beside it.
    """
    kept = plan.time_s >= start_s
    since = plan.time_s[kept] - start_s
    decay = np.exp(-push.k_per_s * since)
    later_s = start_s - record.start_s
    slope = record.slope_per_s
    intercept = record.intercept + slope * later_s
    amplitude = record.amplitude * np.exp(-push.k_per_s * later_s)
    residual = record.signal[kept] - (slope * since + intercept + amplitude * decay)
    jacobian = np.column_stack(
        [since, np.ones_like(since), decay, -amplitude * push.k_per_s * since * decay]
    )
    step = np.linalg.lstsq(jacobian, residual)[0]
    relative = np.clip(step[3] + HUMAN_SCATTER * generator.standard_normal(), -0.6, 2.0)
    rate_per_s = float(f"{push.k_per_s * (1 + relative):.4g}")
    return rate_per_s, {
        "Slope (V/s)": f"{slope + step[0]:.4g}",
        "Intercept (V)": f"{intercept + step[1]:.5g}",
        "Amplitude (V)": f"{amplitude + step[2]:.4g}",
    }


def _truth(
    plan: ExperimentPlan,
    push: SimulatedPush,
    record: SimulatedSignal,
    *,
    k_per_s: float,
    disturbance: str,
) -> ShotTruth:
    return ShotTruth(
        k_per_s=push.k_per_s,
        start_s=record.start_s,
        amplitude=record.amplitude,
        slope_per_s=record.slope_per_s,
        intercept=record.intercept,
        noise_sd=record.noise_sd,
        noise_rho=plan.instrument.noise_rho,
        k_condition_per_s=k_per_s,
        second_k_per_s=push.second_k_per_s,
        second_amplitude=record.second_amplitude,
        disturbance=disturbance,
    )


def _trace(
    plan: ExperimentPlan, record: SimulatedSignal, concentration_uM: float, *, replicate: int
) -> Trace:
    reaction = plan.reaction
    mixture = f"{reaction.reagent} + {reaction.substrate} {concentration_uM:g} uM"
    return Trace(
        time_s=plan.time_s,
        signal=record.signal,
        signal_unit="Volt",
        records=(
            ("_UNITX", "ms"),
            ("_UNITY", "Volt"),
            (
                "_COMMENT",
                f"{mixture}, {plan.temperature_K - ZERO_CELSIUS_K:.1f} C, shot {replicate}",
            ),
            ("_COMMENT", f"{reaction.light}, {plan.time_s[-1]:g} s"),
            ("_DELTAX", "0"),
        ),
    )


def _conditions(
    plan: ExperimentPlan, concentration_uM: float, *, replicate: int, fitted: dict[str, str]
) -> Conditions:
    return Conditions(
        substrate=plan.reaction.substrate,
        concentration_M=float(f"{concentration_uM:g}e-6"),
        temperature_K=plan.temperature_K,
        replicate=replicate,
        dead_time_s=round(plan.instrument.dead_time_s, 4),
        extra={"Channel": "1", **fitted},
    )
