r"""A physical model of a stopped-flow instrument: what its detector records in one push.

Two solutions are driven through a mixer into the observation cell and out through the stop valve.
The signal of one shot, in volts at file time t, is the sum of

- **age of the mixture** in the beam. While liquid flows it is the dead time t_d. The stop valve
  closes at t_v within a ramp r, the flow falling linearly, so that d(age)/dt = 1 - v(t)/v_0::

      age(t) = t_d                              t < t_v
             = t_d + (t - t_v)^2 / (2 r)        t_v <= t < t_v + r
             = t_d + (t - t_v) - r/2            later

  The reaction runs for t_d before the liquid comes to rest; the amplitude of that time is lost.
- **reaction**: c exp(-k age) + c_2 exp(-k_2 age), c_2 = 0 for a single phase; amplitudes at age
  zero.
- **flush**: when recording begins, the cell still holds some of the reacted mixture of the previous
  shot. Its share w exp(-t/tau_w) does not react and is washed out until the flow stops.
- **level and drift**: b + a (t - t_v), the offset of the detector and a slow linear drift.
- **mixing and stop artefact**, u = t - t_v > 0: a pressure wave that rings and a schlieren
  disturbance that relaxes, both rising within tau_r::

      [R exp(-u/tau_R) cos(2 pi f u + phi) + S exp(-u/tau_S)] [1 - exp(-u/tau_r)]

- **pulses**: occasional bubbles and electric spikes, Gaussian in time.
- **noise**, stationary AR(1), e_n = rho e_(n-1) + sqrt(1 - rho^2) w_n, white for rho = 0, and
  larger by a factor while liquid flows.

The converter rounds the sum to 2^bits steps of a range of +/- range_V and clips there.

The envelope |R| exp(-u/tau_R) + |S| exp(-u/tau_S) falls below 1/50 of the noise at `start_s`. From
there on the record is exactly

    y(t) = slope (t - start_s) + intercept + amplitude exp(-k (t - start_s)) + noise

with slope = a, intercept = b + a (start_s - t_v) and
amplitude = c [1 - w exp(-t_v/tau_w)] exp(-k age(start_s)). The residual artefact shifts no fitted
rate by a measurable part of its standard error.

Lost amplitude and dead time: Tonomura, Nakatani, Ohnishi, Yamaguchi-Ito and Hiromi,
Anal. Biochem. 84 (1978) 370-383.
"""

from dataclasses import dataclass

import numpy as np

from stopflow.kinetics.uncertainty.drawn_noise import draw_noise
from stopflow.trace import FloatArray

ARTEFACT_OVER = 0.02
"""The artefact counts as over where its envelope is below this share of the noise SD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """The hardware and its settings, the same for all shots of an experiment; symbols as above.

    Attributes
    ----------
    dead_time_s, valve_s, ramp_s
        t_d, t_v and r.
    flush_decay_s
        tau_w.
    ringing_hz, ringing_decay_s, schlieren_decay_s, artefact_rise_s
        f, tau_R, tau_S and tau_r.
    flow_noise
        Noise SD while liquid flows over noise SD at rest, 1 or more.
    noise_rho
        Correlation of neighbouring points, 0 <= rho < 1.
    range_V, bits
        Half the range and the resolution of the converter.
    """

    dead_time_s: float = 1.5e-3
    valve_s: float = 8e-3
    ramp_s: float = 0.5e-3
    flush_decay_s: float = 1.2e-3
    ringing_hz: float = 350.0
    ringing_decay_s: float = 0.8e-3
    schlieren_decay_s: float = 1.0e-3
    artefact_rise_s: float = 0.2e-3
    flow_noise: float = 2.0
    noise_rho: float = 0.0
    range_V: float = 10.0
    bits: int = 16

    @property
    def step_V(self) -> float:
        """One step of the converter, volts."""
        return 2 * self.range_V / 2**self.bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A bubble (wide) or an electric spike (narrower than a sampling step)."""

    time_s: float
    height_V: float
    width_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPush:
    """The mixture and the disturbances of one push; symbols as in the module's formulas.

    Attributes
    ----------
    k_per_s, amplitude_V
        k and c (at age zero; positive falls).
    level_V, slope_V_per_s
        b (at the stop) and a.
    noise_sd_V
        Stationary SD of the noise at rest, before the converter.
    ringing_V, ringing_phase, schlieren_V
        R, phi and S.
    flush
        w, share of the previous shot in the cell when recording begins.
    second_k_per_s, second_amplitude_V
        k_2 and c_2.
    """

    k_per_s: float
    amplitude_V: float
    level_V: float = 0.0
    slope_V_per_s: float = 0.0
    noise_sd_V: float = 0.0
    ringing_V: float = 0.0
    ringing_phase: float = 0.0
    schlieren_V: float = 0.0
    flush: float = 0.0
    second_k_per_s: float = 0.0
    second_amplitude_V: float = 0.0
    pulses: tuple[Pulse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedSignal:
    """A record and the truth behind it.

    Attributes
    ----------
    signal
        (N,) volts, as the converter gives it.
    clean
        (N,) volts, without noise and rounding but with artefact and pulses.
    start_s
        When the artefact is over.
    amplitude, second_amplitude, slope_per_s, intercept
        Volts, on time since `start_s`.
    noise_sd
        Volts, of one point after the stop, the rounding of the converter included.
    """

    signal: FloatArray
    clean: FloatArray
    start_s: float
    amplitude: float
    second_amplitude: float
    slope_per_s: float
    intercept: float
    noise_sd: float


def simulate_shot(
    time_s: FloatArray,
    push: SimulatedPush,
    *,
    instrument: Instrument,
    generator: np.random.Generator,
) -> SimulatedSignal:
    """Record one push at the times `time_s` (N,), seconds from the start of recording, even steps.

    Formulas in the module's docstring.
    """
    clean = clean_signal(time_s, push, instrument=instrument)
    loudness = 1 + (instrument.flow_noise - 1) * flow(time_s, instrument)
    noise = draw_noise(len(time_s), rho=instrument.noise_rho, generator=generator)
    start_s = artefact_end(push, instrument)
    return SimulatedSignal(
        signal=quantise(clean + push.noise_sd_V * loudness * noise, instrument),
        clean=clean,
        start_s=start_s,
        amplitude=push.amplitude_V
        * share_left(start_s, push.k_per_s, push=push, instrument=instrument),
        second_amplitude=push.second_amplitude_V
        * share_left(start_s, push.second_k_per_s, push=push, instrument=instrument),
        slope_per_s=push.slope_V_per_s,
        intercept=push.level_V + push.slope_V_per_s * (start_s - instrument.valve_s),
        noise_sd=float(np.hypot(push.noise_sd_V, instrument.step_V / np.sqrt(12))),
    )


def clean_signal(time_s: FloatArray, push: SimulatedPush, *, instrument: Instrument) -> FloatArray:
    """Volts (N,) that reach the converter without noise."""
    age = mixture_age(time_s, instrument)
    reaction = push.amplitude_V * np.exp(-push.k_per_s * age)
    if push.second_amplitude_V:
        reaction += push.second_amplitude_V * np.exp(-push.second_k_per_s * age)
    old = push.flush * np.exp(-np.minimum(time_s, instrument.valve_s) / instrument.flush_decay_s)
    signal = push.level_V + push.slope_V_per_s * (time_s - instrument.valve_s)
    signal += (1 - old) * reaction + artefact(time_s, push, instrument)
    for pulse in push.pulses:
        distance = (time_s - pulse.time_s) / pulse.width_s
        signal += pulse.height_V * np.exp(-(distance**2) / 2)
    return signal


def flow(time_s: FloatArray, instrument: Instrument) -> FloatArray:
    """Flow velocity v(t)/v_0: 1 until the valve begins to close, 0 after the ramp."""
    return np.clip(1 - (time_s - instrument.valve_s) / instrument.ramp_s, 0.0, 1.0)


def mixture_age(time_s: FloatArray, instrument: Instrument) -> FloatArray:
    """Seconds since mixing of the liquid in the beam: t_d + integral of (1 - v/v_0)."""
    since = np.maximum(time_s - instrument.valve_s, 0.0)
    ramp = instrument.ramp_s
    closing = np.minimum(since, ramp)
    return instrument.dead_time_s + closing**2 / (2 * ramp) + (since - closing)


def artefact(time_s: FloatArray, push: SimulatedPush, instrument: Instrument) -> FloatArray:
    """Volts of ringing and schlieren; zero until the valve begins to close."""
    since = np.maximum(time_s - instrument.valve_s, 0.0)
    wave = np.cos(2 * np.pi * instrument.ringing_hz * since + push.ringing_phase)
    ringing = push.ringing_V * np.exp(-since / instrument.ringing_decay_s) * wave
    schlieren = push.schlieren_V * np.exp(-since / instrument.schlieren_decay_s)
    return (ringing + schlieren) * -np.expm1(-since / instrument.artefact_rise_s)


def artefact_end(push: SimulatedPush, instrument: Instrument) -> float:
    """Time from which each part of the artefact's envelope is below half of 1/50 noise SD."""
    floor = ARTEFACT_OVER * np.hypot(push.noise_sd_V, instrument.step_V / np.sqrt(12)) / 2
    parts = (
        (push.ringing_V, instrument.ringing_decay_s),
        (push.schlieren_V, instrument.schlieren_decay_s),
    )
    lasting = [decay * np.log(abs(size) / floor) for size, decay in parts if abs(size) > floor]
    return instrument.valve_s + float(max([instrument.ramp_s, *lasting]))


def share_left(
    time_s: float, k_per_s: float, *, push: SimulatedPush, instrument: Instrument
) -> float:
    """Share of a phase's amplitude that has not reacted at a time after the stop."""
    age = float(mixture_age(np.asarray(time_s), instrument))
    old = push.flush * np.exp(-instrument.valve_s / instrument.flush_decay_s)
    return float((1 - old) * np.exp(-k_per_s * age))


def quantise(signal: FloatArray, instrument: Instrument) -> FloatArray:
    """Round to the converter's steps and clip to its range."""
    half = 2 ** (instrument.bits - 1)
    counts = np.clip(np.rint(signal / instrument.step_V), -half, half - 1)
    return counts * instrument.step_V
