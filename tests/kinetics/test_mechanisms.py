"""Two phases read together, pH profiles and tight binding, from traces to constants."""

from collections.abc import Callable

import numpy as np
import pytest
from lab_shots import noisy, shot

from stopflow.kinetics.analysis import (
    AnalysisSettings,
    ExperimentAnalysis,
    LabAnalysis,
    analyse_experiment,
    analyse_lab,
    condition_rows,
    secondary_rows,
)
from stopflow.kinetics.secondary.curve_model import SecondaryCurve
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.kinetics.secondary.fit import SecondaryFit
from stopflow.kinetics.verdicts.repeatability import as_series, pool
from stopflow.trace import Conditions, Experiment

pytestmark = pytest.mark.whole

TIME = np.linspace(0.0, 1.5, 901)
Rates = Callable[[float], tuple[float, float]]


def two_phases(
    rng: np.random.Generator,
    molar: np.ndarray,
    rates: Rates,
    *,
    second: float = 0.3,
    shots: int = 2,
) -> LabAnalysis:
    """Two exponentials with amplitudes 0.5 and `second`, some shots a concentration."""
    made = []
    for number, at in enumerate(molar):
        for replicate in range(1, shots + 1):
            first, other = (k * (1 + 0.005 * rng.standard_normal()) for k in rates(at))
            signal = 1 + 0.5 * np.exp(-first * TIME) + second * np.exp(-other * TIME)
            given = Conditions(substrate="S", concentration_M=float(at), replicate=replicate)
            made.append(
                shot(
                    noisy(rng, signal, sd=5e-4),
                    file=f"{number}_{replicate}.bka",
                    time_s=TIME,
                    start_s=0.0,
                    conditions=given,
                )
            )
    experiment = Experiment(name="lab", shots=tuple(made))
    return analyse_lab([analyse_experiment(experiment, AnalysisSettings(law="double"))])


def rates_of(phases: list[SecondaryCurve], truth: tuple[float, ...]) -> Rates:
    """The rates of the phases of one mechanism at a concentration."""
    return lambda at: tuple(  # type: ignore[return-value]
        float(curve.function(np.array([at]), np.array(truth))[0][0]) for curve in phases
    )


def chosen(lab: LabAnalysis) -> dict[str, SecondaryFit]:
    return {fit.phase: fit for fit in lab.secondary if fit.chosen}


def assert_found(fit: SecondaryFit, truth: tuple[float, ...]) -> None:
    for parameter, true in zip(fit.parameters, truth, strict=True):
        assert abs(parameter.value - true) < 4 * parameter.stderr, parameter
        assert parameter.stderr < 0.2 * abs(true), parameter


def test_phases_are_followed_where_they_cross(rng) -> None:
    """The rising phase overtakes the other at 24 uM; by falling rate both plots have a kink."""
    molar = np.array([2, 4, 8, 50, 80, 120]) * 1e-6
    lab = two_phases(rng, molar, lambda at: (3 + 5e5 * at, 15.0))
    fits = chosen(lab)
    assert (fits["k"].kind, fits["k2"].kind) == ("line", "constant")
    assert_found(fits["k"], (5e5, 3.0))
    assert_found(fits["k2"], (15.0,))
    assert fits["k"].rates == ("k2_per_s",) * 3 + ("k_per_s",) * 3
    assert "cross between 0.008 and 0.05 mM" in fits["k"].remark
    # The amplitudes go with their phase, and none of them falls.
    assert_found(fits["amplitude"], (0.5,))
    assert_found(fits["amplitude2"], (0.3,))
    rows = condition_rows(lab.experiments[0])
    assert not [row for row in rows if "amplitude" in row["reason"]]


def test_both_phases_of_induced_fit_have_one_set_of_constants(rng) -> None:
    truth = (4e5, 30.0, 8.0, 2.0)
    fast, slow = phases = [CURVES[f"induced fit, {phase} phase"] for phase in ("fast", "slow")]
    lab = two_phases(rng, np.geomspace(5e-6, 1.6e-4, 6), rates_of(phases, truth), shots=3)
    fits = chosen(lab)
    assert (fits["k"].kind, fits["k2"].kind) == (fast.kind, slow.kind)
    assert_found(fits["k"], truth)
    assert fits["k"].parameters == fits["k2"].parameters
    # Six times three shots a phase: the errors of both phases have as many degrees of freedom each.
    six_conditions = pool([as_series(range(3), [9.0, 10.0, 11.0], [0.1] * 3)] * 6)
    assert fits["k"].curve.error_dof == 2 * six_conditions.dof
    assert "conformational selection gives the same rates" in fits["k2"].remark


def test_a_falling_slow_phase_is_conformational_selection(rng) -> None:
    truth = (5.0, 10.0, 4e5, 40.0)
    fast, slow = phases = [
        CURVES[f"conformational selection, {phase} phase"] for phase in ("fast", "slow")
    ]
    fits = chosen(two_phases(rng, np.geomspace(5e-6, 3e-4, 7), rates_of(phases, truth)))
    assert (fits["k"].kind, fits["k2"].kind) == (fast.kind, slow.kind)
    assert_found(fits["k"], truth)
    assert "alone lets the slower phase fall" in fits["k2"].remark


def at_ph(
    rng: np.random.Generator, rate: Callable[[float], float], ph: np.ndarray
) -> ExperimentAnalysis:
    made = []
    for number, at in enumerate(ph):
        for replicate in (1, 2, 3):
            time = np.linspace(0, 10 / rate(at), 600)
            signal = np.exp(-rate(at) * (1 + 0.01 * rng.standard_normal()) * time)
            given = Conditions(
                substrate="S",
                concentration_M=1e-3,
                replicate=replicate,
                extra={"pH": f"{at:.1f}", "Buffer": "MES" if at < 7 else "Tris"},
            )
            made.append(
                shot(
                    noisy(rng, signal, sd=0.005),
                    file=f"{number}_{replicate}.bka",
                    time_s=time,
                    start_s=0.0,
                    conditions=given,
                )
            )
    return analyse_experiment(Experiment(name="lab", shots=tuple(made)))


def bell(ph: float) -> float:
    return 40 / (1 + 10 ** (6.1 - ph) + 10 ** (ph - 8.3))


def one_pka(ph: float) -> float:
    return 2 + 38 / (1 + 10 ** (7.2 - ph))


@pytest.mark.parametrize(
    ("rate", "kind", "truth"),
    [(bell, "bell", (40, 6.1, 8.3)), (one_pka, "one pKa", (2, 40, 7.2))],
)
def test_a_ph_profile_has_its_pka(rng, rate, kind: str, truth: tuple[float, ...]) -> None:
    lab = analyse_lab([at_ph(rng, rate, np.arange(5.0, 9.6, 0.5))])
    (fit,) = [fit for fit in lab.secondary if fit.chosen]
    assert fit.kind == kind
    assert_found(fit, truth)
    rows = condition_rows(lab.experiments[0])
    assert [row["mixture_ph"] for row in rows] == list(np.arange(5.0, 9.6, 0.5))
    units = {row["parameter"]: row["unit"] for row in secondary_rows(lab) if row["chosen"]}
    assert units["pKa1" if kind == "bell" else "pKa"] == ""


def test_a_flat_ph_profile_has_no_pka(rng) -> None:
    lab = analyse_lab([at_ph(rng, lambda _: 20.0, np.arange(5.0, 9.6, 0.5))])
    (fit,) = [fit for fit in lab.secondary if fit.chosen]
    assert fit.kind == "no pKa"


@pytest.mark.parametrize("named", [True, False])
def test_tight_binding_needs_the_partner_of_the_workbook(rng, named: bool) -> None:  # noqa: FBT001
    """k_on from points of 2.2- to 30-fold excess; without the column the line is bent."""
    k_on, half, partner = 1e6, 1e-6, 4e-6
    made = []
    for number, molar in enumerate(np.geomspace(9e-6, 1.2e-4, 7)):
        k = CURVES["tight binding"].function(np.array([molar]), np.array([k_on, half, partner]))[0][
            0
        ]
        time = np.linspace(0, 10 / k, 800)
        for replicate in (1, 2, 3, 4):
            own = k * (1 + 0.002 * rng.standard_normal())
            given = Conditions(
                substrate="S",
                concentration_M=float(molar),
                replicate=replicate,
                extra={"Enzyme (uM)": "4"} if named else {},
            )
            made.append(
                shot(
                    noisy(rng, np.exp(-own * time), sd=0.002),
                    file=f"{number}_{replicate}.bka",
                    time_s=time,
                    start_s=0.0,
                    conditions=given,
                )
            )
    lab = analyse_lab([analyse_experiment(Experiment(name="lab", shots=tuple(made)))])
    fits = chosen(lab)
    if not named:
        assert fits["k"].kind != "tight binding"
        return
    assert fits["k"].kind == "tight binding"
    found, constant, given_M = fits["k"].parameters
    assert found.low < k_on < found.high
    assert constant.low < half < constant.high
    assert (given_M.value, given_M.stderr) == (pytest.approx(partner), 0)
    halved = AnalysisSettings(mixing_ratio=2.0)
    found = analyse_experiment(Experiment(name="lab", shots=tuple(made)), halved)
    (fit,) = [fit for fit in analyse_lab([found]).secondary if fit.kind == "tight binding"]
    assert fit.parameters[2].value == pytest.approx(partner / 2)
    assert fit.parameters[0].value == pytest.approx(2 * fits["k"].parameters[0].value, rel=1e-4)
