"""The mechanism of the real Fe-SCN traces against the route over single rates."""

from pathlib import Path

import numpy as np
import pytest

from stopflow.executors import ThisProcess, Workers
from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.fit import fit_mechanism
from stopflow.mechanism.observations import Detector
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.scheme import parse_scheme
from stopflow.pipeline.mechanism.settings import mechanism_settings
from stopflow.pipeline.mechanism.shots import collect_shots, find_places, read_shots
from stopflow.pipeline.progress import silent

pytestmark = pytest.mark.whole

FOLDER = Path(__file__).parents[2] / "data" / "fe_scn"
KNOWN_RATES = {
    "0.086 M": ((3.37, 0.07), (4.02, 0.08), (5.01, 0.08), (6.18, 0.07), (7.64, 0.15)),
    "0.146 M": ((2.93, 0.10), (3.60, 0.09), (4.49, 0.10), (5.46, 0.08), (6.61, 0.08)),
}
"""Mean and SD of k_obs over seven shots, 16.5 to 24.5 °C, in 1/s, as known from the source."""


def test_eyring_over_all_shots_gives_the_rates_of_single_exponentials() -> None:
    """At these concentrations hardly any complex is made: k_obs = k1 ([Fe] + [SCN]) + k-1.

    It is compared with Eyring's law through the known means, weighted by their standard errors: at
    each temperature, and in the activation enthalpy.
    """
    scheme = parse_scheme("Fe + SCN <=> FeSCN")
    settings = mechanism_settings(
        FOLDER, scheme=scheme.text, initial={"Fe": "concentration"}, eyring=True
    )
    alone = Workers(executor=ThisProcess(), at_once=1)
    read = read_shots(find_places(FOLDER), workers=alone, progress=silent)
    found = collect_shots(read, scheme, settings)
    assert found.left_out == ()
    assert sum(len(group.shots) for group in found.groups) == 140
    for group in found.groups:
        known = np.array(KNOWN_RATES.get(group.label.removeprefix("ionic strength "), ()))
        if not len(known):
            continue
        problem = build_problem(
            scheme,
            build_constants(scheme, reference_K=298.15),
            group.shots,
            detector=Detector(observed=("FeSCN",)),
        )
        fit = fit_mechanism(problem, generator=np.random.default_rng(0))
        assert fit.ok
        log_k, _ = problem.constants.log_k(fit.best.theta, problem.kelvin)
        together = problem.starts.given[:, :2].sum(axis=1)
        k_obs = np.exp(log_k[:, 0]) * together + np.exp(log_k[:, 1])
        mean, error = known[:, 0], known[:, 1] / np.sqrt(7)
        colder = 1 / np.sort(problem.kelvin) - 1 / 298.15
        own = np.log(k_obs / problem.kelvin)[np.argsort(problem.kelvin)]
        line, spread = np.polyfit(
            colder,
            np.log(mean) - np.log(np.sort(problem.kelvin)),
            1,
            w=mean / error,
            cov="unscaled",
        )
        assert (np.abs(own - np.polyval(line, colder)) < 1.5 * error / mean).all()
        slope = np.polyfit(colder, own, 1)[0]
        assert abs(slope - line[0]) < 2 * np.sqrt(spread[0, 0])
        assert -8.314e-3 * slope == pytest.approx(71.4, abs=0.5)
