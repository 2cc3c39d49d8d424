"""Mechanisms from a folder, through the command line: groups, ranking, files, bad input."""

import json

import numpy as np
import pandas as pd
import pytest
from mechanism_lab import TIME, write_folder
from openpyxl import load_workbook
from pypdf import PdfReader

from stopflow.io.bka.format import write_bka
from stopflow.mechanism.determined import Interval
from stopflow.mechanism.judge import predict_held_out
from stopflow.mechanism.known import KNOWN
from stopflow.mechanism.minimise import minimise
from stopflow.pipeline.mechanism.run import fit_folder
from stopflow.pipeline.mechanism.settings import mechanism_settings
from stopflow.report.mechanism.figures import find_excess
from stopflow.report.mechanism.numbers import format_constant
from stopflow.report.mechanism.view import build_panels

pytestmark = pytest.mark.whole

BINDING = "E + S <=> ES"
TRUTH = {"k1": 4e6, "k-1": 8.0}
SEEN = {"ES": 5e5}


def cells(s_uM, e_uM=1.0, **more):
    return {"[S] after mixing (µM)": s_uM, "Enzyme (µM)": e_uM, "Temperature (°C)": 25.0, **more}


def mixtures(*, pH=((7.0, 1.0),), levels=(1.0, 3.0, 9.0)):
    return [
        (
            {"E": 1e-6, "S": s * 1e-6},
            {name: factor * value for name, value in TRUTH.items()},
            cells(s, pH=value) if len(pH) > 1 else cells(s),
        )
        for value, factor in pH
        for s in levels
    ]


@pytest.fixture
def folder(tmp_path, rng):
    return write_folder(tmp_path / "lab", BINDING, mixtures(), observed=SEEN, rng=rng)


GIVEN = ("--initial", "E=1 uM", "--initial", "S=concentration")


@pytest.mark.essential
def test_a_folder_gives_its_constants_a_table_and_a_pdf(folder, run, tmp_path) -> None:
    code, out, _ = run("mechanism", folder, "--scheme", BINDING, *GIVEN, "--json")
    found = json.loads(out)
    assert code == 0
    (group,) = found["groups"]
    assert (group["shots"], group["mixtures"]) == (6, 3)
    for item in group["constants"]:
        assert item["low95"] < TRUTH[item["name"]] * 1.02
        assert item["high95"] > TRUTH[item["name"]] / 1.02
    table = pd.read_csv(tmp_path / "reports" / "mechanism.csv")
    assert list(table["constant"]) == ["k1", "k-1"]
    np.testing.assert_allclose(
        table["value"], [item["value"] for item in group["constants"]], rtol=1e-9
    )
    text = " ".join(
        page.extract_text() for page in PdfReader(tmp_path / "reports" / "mechanism.pdf").pages
    )
    for said in ("Constants", "What is not determined", "Species against time", "Methods"):
        assert said in text


def test_a_quotient_that_is_named_and_bounded_is_fitted_and_reported(folder, run, tmp_path) -> None:
    given = ("--relation", "K1 = k-1/k1", "--relation", "K1 <= 1e-3")
    code, out, _ = run("mechanism", folder, "--scheme", BINDING, *GIVEN, *given, "--json")
    assert code == 0
    first, second = json.loads(out)["groups"][0]["constants"]
    assert (first["name"], second["name"], second["unit"]) == ("k1", "K1", "M")
    assert second["low95"] < 2e-6 * 1.02
    assert second["high95"] > 2e-6 / 1.02
    assert "The constants obeyed K1 = k-1/k1 and K1 ≤" in pdf_text(tmp_path)


def test_wavelengths_share_constants_and_each_has_its_curve(tmp_path, rng) -> None:
    """Responses depend on the wavelength and constants do not."""
    for wavelength, response in ((450, 5e5), (320, -2e5)):
        write_folder(
            tmp_path / "lab" / str(wavelength),
            BINDING,
            [(start, k, {**own, "Wavelength (nm)": wavelength}) for start, k, own in mixtures()],
            observed={"ES": response},
            rng=rng,
        )
    settings = mechanism_settings(tmp_path / "lab", scheme=BINDING, initial=dict(
        text.split("=") for text in GIVEN[1::2]))  # fmt: skip
    (group,) = fit_folder(tmp_path / "lab", settings).groups
    np.testing.assert_allclose(group.fit.point.responses[:, 0], [-2e5, 5e5], rtol=0.05)
    for panel in build_panels(group.fit):
        ends = [float(curve[-1]) for _, curve in panel.curves]
        assert min(ends) < 0 < max(ends)
    assert predict_held_out(group.fit, "S") < 1.5


def test_what_the_scheme_does_not_know_is_fitted_apart(tmp_path, run, rng) -> None:
    """At another pH every constant is twice as large; one fit of both would be a wrong number."""
    folder = write_folder(
        tmp_path / "lab",
        BINDING,
        mixtures(pH=((6.0, 1.0), (8.0, 2.0)), levels=(1.0, 5.0)),
        observed=SEEN,
        rng=rng,
    )
    code, out, _ = run("mechanism", folder, "--scheme", BINDING, *GIVEN, "--json")
    groups = json.loads(out)["groups"]
    assert code == 0
    assert [group["group"] for group in groups] == ["pH 6", "pH 8"]
    ratios = [
        high["value"] / low["value"]
        for low, high in zip(*(group["constants"] for group in groups), strict=True)
    ]
    np.testing.assert_allclose(ratios, 2.0, rtol=0.15)


def test_what_goes_with_the_mixture_is_named(tmp_path, run, rng) -> None:
    made = [
        (start, constants, {**own, "Ionic strength (M)": 0.1 + 1e4 * start["S"]})
        for start, constants, own in mixtures()
    ]
    folder = write_folder(tmp_path / "lab", BINDING, made, observed=SEEN, rng=rng)
    code, out, said = run("mechanism", folder, "--scheme", BINDING, *GIVEN)
    assert code == 0
    assert "the ionic strength differs between mixtures (0.11 M, 0.13 M, 0.19 M)" in said
    assert "6 shots, 3 mixtures" in out


def test_known_schemes_are_ranked_on_a_folder(folder, run, monkeypatch) -> None:
    few = ("binding", "irreversible binding", "first order")
    monkeypatch.setattr(
        "stopflow.pipeline.mechanism.run.KNOWN", {name: KNOWN[name] for name in few}
    )
    code, out, _ = run("mechanism", folder, "--rank", "--json")
    found = json.loads(out)
    assert code == 0
    kept = [item["name"] for item in found["ranking"] if item["undecided"]]
    assert "binding" in kept
    assert found["ranking"][-1]["aicc_behind"] > 100
    assert found["groups"][0]["shots"] == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scheme", "E + S -> E + S + P", *GIVEN], "does not balance"),
        (["--scheme", "E + S = ES", *GIVEN], "no arrow"),
        (["--scheme", BINDING, "--initial", "S=concentration"], "species E has no concentration"),
        (["--scheme", BINDING, "--initial", "E=column [E]", *GIVEN[2:]], "no concentration of E"),
        (["--scheme", BINDING, "--initial", "E=1 banana", *GIVEN[2:]], "'1 banana'"),
        (["--scheme", BINDING, "--initial", "X=1 uM", *GIVEN], "'X'"),
        (["--scheme", BINDING, "--initial", "E", *GIVEN[2:]], "SPECIES=CONCENTRATION"),
        (["--scheme", BINDING, "--initial", "E=2 uM", *GIVEN], "one concentration of E"),
        (["--scheme", "E + S <=> ES; A -> B", *GIVEN, "--initial", "A=0 M"], "B never changes"),
        (["--scheme", BINDING, *GIVEN, "--observe", "X"], "'X' is not of the scheme"),
        (["--scheme", BINDING, *GIVEN, "--relation", "k1 = 1e999"], "'1e999'"),
        (["--scheme", BINDING, *GIVEN, "--relation", "k1 = 1e300"], "'1e300'"),
        (["--scheme", BINDING, *GIVEN, "--response", "own"], "shared, each"),
        (["--scheme", BINDING, "--rank"], "no scheme beside --rank"),
        (["--rank", "--initial", "Q=1 uM"], "no species Q"),
        (["--rank", "--drift"], "no drift beside --rank"),
        (["--rank", "--observe", "ES"], "no observe beside --rank"),
        (["--rank", "--response", "each"], "nothing beside --rank"),
        (GIVEN, "--scheme is missing"),
    ],
)
def test_wrong_use_is_one_line_that_names_it(folder, run, words, said, tmp_path) -> None:
    code, out, err = run("mechanism", folder, *words)
    assert code == 2
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not (tmp_path / "reports").exists()


def test_a_folder_without_shots_is_named(run, tmp_path) -> None:
    code, _, err = run("mechanism", tmp_path, "--scheme", BINDING)
    assert code == 2
    assert "holds no trace file" in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("colour = 3", "key = 'colour' is not valid; valid: scheme"),
        ("initial = 'E'", "initial = 'E' is not valid; valid: a table"),
        ("initial = {E = 3}", "initial = {'E': 3} is not valid; valid: a table"),
        ("drift = 1", "drift = 1 is not valid; valid: true or false"),
        ("mixing_ratio = true", "mixing_ratio = True"),
        ("mixing_ratio = 0", "mixing_ratio = 0"),
        ("dead_time_ms = 1e300", "milliseconds, 0 to 1e6"),
        ("fixed_response = {ES = '1e308'}", "a number of at most 1e+100"),
        ("pre_equilibrated = ['E']", "pre_equilibrated = 'E' is not valid; valid: a pair"),
        ("scheme = ", "mechanism.toml: found"),
    ],
)
def test_a_wrong_settings_file_is_named(folder, run, line, said) -> None:
    (folder / "mechanism.toml").write_text(f"{line}\n", encoding="utf-8")
    words = () if line.startswith("scheme") else ("--scheme", BINDING)
    code, _, err = run("mechanism", folder, *words)
    assert code == 2
    assert said in err


def test_constants_that_overflow_leave_no_fit_and_the_pdf_says_so(
    folder, run, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(
        "stopflow.mechanism.fit._scan", lambda _problem, grid: np.full(len(grid), np.inf)
    )
    code, out, _ = run("mechanism", folder, "--scheme", BINDING, *GIVEN)
    assert code == 1
    assert "no finite solution" in out
    assert "No fit was possible" in pdf_text(tmp_path)


def pdf_text(tmp_path) -> str:
    pages = PdfReader(tmp_path / "reports" / "mechanism.pdf").pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def silence(folder, rng, files="*.bka") -> None:
    """Let nothing be left of the shots but noise."""
    for path in sorted(folder.glob(files)):
        noise = 0.002 * rng.standard_normal(len(TIME))
        write_bka(path, time=1e3 * TIME, signals=2.0 + noise)


def test_shots_that_hold_noise_alone_give_no_constants(folder, run, tmp_path, rng) -> None:
    """Before, constants were called not determined and the fit as good as expected."""
    silence(folder, rng)
    code, out, err = run("mechanism", folder, "--scheme", BINDING, *GIVEN)
    assert code == 1
    assert "no change beyond their noise that ES could make" in out
    assert "not determined" not in err
    assert "No fit was possible: the shots show no change beyond their noise" in pdf_text(tmp_path)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--initial", "E=1e-300 M", "--initial", "S=concentration"), ""),
        (GIVEN, "fixed_response = {ES = '1e-300'}"),
    ],
)
def test_a_species_too_faint_to_be_seen_gives_no_constants(
    folder, run, tmp_path, words, line
) -> None:
    """Its errors overflowed, which was called a fault of the program."""
    (folder / "mechanism.toml").write_text(f"{line}\n", encoding="utf-8")
    code, out, err = run("mechanism", folder, "--scheme", BINDING, *words)
    assert (code, err) == (1, "")
    assert "no change beyond their noise that ES could make" in out
    assert "No fit was possible: the shots show no change" in pdf_text(tmp_path)


@pytest.mark.parametrize("size", ["1e+120", "1e-300"])
def test_a_signal_out_of_all_measure_is_left_out_and_named(folder, run, size, rng, recwarn) -> None:
    signal = float(size) * (1 - np.exp(-20 * TIME) + 0.002 * rng.standard_normal(len(TIME)))
    write_bka(folder / "m0_0.bka", time=1e3 * TIME, signals=signal)
    code, out, err = run("mechanism", folder, "--scheme", BINDING, *GIVEN)
    assert code == 1
    assert f"m0_0.bka: the signal changes by {size}" in err
    assert not [item for item in recwarn if item.category is RuntimeWarning]
    assert "5 shots, 3 mixtures" in out


def test_a_shot_without_temperature_has_no_part_in_eyrings_law(folder, run) -> None:
    """It was taken to be at 25 °C."""
    book = load_workbook(folder / "shots.xlsx")
    book.active.cell(row=2, column=4).value = None
    book.save(folder / "shots.xlsx")
    words = ("--scheme", BINDING, *GIVEN, "--eyring")
    code, out, err = run("mechanism", folder, *words)
    assert code == 1
    assert "m0_0.bka: the workbook has no temperature, which Eyring's law needs" in err
    assert "5 shots, 3 mixtures" in out
    book.active.delete_cols(4)
    book.save(folder / "shots.xlsx")
    code, out, err = run("mechanism", folder, *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: m0_0.bka: the workbook has no temperature")


def test_a_blank_among_shots_is_used(tmp_path, run, rng) -> None:
    """A mixture without E does not change, as the scheme says."""
    blank = ({"E": 0.0, "S": 3e-6}, TRUTH, cells(3.0, e_uM=0.0))
    folder = write_folder(tmp_path / "lab", BINDING, [*mixtures(), blank], observed=SEEN, rng=rng)
    words = ("--initial", "E=column Enzyme (µM)", "--initial", "S=concentration")
    code, out, _ = run("mechanism", folder, "--scheme", BINDING, *words)
    assert "8 shots, 4 mixtures; the mean square of the residuals is as expected" in out
    assert code == 0


def test_noise_alone_is_no_ranking_either(folder, run, tmp_path, rng, monkeypatch) -> None:
    few = ("binding", "first order")
    monkeypatch.setattr(
        "stopflow.pipeline.mechanism.run.KNOWN", {name: KNOWN[name] for name in few}
    )
    silence(folder, rng)
    code, out, _ = run("mechanism", folder, "--rank")
    assert code == 1
    assert "no change beyond their noise" in out
    assert "No fit was possible" in pdf_text(tmp_path)


def test_schemes_that_cannot_be_fitted_are_no_success(folder, run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        "stopflow.mechanism.fit._scan", lambda _problem, grid: np.full(len(grid), np.inf)
    )
    code, _, err = run("mechanism", folder, "--rank")
    assert code == 1
    assert "none of the schemes could be fitted" in err
    assert "None of the schemes could be fitted" in pdf_text(tmp_path)


def test_a_column_that_is_missing_is_named_with_what_to_do(folder, run) -> None:
    book = load_workbook(folder / "shots.xlsx")
    book.active.delete_cols(2)
    book.save(folder / "shots.xlsx")
    for words in (("--scheme", BINDING, *GIVEN), ("--rank",)):
        code, out, err = run("mechanism", folder, *words)
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        assert "no concentration for S; expected one in a column such as" in line
        assert "Enzyme (µM)" in line


def test_an_empty_cell_leaves_its_shot_out_and_both_say_so(folder, run, tmp_path) -> None:
    book = load_workbook(folder / "shots.xlsx")
    book.active.cell(row=2, column=2).value = None
    book.save(folder / "shots.xlsx")
    code, out, err = run("mechanism", folder, "--scheme", BINDING, *GIVEN)
    assert code == 1
    assert "lab/m0_0.bka" in err
    assert "5 shots, 3 mixtures" in out
    assert "m0_0.bka: the workbook has no concentration for S" in pdf_text(tmp_path)


def test_a_search_that_does_not_end_is_said(folder, run, tmp_path, monkeypatch) -> None:
    def cut_short(problem, theta, **options):
        return minimise(problem, theta, **{**options, "turns": 1})

    monkeypatch.setattr("stopflow.mechanism.fit.minimise", cut_short)
    code, out, _ = run("mechanism", folder, "--scheme", BINDING, *GIVEN)
    assert code == 1
    assert "did not end" in out
    assert "No fit was possible: the search for the minimum did not end" in pdf_text(tmp_path)


def test_a_row_without_its_file_is_named(folder, run) -> None:
    (folder / "m0_0.bka").unlink()
    code, _, err = run("mechanism", folder, "--scheme", BINDING, *GIVEN)
    assert code == 1
    assert "m0_0" in err


def test_without_a_scheme_the_comparison_of_known_ones_is_named(folder, run) -> None:
    code, _, err = run("mechanism", folder)
    assert code == 2
    assert "--scheme is missing" in err
    assert "--rank" in err


def test_a_shot_that_does_not_change_is_left_out_and_named(folder, run) -> None:
    flat = folder / "m0_0.bka"
    write_bka(flat, time=1e3 * TIME, signals=np.full(len(TIME), 2.0))
    code, out, err = run("mechanism", folder, "--scheme", BINDING, *GIVEN)
    assert code == 1
    assert "lab/m0_0.bka" in err
    assert "5 shots, 3 mixtures" in out


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((3.0, 5.0), ("4.0", "3.0 to 5.0")),
        ((0.0, 5.0), ("–", "below 5.00")),
        ((3.0, np.inf), ("–", "above 3.00")),
        ((0.0, np.inf), ("–", "not determined")),
    ],
)
def test_a_constant_that_is_open_has_no_value(ends, said) -> None:
    low, high = ends
    item = Interval(name="k1", unit="s^-1", value=4.0, stderr=0.1, low=low, high=high,
                    open_below=low == 0, open_above=high == np.inf)  # fmt: skip
    assert format_constant(item)[:2] == said


def test_a_species_in_great_excess_does_not_hide_the_others() -> None:
    c = np.array([[100.0, 1.0, 0.0], [99.2, 0.2, 0.8]])
    assert find_excess(c).tolist() == [True, False, False]
    assert not find_excess(c[:1]).any()
    assert not find_excess(c[:, 1:]).any()
