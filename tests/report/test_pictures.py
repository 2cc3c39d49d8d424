"""The numbers behind the pictures, against the formulas written out."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import report_lab
from matplotlib.figure import Figure

from stopflow.errors import SettingsError
from stopflow.kinetics.verdicts.findings import write_findings
from stopflow.kinetics.verdicts.rules import RULES
from stopflow.pipeline.lab.summarise import _hints
from stopflow.report.data import sort_conditions
from stopflow.report.kinetics.agreement import compare_rates
from stopflow.report.kinetics.answers import build_answers, say_repeats, say_trust
from stopflow.report.kinetics.conditions import build_series
from stopflow.report.kinetics.experiment_numbers import build_experiment_picture
from stopflow.report.kinetics.experiment_strip import _build_columns
from stopflow.report.kinetics.experiment_tables import take_experiment
from stopflow.report.kinetics.front_page import _count_cells
from stopflow.report.kinetics.methods import write_methods
from stopflow.report.kinetics.reasons import count_reasons
from stopflow.report.kinetics.repeats import group_series, list_doubtful, list_repeats
from stopflow.report.kinetics.secondary_words import summarise_secondary
from stopflow.report.kinetics.summary import (
    Counts,
    count_shots,
    state_trust,
    summarise_rates,
    usable_shots,
)
from stopflow.report.kinetics.view import plot_shot
from stopflow.report.models.numbers import fit_lines, list_worst, size_layers, split_points
from stopflow.report.paper.page import Page
from stopflow.report.paper.pictures import save_picture
from stopflow.report.paper.sizes import require_paper
from stopflow.report.paper.style import Ruler, ordered_colours
from stopflow.report.paper.units import build_units


def _rows(lab):
    name = lab.shots["experiment"].iloc[0]
    return [i for i, e in enumerate(lab.shots["experiment"]) if e == name]


def test_fits_and_residuals_are_those_of_the_formula(lab):
    picture = build_experiment_picture(lab, take_experiment(lab, _rows(lab)))
    readable = [i for i in _rows(lab) if lab.trace(i) is not None]
    shot, row = picture.shots[0], lab.shots.iloc[readable[0]]
    since = shot.fit.x - row.start_s
    expected = (
        row.slope_per_s * since + row.intercept + row.amplitude * np.exp(-row.k_per_s * since)
    )
    np.testing.assert_allclose(shot.fit.y, expected, rtol=1e-12)
    assert shot.fit.x.min() >= row.start_s
    noise = lab.shots["noise_sd"].iloc[0]
    assert picture.residuals.noise == pytest.approx(noise, rel=0.1)
    assert all(len(line) == len(picture.residuals.middle) for line in picture.residuals.means)


def test_a_misfit_behind_the_start_is_seen_on_both_axes_of_the_residuals(lab):
    """It is over in a hundredth of the window, which an even average would hide."""
    noise = float(np.nanmedian(lab.shots["noise_sd"]))

    def bent(row):
        pair, shot = lab.trace(row), lab.shots.iloc[row]
        if pair is None:
            return None
        since = np.maximum(pair[0] - shot.start_s, 0) / (pair[0][-1] - shot.start_s)
        return pair[0], pair[1] + 4 * noise * np.exp(-since / 0.005)

    bent_lab = replace(lab, trace=bent)
    picture = build_experiment_picture(bent_lab, take_experiment(bent_lab, _rows(lab)))
    for band in (picture.residuals, picture.log_residuals):
        assert all(1.8 * noise < np.nanmax(line) < 6 * noise for line in band.means)
        assert band.reach < 6 * noise


def test_many_shots_stay_within_a_budget_of_points():
    many = report_lab.build_lab(names=("m",), replicates=24, points=1501)
    picture = build_experiment_picture(many, take_experiment(many, range(len(many.shots))))
    drawn = sum(len(s.trace.x) + len(s.log_trace.x) for s in picture.shots)
    assert len(picture.shots) > 100
    assert drawn < 26_000
    assert len(picture.bold) == len(picture.series)


def test_the_bold_fit_is_the_median_shot_of_its_condition():
    lab = report_lab.build_lab(names=("m",), replicates=5, points=401)
    picture = build_experiment_picture(lab, take_experiment(lab, range(len(lab.shots))))
    readable = [i for i in range(len(lab.shots)) if lab.trace(i) is not None]
    for place in picture.bold:
        own = lab.shots.iloc[list(picture.series[picture.shots[place].series].rows)]["k_per_s"]
        own = np.sort(own[np.isfinite(own)])
        assert lab.shots["k_per_s"].iloc[readable[place]] == own[(len(own) - 1) // 2]


def test_series_are_ordered_by_concentration_from_dark_to_light(lab):
    shuffled = lab.shots.iloc[_rows(lab)].sample(frac=1, random_state=1)
    series = build_series(shuffled, build_units(lab.conditions))
    assert [item.label for item in series] == ["10 µM", "20 µM", "50 µM", "100 µM", "200 µM"]
    grey = [sum(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in ordered_colours(9)]
    assert grey == sorted(grey)


def test_cuts_are_relative_to_the_rate_of_their_own_at_the_cut_of_the_fit(lab):
    """Whatever the fit reports: cuts have a law and a search of their own."""
    rows = _rows(lab)
    shots = lab.shots.assign(
        k_per_s=4 * lab.shots["k_slope_per_s"], k_slope_per_s=3 * lab.shots["k_slope_per_s"]
    )
    tables = take_experiment(replace(lab, shots=shots), rows)
    shots = tables.shots
    assert len(tables.cuts) == int(np.isfinite(shots["k_per_s"]).sum())
    line = tables.cuts[0]
    own = lab.cuts[lab.cuts["experiment"] == shots["experiment"].iloc[0]]
    own = own[own["file"] == shots.loc[line.row, "file"]]
    at_fit = np.interp(shots.loc[line.row, "start_s"], own["cut_s"], own["k_per_s"])
    np.testing.assert_allclose(own["k_per_s"], (1 + line.change) * at_fit)
    np.testing.assert_allclose(own["cut_s"], line.cut_s)


def test_secondary_curves_are_rebuilt_with_their_band(lab):
    (picture, *others) = report_lab.pictures_of(lab.secondary, lab.conditions)
    assert len(others) == lab.shots["experiment"].nunique() - 1
    own = lab.conditions[lab.conditions["experiment"] == lab.shots["experiment"].iloc[0]]
    x, y = own["concentration_M"].to_numpy(), own["k_per_s"].to_numpy()
    np.testing.assert_allclose(picture.x, 1e6 * x)
    coefficients, covariance = np.polyfit(x, y, 1, cov=True)
    (curve,) = picture.curves
    grid = curve.x / 1e6
    np.testing.assert_allclose(curve.y, np.polyval(coefficients, grid))
    variance = [np.array([t, 1]) @ covariance @ np.array([t, 1]) for t in grid]
    np.testing.assert_allclose(curve.high - curve.y, 2.5 * np.sqrt(variance))


def test_a_hyperbola_has_the_band_of_its_covariance(lab):
    own = lab.conditions[lab.conditions["experiment"] == lab.shots["experiment"].iloc[0]]
    values, errors = np.array([2.0, 80.0, 5e-5]), np.array([0.5, 4.0, 8e-6])
    correlations = np.array([[1, 0.2, 0.6], [0.2, 1, 0.8], [0.6, 0.8, 1]])
    pairs = {"k_off, k_max": 0.2, "K, k_off": 0.6, "k_max, K": 0.8}
    shared = lab.secondary.iloc[:1].to_dict("records")[0] | {"kind": "hyperbola"}
    found = zip(("k_off", "k_max", "K"), values, errors, strict=True)
    rows = [
        {
            "role": "parameter",
            "parameter": name,
            "value": value,
            "stderr": error,
            "high95": value + 3 * error,
        }
        for name, value, error in found
    ]
    rows += [
        {
            "role": "correlation",
            "parameter": f"correlation({pair})",
            "value": value,
            "stderr": np.nan,
            "high95": np.nan,
        }
        for pair, value in pairs.items()
    ]
    (picture,) = report_lab.pictures_of(pd.DataFrame([shared | row for row in rows]), own)
    (curve,) = picture.curves
    drawn = []
    for x in curve.x / 1e6:
        slopes = np.array([1, x / (values[2] + x), -values[1] * x / (values[2] + x) ** 2])
        drawn.append(3 * np.sqrt(slopes @ (correlations * np.outer(errors, errors)) @ slopes))
    np.testing.assert_allclose(curve.high - curve.y, drawn)
    np.testing.assert_allclose(curve.y - curve.low, drawn)
    assert [text.partition(" =")[0] for text in picture.said] == ["k_off", "k_max", "K"]


@pytest.mark.parametrize("kind", ["arrhenius", "eyring"])
def test_temperature_lines_go_through_the_rates_they_describe(kind):
    kelvin = np.array([285.0, 295.0, 305.0])
    activation, entropy = 60e3, -20.0
    if kind == "arrhenius":
        k = 1e11 * np.exp(-activation / (8.314462618 * kelvin))
        found = (("Ea", 60.0), ("ln A", np.log(1e11)))
    else:
        k = 1.380649e-23 / 6.62607015e-34 * kelvin
        k = k * np.exp(entropy / 8.314462618 - activation / (8.314462618 * kelvin))
        found = (("dH", 60.0), ("dS", entropy))
    conditions = report_lab.build_lab(names=("a",), replicates=1, points=201).conditions.head(3)
    conditions = conditions.assign(
        concentration_M=1e-3, temperature_K=kelvin, k_per_s=k, substrate="X", experiment=list("abc")
    )
    rows = [
        (
            f"t//X/{kind}",
            "",
            "X, 1 mM",
            kind,
            True,
            3,
            "0 1 2",
            "k_per_s k_per_s k_per_s",
            name,
            value,
            0.1,
            value - 1,
            value + 1,
        )
        for name, value in found
    ]
    columns = [*report_lab.SECONDARY_COLUMNS[:13]]
    table = pd.DataFrame(rows, columns=columns).assign(
        unit="", aicc=1.0, text="", role="parameter", at=np.nan
    )
    (picture,) = report_lab.pictures_of(table, conditions)
    order = np.argsort(picture.x)
    drawn = np.interp(picture.x[order], picture.curves[0].x, picture.curves[0].y)
    np.testing.assert_allclose(drawn, picture.y[order], atol=1e-3)


def test_points_of_k_on_come_from_their_rows():
    kelvin = np.array([285.0, 295.0, 305.0])
    k_on = 1e11 * np.exp(-60e3 / (8.314462618 * kelvin))
    own = [
        (f"k_on at {t:.2f} K", k, 0.1 * k, 0.8 * k, 1.2 * k)
        for t, k in zip(kelvin, k_on, strict=True)
    ]
    own[0] = (*own[0][:3], -1.0, own[0][4])
    found = [("Ea", 60.0, 0.1, 59.8, 60.2), ("ln A", np.log(1e11), 0.1, 25.1, 25.5)]
    columns = ["parameter", "value", "stderr", "low95", "high95"]
    table = pd.DataFrame([*found, *own], columns=columns).assign(
        plot="t",
        experiment="",
        group="X",
        kind="arrhenius",
        chosen=True,
        unit="",
        conditions="",
        rates="",
        role=["parameter"] * len(found) + ["point"] * len(own),
        at=[np.nan] * len(found) + kelvin.tolist(),
    )
    (picture,) = report_lab.pictures_of(
        table, report_lab.build_lab(names=("a",), points=201).conditions
    )
    np.testing.assert_allclose(picture.y, np.log(k_on))
    np.testing.assert_allclose(picture.high, np.log(1.2 * k_on))
    assert np.isnan(picture.low).tolist() == [True, False, False]
    assert picture.y_label == "ln k_on, k_on in M⁻¹ s⁻¹"
    assert [text.partition(" =")[0] for text in picture.said] == ["Ea", "ln A"]


def test_layers_are_sized_where_the_sizes_add_up():
    layers = [
        {"inputs": 100, "outputs": 20, "rank": 5},
        {"inputs": 20, "outputs": 1, "rank": None},
    ]
    total = (100 + 20 + 5) * 5 + 20 + 20 + 1
    sized = size_layers(layers, parameters=total)
    assert [row["parameters"] for row in sized] == [645, 21]
    assert sized[0]["dense would need"] == 2020
    assert size_layers(layers, parameters=total + 1) == layers


def test_counts_and_reasons_add_up(lab):
    counts = count_shots(lab.shots)
    assert counts.passed + counts.warned + counts.refused == counts.files == len(lab.shots)
    assert counts.fitted == np.isfinite(lab.shots["k_per_s"]).sum()
    assert len(list_repeats(lab.shots)) == counts.warned + counts.refused
    listed = count_reasons(lab.shots)
    failed = [item for item in listed if item.verdict == "FAIL"]
    assert sum(item.shots for item in failed) == counts.refused
    assert [item.verdict for item in listed] == sorted(item.verdict for item in listed)


def test_shots_that_could_not_be_read_are_told_beside_those_that_were():
    """So that 13 shots read do not stand under 14 files without a word."""
    counts = Counts(experiments=1, read=13, unreadable=1, fitted=12, passed=11, warned=0, refused=3)
    page = Page(require_paper("a4"), Ruler())
    _count_cells(counts, 12).paint(page, 0.0, 0.0, 165.0)
    said = [line.text for line in page.lines]
    number, fitted = said.index("13"), said.index("12")
    assert " ".join(said[number + 1 : fitted]) == "shots read, 1 unreadable"
    for line in page.lines:
        wide = page.ruler.width_mm(line.text, line.size, bold=line.bold)
        assert line.x_mm % 33.6 + wide < 30.6, f"{line.text!r} goes over the edge of its cell"
        assert line.y_mm < 17.0


def test_the_first_page_answers_the_three_questions(lab):
    said = {answer.question: answer.text for answer in build_answers(lab).answers}
    assert list(said) == ["What are my rates?", "Can I trust them?", "What should I repeat?"]
    counts = count_shots(lab.shots)
    rates, trust, repeat = said.values()
    assert rates.startswith(f"{counts.fitted} rate constants from ")
    assert f"{counts.passed} of {len(lab.shots)} shots passed" in trust
    assert f"Repeat {counts.refused} shot" in repeat
    assert "constant signal (1)" in repeat


def test_a_refused_shot_that_has_a_rate_is_in_no_summary(lab):
    """A bubble: k of 30 with an error of 150 is no rate constant of the first page."""
    rows = _rows(lab)
    shots = lab.shots.iloc[rows].copy()
    at = shots.index[shots["verdict"] == "PASS"][0]
    shots.loc[at, ["k_per_s", "k_stderr_per_s", "verdict"]] = [3e4, 1.5e5, "FAIL"]
    usable = usable_shots(shots)
    assert at not in usable.index
    assert summarise_rates(shots) == summarise_rates(usable)
    assert say_trust(shots, lab.conditions).split(". ")[-1] in say_trust(usable, lab.conditions)
    assert state_trust(shots, lab.conditions) == state_trust(usable, lab.conditions)


def test_starts_are_counted_over_the_same_shots_everywhere(lab):
    """On the first page, in the methods and on the terminal: those with a usable rate."""
    shots = lab.shots.iloc[_rows(lab)].assign(start_source="detected")
    refused = shots.index[shots["verdict"] == "PASS"][:2]
    shots.loc[refused, "verdict"] = "FAIL"
    count = len(usable_shots(shots))
    assert count < np.isfinite(shots["k_per_s"]).sum()
    trust = " ".join(state_trust(shots, lab.conditions))
    methods = write_methods(replace(lab, shots=shots))
    assert f"In the {count} shots with a usable rate" in trust
    assert f"detected from the trace ({count} shots)" in methods
    assert f"for {count} of {count} shots with a usable rate" in _hints(shots)[0]


def test_the_bar_of_a_condition_is_the_rate_reported(lab):
    rows = _rows(lab)
    tables = take_experiment(lab, rows)
    reported = dict(zip(tables.conditions["condition"], tables.conditions["k_per_s"], strict=True))
    for column in _build_columns(tables):
        known = reported[column.series.condition]
        np.testing.assert_array_equal(column.mean[:, 1], known)


def test_series_are_doubted_for_their_own_reasons_alone(lab):
    of_shots = RULES["shots"].finding(of=2, rules=("slope",), files=("a.bka",))
    drift = [
        RULES["replicate-drift"].finding(size=size, replicates=3, chance=1e-9)
        for size in (0.09, 0.04)
    ]
    findings = [(of_shots,)] * len(lab.conditions)
    findings[1], findings[3] = (of_shots, drift[0]), (drift[1],)
    columns = pd.DataFrame([report_lab.found(item) for item in findings])
    conditions = lab.conditions.assign(verdict="WARN", fitted=2, **columns)
    doubtful = list_doubtful(conditions)
    assert [text.partition(" by ")[0] for text in doubtful["reason"]] == ["k drifts"] * 2
    (group,) = group_series(doubtful, conditions, build_units(conditions))
    assert group.names == ("20 µM", "100 µM")
    fine = lab.shots.assign(verdict="PASS")
    named = say_repeats(fine, conditions.iloc[:2])
    assert named.startswith(f"Look at the series {conditions['experiment'].iloc[1]}, ")
    assert named.endswith("20 µM: k drifts by +9.0 % from the first to the last of 3 replicates.")
    many = conditions.assign(**report_lab.found((drift[1],)))
    assert f"{len(many)} series: k drifts by +4.0 %" in say_repeats(fine, many)
    assert say_trust(fine, many).startswith("All shots passed every check. Of")
    good = lab.conditions.assign(verdict="PASS")
    assert say_repeats(fine, good).startswith("Nothing")
    assert say_trust(fine, good).startswith("Yes: all shots passed every check.")


def test_conditions_stand_in_order_of_concentration_within_their_experiment(lab):
    shuffled = lab.conditions.sample(frac=1, random_state=5)
    ordered = sort_conditions(shuffled)
    assert list(dict.fromkeys(ordered["experiment"])) == list(dict.fromkeys(shuffled["experiment"]))
    for _, part in ordered.groupby("experiment"):
        assert part["concentration_M"].is_monotonic_increasing
    assert set(ordered.index) == set(shuffled.index)


def test_reasons_that_differ_in_numbers_count_together(lab):
    shots = lab.shots.iloc[:4].copy()
    shots["verdict"] = "WARN"
    kts = (1.1, 1.2, 1.3, 1.4)
    said = [report_lab.found((RULES["short-window"].finding(kt=kt, least=2.0),)) for kt in kts]
    (only,) = count_reasons(shots.assign(**pd.DataFrame(said, index=shots.index)))
    assert only.shots == 4
    assert only.gist == "the window holds only 1.1 times 1/k"


def test_differences_from_the_lab_are_found_again(lab):
    shots = lab.shots.assign(workbook_rate_per_s=lab.shots["k_per_s"] / 1.07)
    found = compare_rates(shots, "workbook_rate_per_s")
    np.testing.assert_allclose(found.relative, 0.07)
    assert found.median == pytest.approx(0.07)
    assert compare_rates(shots.assign(workbook_rate_per_s=np.nan), "workbook_rate_per_s") is None


def test_predictions_split_by_experiment_and_the_worst_come_first(model):
    points = split_points(model.predictions)
    assert not points[0].test
    assert {p.label for p in points[1:]} == {f"experiment 0{i}" for i in range(3)}
    assert sum(len(p.actual) for p in points) == len(model.predictions)
    worst = list_worst(model.predictions, count=4)["relative_error"].to_numpy()
    test = model.predictions[model.predictions["split"] == "test"]
    every = np.abs(test["k_predicted_per_s"] / test["k_actual_per_s"] - 1)
    np.testing.assert_allclose(worst, np.sort(every)[::-1][:4])


def test_the_best_curve_for_a_rate_recovers_an_exact_one():
    time = np.linspace(0.1, 0.6, 200)
    signal = 3 + 0.5 * (time - 0.1) - 2 * np.exp(-12 * (time - 0.1))
    np.testing.assert_allclose(fit_lines(time, signal, 12.0), signal, atol=1e-12)


def test_a_single_shot_is_drawn_and_saved_by_its_ending(lab, tmp_path):
    figure = plot_shot(lab, 1)
    assert isinstance(figure, Figure)
    assert figure.axes
    for name, magic in (("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")):
        save_picture(figure, tmp_path / name, dpi=40)
        assert (tmp_path / name).read_bytes().startswith(magic)
    with pytest.raises(SettingsError, match=r"\.png, \.pdf, \.svg"):
        save_picture(figure, tmp_path / "a.gif")


def test_a_shot_without_trace_or_rate_is_still_drawn(lab):
    refused = int(np.flatnonzero(lab.shots["verdict"] == "FAIL")[0])
    assert isinstance(plot_shot(lab, refused), Figure)
    assert plot_shot(replace(lab, trace=lambda _row: None), 0).axes == []


@pytest.mark.parametrize("count", [1, 6, 20])
def test_the_numbers_of_a_shot_stand_clear_of_its_reasons(lab, count, monkeypatch) -> None:
    finding = RULES["short-window"].finding(kt=1.6, least=2.0)
    shots = lab.shots.assign(findings=write_findings((finding,) * count), verdict="WARN")
    written: list[tuple[float, float, float]] = []
    write = Page.text

    def note(page, x_mm, y_mm, text, *, size=8.0, **style):
        written.append((x_mm, y_mm, size))
        write(page, x_mm, y_mm, text, size=size, **style)

    monkeypatch.setattr(Page, "text", note)
    plot_shot(replace(lab, shots=shots), 0)
    beside = sorted((y, size) for x, y, size in written if x > 120)
    assert len(beside) > 8
    capital_mm = 0.26
    assert all(low - capital_mm * size > high for (high, _), (low, size) in pairwise(beside))
    assert beside[-1][0] < 140


def test_the_plot_of_a_slower_phase_shows_its_own_rates(lab):
    own = lab.conditions[lab.conditions["experiment"] == lab.shots["experiment"].iloc[0]]
    table = lab.secondary[lab.secondary["experiment"] == own["experiment"].iloc[0]]
    slower = {
        "k2_per_s": 3.0,
        "k2_stderr_per_s": 0.1,
        "k2_low95_per_s": 2.8,
        "k2_high95_per_s": 3.2,
    }
    conditions = lab.conditions.assign(**slower)
    rates = " ".join(["k2_per_s"] * len(own))
    second = table.assign(plot=table["plot"] + "/k2", rates=rates)
    first, further = report_lab.pictures_of(pd.concat([table, second]), conditions)
    np.testing.assert_array_equal(first.y, own["k_per_s"])
    np.testing.assert_array_equal(further.y, np.full(len(own), 3.0))
    assert (set(further.low), set(further.high)) == ({2.8}, {3.2})
    assert further.y_label == "k₂ / s⁻¹"
    assert further.title.endswith(", k₂")
    # A page that recomputes k of a condition must not put it on the plot of k2.
    assert (len(first.members), further.members) == (len(own), ())
    said = summarise_secondary(pd.concat([table, second]))
    assert said.count(", k₂)") == 1
