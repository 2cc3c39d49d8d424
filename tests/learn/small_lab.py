"""A small lab with known rates, made here from the formula alone."""

from dataclasses import dataclass

import numpy as np

from stopflow.features import FeatureSpec, build_features, window_of
from stopflow.learn.data import LabData, lab_data

POINTS = 400
SPEC = FeatureSpec("shape", 96)


@dataclass(frozen=True, eq=False)
class SmallLab:
    data: LabData
    traces: list[tuple[np.ndarray, np.ndarray]]

    def trace(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        return self.traces[row]


def make_lab(
    rng: np.random.Generator,
    *,
    experiments: int = 8,
    shots: int = 12,
    noise: float = 0.01,
    spec: FeatureSpec = SPEC,
) -> SmallLab:
    """y = a t + b + c exp(-k t) + noise; every experiment with its own window and noise."""
    traces, rates, names, files = [], [], [], []
    for number in range(experiments):
        window_s = float(rng.choice([0.3, 1.5, 7.5]))
        time_s = np.linspace(0.0, window_s, POINTS)
        for shot in range(shots):
            k_per_s = np.exp(rng.uniform(np.log(2.5), np.log(30.0))) / window_s
            amplitude = rng.choice([-1, 1]) * rng.uniform(0.2, 2.0)
            signal = amplitude * np.exp(-k_per_s * time_s) + rng.uniform(-1, 1)
            signal += 0.05 * amplitude * rng.standard_normal() * time_s / window_s
            signal += noise * abs(amplitude) * rng.standard_normal(POINTS)
            traces.append((time_s, signal))
            rates.append(k_per_s)
            names.append(f"exp{number}")
            files.append(f"shot{shot}.bka")
    fitted = np.array(rates) * (1 + 0.002 * rng.standard_normal(len(rates)))
    data = lab_data(
        np.stack([build_features(*trace, spec=spec) for trace in traces]),
        features=spec,
        window_s=[window_of(time_s) for time_s, _ in traces],
        k_label_per_s=fitted,
        k_true_per_s=rates,
        k_fit_per_s=fitted,
        k_bound_per_s=0.002 * np.array(rates),
        experiment=names,
        file=files,
    )
    return SmallLab(data, traces)
