"""Odd traces with a known rate: what instruments, hands and files do to a recording."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from stopflow.kinetics.laws import LAWS


@dataclass(frozen=True)
class OddTrace:
    """Time and signal, the law that made it and its rates, and what was done to it."""

    time_s: np.ndarray
    signal: np.ndarray
    law: str
    rates_per_s: tuple[float, ...]
    kinds: tuple[str, ...]


def draw_parameters(rng, law, length_s):
    """Parameters of a reaction that fits the window, amplitude of either sign."""
    k = np.exp(rng.uniform(np.log(3), np.log(60))) / length_s
    ratio = np.exp(rng.uniform(np.log(3), np.log(12)))
    values = {
        "k_per_s": k,
        "k2_per_s": k / ratio,
        "k3_per_s": k / ratio**2,
        "beta": rng.uniform(0.5, 1.5),
        "ratio": rng.uniform(0.2, 0.9),
        "amplitude": rng.choice([-1.0, 1.0]),
        "amplitude2": rng.uniform(0.2, 2) * rng.choice([-1.0, 1.0]),
        "amplitude3": rng.uniform(0.2, 2) * rng.choice([-1.0, 1.0]),
        "slope_per_s": rng.normal(scale=0.1) / length_s,
        "intercept": rng.normal(scale=2),
    }
    return {name: values[name] for name in LAWS[law].parameters}


def _times(rng, length_s, points):
    kind = rng.choice(["even", "jitter", "log", "two rates"])
    if kind == "even":
        return np.linspace(0, length_s, points)
    if kind == "jitter":
        steps = rng.uniform(0.2, 1.8, points)
        time = np.cumsum(steps) - steps[0]
        return time * length_s / time[-1]
    if kind == "log":
        time = np.geomspace(length_s / 500, length_s, points)
        return time - time[0]
    first = np.linspace(0, 0.1 * length_s, points // 2, endpoint=False)
    return np.concatenate((first, np.linspace(0.1 * length_s, length_s, points - len(first))))


def _noise(rng, points, kind):
    white = rng.normal(size=points + 500)
    if kind == "ar95":
        return lfilter([np.sqrt(1 - 0.95**2)], [1, -0.95], white)[500:]
    if kind == "ar60":
        return lfilter([0.8], [1, -0.6], white)[500:]
    return white[500:]


def _artefact(rng, time, rate_per_s):
    """A mixing artefact: shorter than the reaction, else it is one of its phases."""
    width = np.exp(rng.uniform(np.log(0.01), np.log(0.2))) / rate_per_s
    size = rng.uniform(0.05, 1.5) * rng.choice([-1, 1])
    shape = rng.integers(4)
    if shape == 0:
        return size * np.exp(-time / width)
    if shape == 1:
        return size * np.exp(-time / width) * np.sin(6.3 * time / width + rng.uniform(0, 6.3))
    if shape == 2:
        return size * (time < width)
    return size * np.exp(-((time - 2 * width) ** 2) / (2 * width**2))


def draw_trace(rng, law="single-slope"):
    """One odd trace: a reaction of `law`, noise, and up to three oddities."""
    length_s = float(np.exp(rng.uniform(np.log(0.01), np.log(100))))
    few = rng.random() < 0.15
    points = int(rng.integers(12, 60)) if few else int(rng.integers(100, 1500))
    time = _times(rng, length_s, points)
    parameters = draw_parameters(rng, law, length_s)
    signal = LAWS[law].evaluate(time, parameters)
    kinds = ["few"] * few
    noise = rng.choice(["white", "white", "ar60", "ar95", "none"], p=[0.4, 0.25, 0.15, 0.15, 0.05])
    size = np.exp(rng.uniform(np.log(0.002), np.log(0.1)))
    if noise != "none":
        signal = signal + size * _noise(rng, points, noise)
    kinds.append(str(noise))
    oddities = ["artefact", "hum", "gap", "clip", "rounded", "spikes", "step", "padded", "bubble"]
    for kind in rng.choice(oddities, size=rng.integers(0, 4), replace=False):
        kinds.append(str(kind))
        if kind == "artefact":
            signal = signal + _artefact(rng, time, parameters["k_per_s"])
        elif kind == "hum":
            turns = rng.uniform(3, 60)
            signal = signal + rng.uniform(0.005, 0.1) * np.sin(6.283 * turns * time / length_s)
        elif kind == "gap":
            first = int(rng.integers(1, len(time) - 2))
            kept = np.ones(len(time), dtype=bool)
            kept[first : first + len(time) // 5] = False
            if kept.sum() >= 10:
                time, signal = time[kept], signal[kept]
        elif kind == "clip":
            signal = np.clip(signal, *np.quantile(signal, rng.choice([[0, 0.9], [0.1, 1]])))
        elif kind == "rounded":
            step = np.ptp(signal) / rng.integers(3, 60)
            signal = np.round(signal / step) * step
        elif kind == "spikes":
            hit = rng.random(len(signal)) < 0.01
            signal = signal + hit * rng.normal(size=len(signal)) * 3
        elif kind == "step":
            signal = signal + rng.normal(scale=0.2) * (time > rng.uniform(0, length_s))
        elif kind == "padded":
            run = int(len(signal) * rng.uniform(0.05, 0.3))
            signal[len(signal) - run :] = rng.choice([0.0, signal[-1]])
        else:
            middle = rng.uniform(0.1, 0.9) * length_s
            signal = signal + 0.5 * np.exp(-(((time - middle) / (0.02 * length_s)) ** 2))
    unit = 10.0 ** rng.choice([-12, -6, -3, 0, 0, 0, 3, 6, 12])
    rates = tuple(parameters[name] for name in LAWS[law].rates)
    return OddTrace(
        time_s=time, signal=signal * unit, law=law, rates_per_s=rates, kinds=tuple(kinds)
    )
