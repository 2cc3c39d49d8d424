"""Double mixing, forms in equilibrium, and responses that are free, fixed or shared by some."""

import json

import numpy as np
import pytest
from mechanism_lab import write_folder
from scipy.optimize import brentq
from simulated_shots import integrate, simulate

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.minimise import minimise
from stopflow.mechanism.mixtures import (
    MixtureSettings,
    find_concentration,
    find_header,
    find_used_columns,
)
from stopflow.mechanism.observations import Detector, MechanismShot
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.scheme import SchemeError, parse_scheme
from stopflow.mechanism.start import Ageing
from stopflow.trace import Conditions, Shot

TIME = np.concatenate(([0.0], np.geomspace(2e-3, 0.5, 40)))
TEXT = "E + I <=> EI -> EX; E + S -> ES"
TRUTH = {"k1": 3e6, "k-1": 4.0, "k2": 6.0, "k3": 5e6}
START = {"E": 1e-6, "I": 2e-6, "S": 4e-6}
DELAYS = (0.0, 0.03, 0.2)


def aged(delay_s: float, dilution: float = 2.0) -> dict[str, float]:
    """What scipy finds in the first mixture, after the second mixing."""
    scheme = parse_scheme(TEXT)
    first = {name: dilution * START[name] for name in ("E", "I")}
    times = np.array([0.0, max(delay_s, 1e-12)])
    c = integrate(scheme, TRUTH, first, times)[-1] / dilution
    return {**dict(zip(scheme.species, c, strict=True)), "S": START["S"]}


def shots(signal=None) -> list[MechanismShot]:
    made = []
    for number, delay_s in enumerate(DELAYS):
        own = np.zeros(len(TIME)) if signal is None else signal[number]
        made.append(
            MechanismShot(
                name=f"d{number}", time_s=TIME, signal=own, noise_sd=0.01, start_M=START,
                delay_s=delay_s,
            )
        )  # fmt: skip
    return made


def double(signal=None, **more):
    scheme = parse_scheme(TEXT)
    return build_problem(
        scheme,
        build_constants(scheme),
        shots(signal),
        detector=Detector(observed=("ES",), **more),
        ageing=Ageing(species=("E", "I"), dilution=2.0),
    )


def test_the_second_mixing_finds_what_the_delay_has_left() -> None:
    problem = double()
    c = problem.concentrations(np.log(list(TRUTH.values())))
    assert problem.mixtures == 3
    for number, delay_s in enumerate(DELAYS):
        expected = integrate(problem.scheme, TRUTH, aged(delay_s), TIME)
        np.testing.assert_allclose(c[number], expected, atol=1e-7 * START["S"])


def test_the_gradient_knows_of_the_delay() -> None:
    scheme = parse_scheme(TEXT)
    es = scheme.species.index("ES")
    signal = [1e6 * integrate(scheme, TRUTH, aged(d), TIME)[:, es] for d in DELAYS]
    problem = double(signal)
    theta = np.log(list(TRUTH.values())) + np.array([0.3, -0.2, 0.4, 0.1])
    point = problem.evaluate(theta, tolerance=1e-11)
    for number in range(4):
        step = np.zeros(4)
        step[number] = 1e-4
        up, down = (
            problem.evaluate(theta + sign * step, tolerance=1e-11).squares for sign in (1, -1)
        )
        found = 2 * point.jacobian[:, number] @ point.residual
        assert found == pytest.approx((up - down) / 2e-4, rel=1e-5, abs=1e-6 * point.squares)
    found = minimise(problem, theta)
    np.testing.assert_allclose(np.exp(found.theta), list(TRUTH.values()), rtol=1e-4)


def test_an_unknown_species_of_the_first_mixing_is_named() -> None:
    scheme = parse_scheme(TEXT)
    with pytest.raises(SchemeError, match="'Q' of the first mixing"):
        build_problem(
            scheme, build_constants(scheme), shots(), detector=Detector(observed=("ES",)),
            ageing=Ageing(species=("Q",)),
        )  # fmt: skip


def test_a_fixed_response_determines_what_a_free_one_leaves_open(rng) -> None:
    """With A in excess over B only the response tells how much B is left to react by itself."""
    scheme = parse_scheme("A -> B; A -> C")
    made = simulate(rng, scheme, {"k1": 9.0, "k2": 4.0}, [{"A": 1e-6}], observed={"B": 1e6},
                    time_s=TIME, noise_sd=0.003)  # fmt: skip
    errors = []
    for fixed in ({}, {"B": 1e6}):
        problem = build_problem(scheme, build_constants(scheme), made,
                                detector=Detector(observed=("B",), fixed=fixed))  # fmt: skip
        best = minimise(problem, np.log([5.0, 5.0]))
        point = problem.evaluate(best.theta)
        errors.append(np.linalg.svd(point.jacobian)[1])
    assert errors[0][1] < 1e-4 * errors[0][0]
    assert errors[1][1] > 0.02 * errors[1][0]
    error = np.sqrt(np.diag(np.linalg.inv(point.jacobian.T @ point.jacobian)))
    assert (np.abs(best.theta - np.log([9.0, 4.0])) < 4 * error).all()
    np.testing.assert_array_equal(point.responses, [[1e6]])


def test_responses_are_shared_within_a_channel(rng) -> None:
    """Two wavelengths see the same constants with responses of their own, of opposite sign."""
    scheme = parse_scheme("A + B <=> C")
    truth = {"k1": 2e6, "k-1": 5.0}
    made = []
    for channel, response in (("320 nm", 1e6), ("450 nm", -4e5)):
        own = simulate(rng, scheme, truth, [{"A": 1e-6, "B": b} for b in (1e-6, 1e-5)],
                       observed={"C": response}, time_s=TIME, noise_sd=0.002)  # fmt: skip
        made += [MechanismShot(name=s.name, time_s=s.time_s, signal=s.signal, noise_sd=s.noise_sd,
                               start_M=s.start_M, channel=channel) for s in own]  # fmt: skip
    problem = build_problem(scheme, build_constants(scheme), made,
                            detector=Detector(observed=("C",)))  # fmt: skip
    best = minimise(problem, np.log([1e6, 10.0]))
    point = problem.evaluate(best.theta)
    assert problem.linear == 2 + len(made)
    np.testing.assert_allclose(point.responses[:, 0], [1e6, -4e5], rtol=0.02)
    np.testing.assert_allclose(np.exp(best.theta), [2e6, 5.0], rtol=0.05)
    assert point.squares / problem.points < 1.2


def test_shots_of_different_length_are_those_alone(rng) -> None:
    """Points that a shorter shot does not have count nothing, in residual and gradient."""
    scheme = parse_scheme("A + B <=> C")
    truth = {"k1": 2e6, "k-1": 5.0}
    whole = simulate(rng, scheme, truth, [{"A": 1e-6, "B": 4e-6}], observed={"C": 1e6},
                     time_s=TIME, shots=3)  # fmt: skip
    cut = [MechanismShot(name=s.name, time_s=s.time_s[a:b], signal=s.signal[a:b], noise_sd=0.01,
                         start_M=s.start_M)
           for s, (a, b) in zip(whole, ((0, 41), (5, 30), (9, 25)), strict=True)]  # fmt: skip
    theta = np.log([1.7e6, 6.0])
    apart = Detector(observed=("C",), shared=False)
    together = build_problem(scheme, build_constants(scheme), cut, detector=apart).evaluate(theta)
    alone = [
        build_problem(scheme, build_constants(scheme), [shot], detector=apart).evaluate(theta)
        for shot in cut
    ]
    np.testing.assert_allclose(
        together.residual, np.concatenate([point.residual for point in alone]), atol=1e-6
    )
    np.testing.assert_allclose(
        together.jacobian, np.concatenate([point.jacobian for point in alone]), atol=1e-5
    )


@pytest.mark.whole
def test_settings_of_double_mixing_come_from_the_file(tmp_path, run, rng) -> None:
    mixtures = [
        (aged(delay_s), TRUTH, {"[S] after mixing (µM)": 4.0, "Delay (ms)": 1e3 * delay_s})
        for delay_s in (0.01, 0.05, 0.2)
    ]
    folder = write_folder(tmp_path / "lab", TEXT, mixtures, observed={"ES": 1e6}, rng=rng)
    (folder / "mechanism.toml").write_text(
        f'''scheme = "{TEXT}"
observe = ["ES"]
mixed_first = ["E", "I"]
delay = "column Delay (ms)"
second_dilution = 2
fixed_response = {{ES = "1e6"}}
initial = {{E = "1 uM", I = "2 uM", S = "concentration"}}
''',
        encoding="utf-8",
    )
    code, out, err = run("mechanism", folder, "--json")
    assert err == ""
    (group,) = json.loads(out)["groups"]
    assert code == 0
    assert group["mixtures"] == 3
    for item in group["constants"]:
        assert item["low95"] < TRUTH[item["name"]] * 1.1, item
        assert item["high95"] > TRUTH[item["name"]] / 1.1, item
        assert item["high95"] / item["low95"] < 3


@pytest.mark.parametrize(
    ("given", "cell", "said"),
    [
        ("S=1e9 M", 3.0, "S would be 1e+09 M (from 1e9 M), more than any liquid holds"),
        ("S=101 M", 3.0, "expected at most 100 M. Check the unit: M, mM, µM or nM"),
        ("S=concentration", 3e9, "S would be 3e+03 M (from concentration)"),
        ("S=3 uM", 3.0, "E would be 1e+03 M (from the workbook)"),
    ],
)
def test_a_concentration_that_no_liquid_has_is_refused(
    tmp_path, run, rng, given, cell, said
) -> None:
    made = [({"E": 1e-6, "S": 3e-6}, {"k1": 4e6, "k-1": 8.0},
             {"[S] after mixing (µM)": cell,
              "[E] (µM)": 1e9 if said.startswith("E would") else 1.0})]  # fmt: skip
    folder = write_folder(
        tmp_path / "lab", "E + S <=> ES", made, observed={"ES": 5e5}, rng=rng, shots=1
    )
    code, out, err = run("mechanism", folder, "--scheme", "E + S <=> ES", "--initial", given)
    assert code == 2
    assert said in err + out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('mixed_first = ["E", "S"]', "delay = '' is not valid; valid: a time"),
        ('delay = "50 ms"', "mixed_first = () is not valid; valid: a list"),
        ('mixed_first = ["E"]\ndelay = "50 furlongs"', "the delay '50 furlongs' gives no time"),
        ('mixed_first = ["E"]\ndelay = "column Wait"', "further columns: Enzyme"),
        ("second_dilution = 0.5", "second_dilution = 0.5"),
        ('fixed_response = {ES = "big"}', "fixed_response: ES = 'big'"),
        ('fixed_response = {S = "3"}', "fixed_response = 'S' is not valid; valid: ES"),
        ('response = "column Lamp"', "no column 'Lamp' to share responses by"),
    ],
)
def test_wrong_settings_are_named(tmp_path, run, rng, line, said) -> None:
    made = [({"E": 1e-6, "S": 3e-6}, {"k1": 4e6, "k-1": 8.0},
             {"[S] after mixing (µM)": 3.0, "Enzyme (µM)": 1.0})]  # fmt: skip
    folder = write_folder(
        tmp_path / "lab", "E + S <=> ES", made, observed={"ES": 5e5}, rng=rng, shots=1
    )
    (folder / "mechanism.toml").write_text(
        f'scheme = "E + S <=> ES"\n{line}\n[initial]\nE = "1 uM"\nS = "concentration"\n',
        encoding="utf-8",
    )
    code, _, err = run("mechanism", folder)
    assert code == 2
    assert said in err


def test_two_forms_in_equilibrium_share_what_is_given() -> None:
    """E <=> F with K = 1/4 of 1 µM: 0.2 µM F at the start, found by hand."""
    scheme = parse_scheme("E <=> F; F + S <=> FS")
    shot = MechanismShot(name="a", time_s=TIME, signal=np.zeros(len(TIME)), noise_sd=1.0,
                         start_M={"E": 1e-6, "S": 3e-6})  # fmt: skip
    problem = build_problem(scheme, build_constants(scheme), [shot],
                            detector=Detector(observed=("FS",)),
                            pre_equilibrated=[("E", "F")])  # fmt: skip
    c = problem.concentrations(np.log([5.0, 20.0, 2e7, 3.0]))[0]
    share = brentq(lambda f: 5.0 * (1 - f) - 20.0 * f, 0, 1)
    assert c[0, scheme.species.index("F")] == pytest.approx(share * 1e-6)
    expected = integrate(scheme, {"k1": 5.0, "k-1": 20.0, "k2": 2e7, "k-2": 3.0},
                         {"E": (1 - share) * 1e-6, "F": share * 1e-6, "S": 3e-6}, TIME)  # fmt: skip
    np.testing.assert_allclose(c, expected, atol=1e-12)


@pytest.mark.whole
@pytest.mark.parametrize("where", ["file", "workbook"])
def test_the_age_at_the_first_point_counts(tmp_path, run, rng, where) -> None:
    """The record begins 30 ms after mixing, when a good part of E is bound."""
    scheme, truth, dead_s = parse_scheme("E + S -> ES"), {"k1": 4e6}, 0.03
    made = []
    for level in (2.0, 5.0):
        stated = {"E": 1e-6, "S": level * 1e-6}
        found = integrate(scheme, truth, stated, np.array([0.0, dead_s]))[-1]
        cells = {"[S] after mixing (µM)": level, "Enzyme (µM)": 1.0}
        if where == "workbook":
            cells["Dead time (ms)"] = 1e3 * dead_s
        made.append((dict(zip(scheme.species, found, strict=True)), truth, cells))
    folder = write_folder(tmp_path / "lab", scheme.text, made, observed={"ES": 5e5}, rng=rng)
    given = ("--scheme", scheme.text, "--initial", "E=1 uM", "--initial", "S=concentration")
    if where == "file":
        (folder / "mechanism.toml").write_text("dead_time_ms = 30\n", encoding="utf-8")
    _, out, _ = run("mechanism", folder, *given, "--json")
    (item,) = json.loads(out)["groups"][0]["constants"]
    assert item["low95"] < 4e6 * 1.01
    assert item["high95"] > 4e6 / 1.01
    assert item["high95"] / item["low95"] < 1.1


MICRO = ("µ", "μ", "u")
"""U+00B5, U+03BC, and what people type for both."""


@pytest.mark.parametrize("written", MICRO)
@pytest.mark.parametrize("typed", MICRO)
def test_a_column_is_found_by_any_micro_sign(written, typed) -> None:
    conditions = Conditions(extra={f"SCN⁻ ({written}M)": "3", f"Delay ({written}s)": "50"})
    assert find_header(f"SCN- ({typed}M)", conditions) == f"SCN⁻ ({written}M)"
    scheme = parse_scheme("Fe + SCN <=> FeSCN")
    shot = Shot(file="a.bka", experiment="lab", trace=None, conditions=conditions)
    settings = MixtureSettings(initial={"SCN": f"column SCN- ({typed}M)"})
    assert find_concentration("SCN", shot, scheme, settings) == pytest.approx(3e-6)
    named = MixtureSettings(
        initial={"Fe": "1 mM", "SCN": f"column SCN⁻ ({typed}M)"},
        delay=f"column delay ({typed}s)",
    )
    assert find_used_columns(scheme, named, [conditions]) == tuple(conditions.extra)


def test_a_column_that_several_resemble_is_not_guessed() -> None:
    conditions = Conditions(extra={"Q (µM)": "1", "q (uM)": "2"})
    assert find_header("Q (µM)", conditions) == "Q (µM)"
    assert find_header("Q (μM)", conditions) is None


def test_columns_typed_with_another_micro_sign_are_fitted(tmp_path, run, rng) -> None:
    made = [({"E": 1e-6, "S": s * 1e-6}, {"k1": 4e6, "k-1": 8.0},
             {"[S] after mixing (µM)": s, "Enzyme (µM)": 1.0, "Lamp (µA)": lamp})
            for s in (1.0, 9.0) for lamp in ("3", "4")]  # fmt: skip
    folder = write_folder(
        tmp_path / "lab", "E + S <=> ES", made, observed={"ES": 5e5}, rng=rng, shots=1
    )
    given = ("--initial", "S=concentration", "--response", "column Lamp (uA)", "--json")
    found = [
        json.loads(run("mechanism", folder, "--scheme", "E + S <=> ES", "--initial",
                       f"E=column Enzyme ({sign}M)", *given)[1])["groups"]
        for sign in MICRO
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]
    assert [group["mixtures"] for group in found[0]] == [2]
