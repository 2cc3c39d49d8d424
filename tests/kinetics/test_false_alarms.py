"""Clean experiments of correct design: how many conditions carry a WARN or a FAIL."""

from collections import Counter

import numpy as np
import pytest
from lab_shots import shot

from stopflow.kinetics.analysis import AnalysisSettings, analyse_experiment, analyse_lab
from stopflow.trace import Conditions, Experiment

POINTS = 800
SHAPES = ("line", "hyperbola", "constant")


def clean_experiment(rng: np.random.Generator, shape: str) -> Experiment:
    """Five to eight concentrations, three to five shots each, all that a careful chemist does.

    The window is 8 to 14 times 1/k, signal to noise 50 to 300, shots scatter by 0.3 to 2 %, the
    partner is 20 to 50 times less concentrated than the thinnest solution, the start is known.
    """
    concentrations = np.geomspace(1e-5, 1e-5 * rng.uniform(6, 40), rng.integers(5, 9))
    k_on, k_off, k_max = rng.uniform(2e5, 2e6), rng.uniform(1, 10), rng.uniform(60, 200)
    half = concentrations[-1] * rng.uniform(0.2, 0.6)
    scatter, noise = rng.uniform(0.003, 0.02), 1 / rng.uniform(50, 300)
    partner = f"{1e6 * concentrations[0] / rng.uniform(20, 50):.3g}"
    made = []
    for number, molar in enumerate(concentrations):
        k = {
            "line": k_off + k_on * molar,
            "hyperbola": k_off + k_max * molar / (half + molar),
            "constant": k_off * 4,
        }[shape]
        time = np.linspace(0, rng.uniform(8, 14) / k, POINTS)
        for replicate in range(1, int(rng.integers(3, 6))):
            own = k * (1 + scatter * rng.standard_normal())
            signal = 2 + rng.uniform(0.97, 1.03) * np.exp(-own * time)
            made.append(
                shot(
                    signal + noise * rng.standard_normal(POINTS),
                    file=f"c{number}_{replicate}.bka",
                    time_s=time,
                    start_s=0.0,
                    conditions=Conditions(
                        substrate="S",
                        concentration_M=float(molar),
                        temperature_K=298.15,
                        replicate=replicate,
                        extra={"Enzyme (uM)": partner},
                    ),
                )
            )
    return Experiment(name="clean", shots=tuple(made))


def count_alarms(rng: np.random.Generator, *, experiments: int) -> tuple[Counter, Counter, int]:
    """Count conditions and shots by the rules that speak up, "any" for those with one at all."""
    conditions: Counter[str] = Counter()
    shots: Counter[str] = Counter()
    total = 0
    for number in range(experiments):
        made = clean_experiment(rng, SHAPES[number % len(SHAPES)])
        settings = AnalysisSettings(law="single" if number % 2 else "single-slope")
        (found,) = analyse_lab([analyse_experiment(made, settings)], settings).experiments
        total += len(found.conditions)
        for item in found.conditions:
            conditions.update({finding.rule for finding in item.findings})
            conditions["any"] += bool(item.findings)
        for item in found.shots:
            shots.update({finding.rule for finding in item.findings})
            shots["all"] += 1
    return conditions, shots, total


@pytest.mark.slow
def test_clean_experiments_raise_no_alarm(full_proof, rng: np.random.Generator) -> None:
    """At most 3 % of conditions, and no rule above 1 %."""
    conditions, _, total = count_alarms(rng, experiments=500 if full_proof else 9)
    allowed = 0.03 if full_proof else 0.08
    assert conditions["any"] <= allowed * total, conditions
    if full_proof:
        own = {rule: count for rule, count in conditions.items() if rule != "any"}
        assert max(own.values(), default=0) <= 0.01 * total, own
