"""A global fit by COPASI, for the comparison.

Hoops et al., Bioinformatics 22, 3067 (2006), 10.1093/bioinformatics/btl485. It needs the package
copasi-basico, which is installed for development only.
"""

from importlib import import_module
from locale import LC_ALL, setlocale
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from stopflow.mechanism.bench.cases import MICRO
from stopflow.mechanism.bench.ways import TOLERANCE, Reached, clock
from stopflow.mechanism.problem import FitProblem
from stopflow.trace import FloatArray


def _load_basico() -> Any:
    """Import basico, which sets the locale of the whole process to C, and take that back."""
    own = setlocale(LC_ALL)
    try:
        return import_module("basico")
    finally:
        setlocale(LC_ALL, own)


basico = _load_basico()

ITERATIONS = 500
WIDE = 1e3
"""Constants are sought within this factor of where they begin."""


def fit_with_copasi(
    problem: FitProblem,
    start: FloatArray,
    *,
    tolerance: float = TOLERANCE,
    method: str = "Levenberg - Marquardt",
) -> Reached:
    """Follow the squares down with a local method of COPASI."""
    orders = problem.scheme.orders
    micro = np.exp(start) * MICRO ** (orders - 1)
    model = build_model(problem, micro, tolerance=tolerance)
    with TemporaryDirectory() as folder:
        _add_experiments(model, problem, Path(folder))
        _add_items(model, problem, micro)
        settings = {"method": {"Iteration Limit": ITERATIONS, "Tolerance": 1e-2 * tolerance}}
        found, spent = clock(
            lambda: basico.run_parameter_estimation(
                model=model, method=method, settings=settings, update_model=False
            )
        )
        squares = float(basico.get_fit_statistic(model=model)["obj"])
    basico.remove_datamodel(model)
    values = np.array([found.loc[f"(R{n}).k1", "sol"] for n in range(len(micro))], dtype=float)
    return Reached(constants=values * MICRO ** (1 - orders), squares=squares, seconds=spent)


def build_model(problem: FitProblem, micro: FloatArray, *, tolerance: float) -> Any:
    """Build the scheme in COPASI, in µM and s, with reactions R0, R1, ... as the steps."""
    model = basico.new_model(name="case", quantity_unit="mol", volume_unit="l", time_unit="s")
    for name in problem.scheme.species:
        basico.add_species(name, initial_concentration=0.0, model=model)
    for number, step in enumerate(problem.scheme.steps):
        sides = [
            " + ".join(f"{count} * {name}" if count > 1 else name for name, count in side.items())
            for side in (step.reactants, step.products)
        ]
        basico.add_reaction(f"R{number}", " -> ".join(sides), model=model)
        basico.set_reaction_parameters(f"(R{number}).k1", value=float(micro[number]), model=model)
    basico.add_parameter("response", initial_value=0.8, model=model)
    basico.add_parameter("offset", initial_value=0.1, model=model)
    basico.add_parameter(
        "signal",
        type="assignment",
        expression=f"Values[response] * [{problem.observed[0]}] + Values[offset]",
        model=model,
    )
    basico.set_task_settings(
        "Time-Course",
        {"method": {"Relative Tolerance": tolerance, "Absolute Tolerance": tolerance}},
        model=model,
    )
    return model


def _add_experiments(model: Any, problem: FitProblem, folder: Path) -> None:
    for shot in problem.shots:
        table: dict[str, Any] = {"Time": shot.time_s, "Values[signal]": shot.signal}
        for name in problem.scheme.species:
            table[f"[{name}]_0"] = [shot.start_M.get(name, 0.0) / MICRO] * len(shot.time_s)
        basico.add_experiment(shot.name, pd.DataFrame(table), data_dir=str(folder), model=model)
    estimation = model.getTask("Parameter Estimation").getProblem().getExperimentSet()
    for number, shot in enumerate(problem.shots):
        experiment = estimation.getExperiment(number)
        experiment.setNormalizeWeightsPerExperiment(False)
        experiment.getObjectMap().setScale(1, shot.noise_sd**-2)


def _add_items(model: Any, problem: FitProblem, micro: FloatArray) -> None:
    items: list[dict[str, Any]] = [
        {"name": f"(R{number}).k1", "lower": value / WIDE, "upper": value * WIDE, "start": value}
        for number, value in enumerate(micro)
    ]
    items.append({"name": "Values[response]", "lower": -WIDE, "upper": WIDE, "start": 0.8})
    items += [
        {
            "name": "Values[offset]",
            "lower": -WIDE,
            "upper": WIDE,
            "start": 0.1,
            "affected": [shot.name],
        }
        for shot in problem.shots
    ]
    basico.set_fit_parameters(items, model=model)
