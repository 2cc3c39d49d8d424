"""SBML is read back by COPASI, which finds the same concentrations and the same sum of squares."""

from importlib.util import find_spec
from locale import LC_ALL, setlocale

import numpy as np
import pytest
from simulated_shots import simulate
from test_mechanism_folder import BINDING, GIVEN, SEEN, mixtures, write_folder

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.fit import fit_mechanism
from stopflow.mechanism.observations import Detector
from stopflow.mechanism.problem import build_problem
from stopflow.mechanism.sbml import write_sbml
from stopflow.mechanism.scheme import parse_scheme

TIME = np.linspace(0.0, 0.5, 60)


def fitted(text, truth, starts, observed):
    scheme = parse_scheme(text)
    constants = dict(zip(scheme.constants, truth, strict=True))
    shots = simulate(np.random.default_rng(2), scheme, constants, starts, observed=observed,
                     time_s=TIME, noise_sd=0.005)  # fmt: skip
    problem = build_problem(scheme, build_constants(scheme), shots,
                            detector=Detector(observed=tuple(observed)))  # fmt: skip
    return fit_mechanism(problem, generator=np.random.default_rng(1))


CASES = {
    "turnover": (
        "E + S <=> ES -> E + P", (6e6, 20.0, 10.0),
        [{"E": 1e-6, "S": s} for s in (2e-6, 2e-5)], {"P": 1e6},
    ),
    "dimer": ("2 A* <=> A2'; A2' -> D", (3e6, 6.0, 2.0), [{"A*": a} for a in (5e-7, 8e-6)],
              {"A2'": 1e6, "D": 3e5}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.skipif(find_spec("basico") is None, reason="needs copasi-basico")
@pytest.mark.filterwarnings("ignore")
def test_copasi_reads_back_the_same_sum_of_squares(name) -> None:
    pytest.importorskip("libsbml")
    before = setlocale(LC_ALL)
    from stopflow.mechanism.bench.copasi import basico

    assert setlocale(LC_ALL) == before
    fit = fitted(*CASES[name])
    problem = fit.problem
    model = basico.load_model_from_string(write_sbml(fit))
    columns, signals = [], []
    for number, shot in enumerate(problem.shots):
        mixture = problem.starts.given[problem.windows.mixture[number]]
        for species, amount in zip(problem.scheme.species, mixture, strict=True):
            basico.set_species(species, exact=True, initial_concentration=amount, model=model)
        table = basico.run_time_course(
            values=TIME.tolist(), start_time=0.0, r_tol=1e-10, a_tol=1e-20, use_numbers=False,
            model=model,
        )  # fmt: skip
        own = table[list(problem.observed)].to_numpy() * 1e6
        offset = np.eye(len(problem.shots))[[number] * len(TIME)]
        columns.append(np.hstack((own, offset)) / shot.noise_sd)
        signals.append(shot.signal / shot.noise_sd)
        c = problem.concentrations(fit.best.theta)[problem.windows.mixture[number]]
        np.testing.assert_allclose(table[list(problem.scheme.species)], c, atol=1e-13)
    basico.remove_datamodel(model)
    (squares,) = np.linalg.lstsq(np.concatenate(columns), np.concatenate(signals))[1]
    own = problem.evaluate(fit.best.theta, tolerance=1e-11).squares
    assert squares == pytest.approx(own, rel=1e-8)


def test_the_command_writes_a_file_that_libsbml_finds_consistent(tmp_path, run, rng) -> None:
    libsbml = pytest.importorskip("libsbml")
    folder = write_folder(tmp_path / "lab", BINDING, mixtures(), observed=SEEN, rng=rng)
    code, _, _ = run("mechanism", folder, "--scheme", BINDING, *GIVEN, "--sbml")
    assert code == 0
    read = libsbml.readSBML(str(tmp_path / "reports" / "mechanism.xml"))
    assert read.getNumErrors(libsbml.LIBSBML_SEV_ERROR) == 0
    model = read.getModel()
    assert [model.getSpecies(i).getName() for i in range(3)] == ["E", "S", "ES"]
    assert model.getSpecies(0).getInitialConcentration() == pytest.approx(1e-6)
    assert model.getParameter("k_k1").getValue() == pytest.approx(4e6, rel=0.05)


def test_without_libsbml_it_is_said_how_to_install_it(tmp_path, run, monkeypatch) -> None:
    monkeypatch.setattr("stopflow.mechanism.sbml.find_spec", lambda _: None)
    code, _, err = run("mechanism", tmp_path, "--scheme", BINDING, "--sbml")
    assert code == 2
    assert 'pip install "stopflow[sbml]"' in err


def test_files_of_an_earlier_run_do_not_stay_beside_a_newer_mechanism(tmp_path, run, rng) -> None:
    pytest.importorskip("libsbml")
    folder = write_folder(tmp_path / "lab", BINDING, mixtures(), observed=SEEN, rng=rng)
    fit = ("mechanism", folder, "--scheme", BINDING, *GIVEN)
    reports = tmp_path / "reports"
    code, _, _ = run(*fit, "--sbml")
    assert code == 0
    old = (reports / "mechanism.xml").read_bytes()
    code, _, err = run("mechanism", folder, "--scheme", "E + S -> ES", *GIVEN)
    assert code == 0
    assert not (reports / "mechanism.xml").exists()
    assert {"mechanism.csv", "mechanism.pdf"} <= {path.name for path in reports.iterdir()}
    (kept,) = (reports / "earlier").rglob("mechanism.xml")
    assert kept.read_bytes() == old
    assert "of an earlier run, and not written by this one; kept in" in " ".join(err.split())
    code, _, err = run("mechanism", folder, "--scheme", "E + S -> ES", *GIVEN)
    assert (code, "earlier" in err) == (0, False)
