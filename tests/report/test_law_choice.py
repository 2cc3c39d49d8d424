"""The choice of the rate law, as the first page and the terminal say it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stopflow.kinetics.analysis import AnalysisSettings, analyse_experiment, shot_rows
from stopflow.report.kinetics.answers import build_answers
from stopflow.report.kinetics.front_page import build_front_blocks
from stopflow.report.kinetics.law_choice import list_law_choices, say_law_choices, say_remedies
from stopflow.trace import Conditions, Experiment, Shot, Trace

TIME = np.linspace(0.0, 1.0, 801)
FAST, SLOW = 40.0, 3.0


def two_phases(rng: np.random.Generator) -> np.ndarray:
    clean = 2.0 + 0.6 * np.exp(-FAST * TIME) + 0.4 * np.exp(-SLOW * TIME)
    return clean + 0.002 * rng.standard_normal(len(TIME))


def table(rng: np.random.Generator, *, law: str, name: str = "run A", shots: int = 3):
    made = Experiment(
        name=name,
        shots=tuple(
            Shot(
                experiment=name,
                file=f"{number}.csv",
                trace=Trace(time_s=TIME, signal=two_phases(rng)),
                conditions=Conditions(replicate=number),
            )
            for number in range(1, shots + 1)
        ),
    )
    settings = replace(AnalysisSettings(), law=law)
    return pd.DataFrame(shot_rows(analyse_experiment(made, settings)))


def test_a_wrong_law_is_said_with_what_k_would_be(rng):
    shots = table(rng, law="single-slope")
    (choice,) = list_law_choices(shots)
    assert (choice.law.key, choice.rival.key) == ("single-slope", "double")
    assert (choice.shots, choice.fitted) == (3, 3)
    # The medians, from the columns alone: the double exponential's main phase is the fast one.
    own = shots["k_per_s"]
    assert choice.shift == pytest.approx(float((shots["rival_k_per_s"] / own - 1).median()))
    assert choice.shift == pytest.approx(FAST / float(own.median()) - 1, rel=0.05)
    moved = (shots["rival_k_per_s"] - own) / shots["k_stderr_per_s"]
    assert choice.shift_sigma == pytest.approx(float(moved.median()))
    said = say_law_choices(shots)
    assert said.startswith(
        "run A: a single exponential with slope was fitted; a double exponential"
    )
    assert "is clearly better (AICc lower by" in said
    assert f"{100 * choice.shift:.2g} % higher under it" in said
    assert say_remedies(shots) == (
        "3 shots need another rate law (two phases: use --law double or auto)"
    )


def test_the_right_law_is_no_wrong_law(rng):
    shots = table(rng, law="double")
    (choice,) = list_law_choices(shots)
    assert choice.gain < 10
    assert abs(choice.shift_sigma) < 2
    assert "is clearly better" not in say_law_choices(shots)
    assert say_remedies(shots) == ""


def test_the_rate_held_against_the_rival_is_that_of_the_larger_phase():
    """The fastest phase is k; the one of the larger change is what another law is compared by."""
    row = {"experiment": "a", "law": "double", "k_per_s": 40.0, "k_stderr_per_s": 1.0}
    row |= {"k2_per_s": 3.0, "k2_stderr_per_s": 0.1, "amplitude": 0.2, "amplitude2": 0.9}
    row |= {
        "intercept": 0.0,
        "window_s": 2.0,
        "rival_law": "single",
        "rival_k_per_s": 3.3,
        "rival_gain": -50.0,
    }
    (choice,) = list_law_choices(pd.DataFrame([row]))
    assert choice.shift == pytest.approx(0.1)
    assert choice.shift_sigma == pytest.approx(3.0)


def test_a_phase_that_hardly_changes_within_the_window_is_not_held_against_the_rival():
    row = {"experiment": "a", "law": "double", "k_per_s": 177.0, "k_stderr_per_s": 1.0}
    row |= {"k2_per_s": 0.44, "k2_stderr_per_s": 0.1, "amplitude": 1.0, "amplitude2": 5.0}
    row |= {"intercept": 0.0, "window_s": 0.1, "rival_law": "single", "rival_k_per_s": 180.0}
    (choice,) = list_law_choices(pd.DataFrame([row | {"rival_gain": -50.0}]))
    assert choice.shift_sigma == pytest.approx(3.0)


def test_a_formula_is_held_against_its_nearest_rate():
    law = "a*exp(-k_per_s*t) + b*exp(-q_per_s*t) + c"
    row = {"experiment": "a", "law": law, "k_per_s": 40.0, "k_stderr_per_s": 1.0}
    row |= {"fit_q_per_s": 3.0, "fit_q_stderr_per_s": 0.1, "window_s": 2.0}
    row |= {"rival_law": "single", "rival_k_per_s": 3.3, "rival_gain": 50.0}
    (choice,) = list_law_choices(pd.DataFrame([row]))
    assert choice.shift == pytest.approx(0.1)
    assert choice.shift_sigma == pytest.approx(3.0)


def test_many_experiments_are_listed_and_the_worst_come_first(lab):
    shots = lab.shots.assign(rival_law="single", rival_k_per_s=lab.shots["k_per_s"] * 1.1)
    names = [f"run {number % 5}" for number in range(len(shots))]
    gains = [float(name[-1]) * 20 - 30 for name in names]
    data = replace(lab, shots=shots.assign(experiment=names, rival_gain=gains))
    choices = list_law_choices(data.shots)
    assert [item.experiment for item in choices] == [f"run {n}" for n in (4, 3, 2, 1, 0)]
    said = {item.question: item.text for item in build_answers(data).answers}[
        "Is it the right law?"
    ]
    assert said.startswith("run 4:")
    assert said.endswith("All 5 are listed in kinetics.pdf, under Choice of the rate law.")
    blocks = build_front_blocks(data)
    (table,) = (item for item in blocks if getattr(item, "name", "") == "Choice of the rate law")
    assert [row[0] for row in table.rows] == [f"run {n}" for n in (4, 3, 2, 1, 0)]
    assert [row[3] for row in table.rows] == ["−50.0", "−30.0", "−10.0", "+10.0", "+30.0"]
    assert {row[1:3] for row in table.rows} == {("single-slope", "single")}


@pytest.mark.whole
def test_the_terminal_ends_with_what_to_do(rng, tmp_path, run):
    folder = tmp_path / "lab" / "run A"
    folder.mkdir(parents=True)
    for number in range(2):
        lines = [f"{t:.6f},{y:.7f}" for t, y in zip(TIME, two_phases(rng), strict=True)]
        (folder / f"{number}.csv").write_text("\n".join(["Time (s),Absorbance", *lines]) + "\n")
    _, said, _ = run("ingest", "lab")
    lines = said.strip().splitlines()
    assert "2 shots need another rate law (two phases: use --law double or auto)" in lines[-1]
    assert any(line.startswith("run A: a single exponential with slope was") for line in lines)
    _, said, _ = run("ingest", "lab", "--law", "double", "--json")
    found = json.loads(said)
    assert "need another rate law" not in found["summary"]
    assert found["law_choices"][0].startswith("run A: a double exponential was fitted")
