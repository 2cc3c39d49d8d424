"""What ``import stopflow`` offers: the numbers of the commands, nothing written, nothing loaded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_lab import run_script
from pypdf import PdfReader

import stopflow as sf
from stopflow.io.readers.reading import read_push
from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.many.batch import fit_batch
from stopflow.pipeline.lab.ingest import ingest, ingest_settings
from stopflow.pipeline.networks.predict import predict_folder
from stopflow.pipeline.one_file.single import fit_file
from stopflow.trace import Problem

pytestmark = pytest.mark.whole

FOLDER = Path(__file__).parent.parent / "data" / "fe_scn" / "16.5C"
SHOT = FOLDER / "salt00_1.bka"


@pytest.fixture(scope="module")
def lab():
    return sf.analyse(FOLDER)


@pytest.fixture(scope="module")
def model():
    return sf.load_model()


def decay(rng, k_per_s=12.0):
    time_s = np.linspace(0, 1, 500)
    return time_s, 0.1 + 0.5 * np.exp(-k_per_s * time_s) + rng.normal(0, 0.002, 500)


def test_importing_loads_no_large_library_until_a_function_is_used():
    script = (
        "import sys, stopflow as sf\n"
        "large = {'numpy', 'scipy', 'pandas', 'matplotlib', 'torch'}\n"
        "print(sorted(large & set(sys.modules)))\n"
        "names = dir(sf)\n"
        "print(sorted(large & set(sys.modules)), 'fit' in names and 'lowrank' in names)\n"
        "sf.fit\n"
        "print('numpy' in sys.modules, 'torch' in sys.modules, 'matplotlib' in sys.modules)\n"
        "from stopflow import lowrank\n"
        "print(sf.lowrank is lowrank, 'torch' in sys.modules)\n"
    )
    run = run_script(script)
    assert run.stdout.splitlines() == ["[]", "[] True", "True False False", "True True"]


def test_every_public_name_is_there_and_another_says_what_there_is():
    assert all(getattr(sf, name) is not None for name in dir(sf))
    with pytest.raises(AttributeError, match="no attribute 'fitt'; it has analyse, fit"):
        sf.fitt  # noqa: B018


def test_a_file_is_fitted_as_the_command_does():
    expected = fit_file(SHOT).row
    trace = sf.read(SHOT)
    for given in (SHOT, str(SHOT), trace, (trace.time_s, trace.signal)):
        found = sf.fit(given)
        assert found.k_per_s == expected["k_per_s"]
        assert found.k_stderr_per_s == expected["k_stderr_per_s"]
        assert found.k_interval_per_s == (expected["k_low95_per_s"], expected["k_high95_per_s"])
        assert (found.verdict, found.reason) == (expected["verdict"], expected["reason"])
    assert sf.fit(trace.time_s, trace.signal).k_per_s == expected["k_per_s"]


def test_start_law_and_fixed_parameters_reach_the_fit(rng):
    time_s, signal = decay(rng)
    found = sf.fit(time_s, signal, law="single", start_s=0.1, fixed={"intercept": 0.1})
    expected = fit_trace(time_s, signal, law="single", start_s=0.1, fixed={"intercept": 0.1})
    assert found.fit.parameters == expected.parameters
    assert found.fit.stderr["intercept"] == 0
    spiked = np.where(np.arange(500) % 50 == 7, signal + 1, signal)
    robust = sf.fit(time_s, spiked, law="single", start_s=0.0, robust=True)
    assert (
        robust.fit.parameters
        == fit_trace(time_s, spiked, law="single", start_s=0.0, robust=True).parameters
    )


def test_many_traces_are_fitted_as_one_by_one(rng):
    time_s, signal = decay(rng)
    table = sf.fit_many(time_s, [signal, 2 * signal, np.full(500, 0.3)])
    assert table["file"].tolist() == ["trace 1", "trace 2", "trace 3"]
    assert table["k_per_s"].iloc[0] == sf.fit(time_s, signal).k_per_s
    assert table["k_per_s"].iloc[1] == sf.fit(time_s, 2 * signal).k_per_s
    assert np.isnan(table["k_per_s"].iloc[2])
    assert table["reason"].iloc[2] == "the signal is constant (0.3)"
    mixed = sf.fit_many([SHOT, sf.read(SHOT), (time_s, signal)], law="single")
    assert mixed["file"].tolist() == [SHOT.name, "trace 2", "trace 3"]
    assert (
        mixed["k_per_s"].iloc[0] == mixed["k_per_s"].iloc[1] == sf.fit(SHOT, law="single").k_per_s
    )


def test_a_folder_is_analysed_as_ingest_does_and_stays_as_it_is(lab, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in [FOLDER, *FOLDER.iterdir()]}
    again = sf.analyse(str(FOLDER))
    assert {path: path.stat().st_mtime_ns for path in [FOLDER, *FOLDER.iterdir()]} == before
    stored = ingest(FOLDER, out=tmp_path / "out", settings=ingest_settings(workers=1))
    for name in ("shots", "conditions", "secondary", "cuts", "problems"):
        assert getattr(lab, name).equals(getattr(stored, name))
        assert getattr(lab, name).equals(getattr(again, name))
    for row in (0, len(lab.shots) - 1):
        assert all(map(np.array_equal, lab.trace(row), stored.trace(row)))


def test_the_network_predicts_what_the_command_predicts(lab, model, tmp_path):
    found = model.predict(lab)
    written = predict_folder(FOLDER, models=tmp_path, reports=tmp_path / "reports").frame
    assert found.equals(written)


def test_the_network_takes_a_trace_in_any_form(model, rng):
    trace = sf.read(SHOT)
    fitted = sf.fit(trace)
    one, *others = (
        model.predict(given)["k_predicted_per_s"].tolist()
        for given in (fitted, SHOT, trace, (trace.time_s, trace.signal), [fitted])
    )
    assert all(other == one for other in others)
    assert one[0] == pytest.approx(fitted.k_per_s, rel=0.05)
    both = model.predict([fitted, decay(rng)])
    # float32, whose sums depend on the number of rows.
    assert both["k_predicted_per_s"].iloc[0] == pytest.approx(one[0], rel=1e-5)
    assert both["k_predicted_per_s"].iloc[1] == pytest.approx(12, rel=0.05)
    refused = model.predict((trace.time_s, np.full(len(trace), 0.3)))
    assert refused["k_predicted_per_s"].isna().all()
    assert "constant" in refused["doubt"].iloc[0]


def test_a_shot_of_a_folder_or_a_trace_is_drawn(lab, tmp_path):
    drawn = [sf.plot(lab, row=3), sf.plot(sf.fit(SHOT)), sf.plot(SHOT)]
    expected = [lab.shots["file"].iloc[3], SHOT.name, SHOT.name]
    for figure, name in zip(drawn, expected, strict=True):
        figure.savefig(tmp_path / "shot.pdf")
        assert PdfReader(tmp_path / "shot.pdf").pages[0].extract_text().startswith(name)
    with pytest.raises(sf.StopflowError, match="row = 28 is not valid; valid: 0 to 27"):
        sf.plot(lab, row=28)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sf.read("missing.bka"), "missing.bka"),
        (lambda: sf.fit(3), "give a file, a Trace, a Shot, or a pair of arrays"),
        (lambda: sf.fit([0.0, 1.0], [1.0]), "must be equal and 1-D"),
        (lambda: sf.fit_many([SHOT, None]), "NoneType is no trace"),
        (lambda: sf.fit(SHOT, law="tripel"), "valid: single"),
        (lambda: sf.fit(SHOT, fixed={"tau": 1.0}), "valid: k_per_s"),
        (lambda: sf.analyse("missing"), "missing does not exist"),
        (lambda: sf.analyse(FOLDER, colour="red"), "colour"),
        (lambda: sf.load_model("missing"), "train makes more"),
    ],
)
def test_what_cannot_be_used_says_what_to_do(call, message):
    with pytest.raises(sf.StopflowError, match=message):
        call()


def test_an_unread_shot_has_no_fit_but_its_reason():
    shot = replace(sf.read(FOLDER).shots[0], trace=None, refusal="line 7 is cut off")
    with pytest.raises(sf.StopflowError, match="no trace to fit: line 7 is cut off"):
        sf.fit(shot)


def test_values_show_themselves_in_a_line_and_in_a_notebook(lab, model, rng):
    time_s, signal = decay(rng)
    experiment = sf.read(FOLDER)
    told = replace(experiment, problems=(Problem(experiment="<b>", file="f", found="x"),))
    law = "a single exponential with slope"
    flat = np.full(500, 0.3)
    values = {
        "Trace(282 points, 0 to 3.01 s, 0.0174 to 0.3675 AU)": sf.read(SHOT),
        f"FittedTrace(salt00_1.bka: {law}: k = 3.09 ± 0.03 1/s": sf.fit(SHOT),
        f"FittedTrace(trace: {law}: FAIL: the signal is constant": sf.fit(time_s, flat),
        "Fit(single: k_per_s = 1": fit_trace(time_s, signal, law="single"),
        "Fit(single: constant signal: ": fit_trace(time_s, flat, law="single"),
        "Recording('salt00_1.bka': 1 signals of 282 points": read_push(SHOT),
        "Shot('16.5C/salt00_1.bka', channel 1: Trace(": experiment.shots[0],
        "Experiment('16.5C': 28 of 28 shots read)": told,
        f"Dataset('{FOLDER}': 28 shots, 28 PASS)": lab,
    }
    for start, value in values.items():
        assert repr(value).startswith(start)
        assert len(repr(value)) < 300
        shown = value._repr_html_()
        assert shown.startswith("<")
        assert "<b>" not in shown
        assert len(shown) < 5000
    batch = fit_batch(time_s, [signal, signal * 0], law="single")
    assert repr(batch) == "BatchFit(single: 1 of 2 traces fitted)"
    assert repr(model).startswith("TracePredictor('shape': Model(shape features, layers 28000 -> ")
