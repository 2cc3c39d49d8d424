"""What a chemist stumbled over on paper, each as a kind."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import report_lab

from stopflow.kinetics.laws import COMPARED
from stopflow.kinetics.verdicts.findings import write_findings
from stopflow.kinetics.verdicts.rules import RULES
from stopflow.pipeline.lab.summarise import summarise
from stopflow.report.kinetics.closing import build_input_blocks
from stopflow.report.kinetics.conditions import build_series, describe_value
from stopflow.report.kinetics.experiment_numbers import build_experiment_picture
from stopflow.report.kinetics.experiment_page import build_experiment_blocks
from stopflow.report.kinetics.experiment_tables import take_experiment
from stopflow.report.kinetics.rates_by_condition import build_condition_blocks
from stopflow.report.kinetics.repeats import build_repeat_blocks
from stopflow.report.kinetics.secondary_pages import draw_secondary, letter_groups
from stopflow.report.kinetics.secondary_table import secondary_grid
from stopflow.report.kinetics.secondary_titles import name_group
from stopflow.report.kinetics.summary import summarise_rates
from stopflow.report.kinetics.view import plot_shot, say_key
from stopflow.report.paper.grid import TableGrid
from stopflow.report.paper.rounding import column_errors, format_pm_groups, format_value
from stopflow.report.paper.style import HARD_BLANK, Ruler, keep_together, require_paper
from stopflow.report.paper.units import Units, build_units

UNITS = Units(concentration=(1e3, "mM"), ionic_strength=(1e3, "mM"))


def long_group(place):
    """What the points of a plot have in common."""
    return {
        "substrate": "Fe3+",
        "concentration_M": 3e-3,
        "ionic_strength_M": place / 10,
        "mixture": f"salt added {place}, key in the source {place}",
    }


def temperature_pictures(lab):
    """Arrhenius plots of four groups of long names."""
    from stopflow.report.kinetics.secondary_numbers import CurveLine, SecondaryPicture

    x = np.array([3.3, 3.4, 3.5])
    line = CurveLine(kind="arrhenius", chosen=True, x=x, y=-x, low=None, high=None)
    return [
        SecondaryPicture(
            title=name_group(long_group(place)),
            kind="arrhenius",
            x_label="1000 K / T",
            y_label="ln k",
            x=x,
            y=-x,
            low=-x - 0.1,
            high=-x + 0.1,
            curves=(line,),
            said=(),
        )
        for place in range(4)
    ]


def test_overlaid_plots_have_letters_and_the_table_has_the_names(lab):
    pictures = temperature_pictures(lab)
    letters = letter_groups([pictures, pictures])
    assert list(letters.values()) == ["a", "b", "c", "d"]
    figure, axes = plt.subplots(figsize=(3, 3))
    draw_secondary(axes, pictures=pictures, letters=letters)
    figure.canvas.draw()
    box = axes.get_legend().get_window_extent()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "c", "d"]
    assert box.x1 <= figure.bbox.x1
    styles = {line.get_linestyle() for line in axes.get_lines() if line.get_linestyle() != "None"}
    assert styles == {"-"}
    plt.close(figure)
    row = {"plot": "p", "experiment": "", "kind": "arrhenius", "chosen": True, "points": 3}
    row |= {"parameter": "Ea", "value": 50.0, "stderr": 1.0, "low95": 48.0, "high95": 52.0}
    row |= {"role": "parameter", "unit": "kJ/mol", "aicc": 1.0, "remark": "", "rates": ""}
    rows = [{**row, "group": f"group {place}", **long_group(place)} for place in range(4)]
    heads = [row[0] for row in secondary_grid(pd.DataFrame(rows), letters=letters).rows[::2]]
    assert [head[:4] for head in heads] == ["(a) ", "(b) ", "(c) ", "(d) "]


def test_shots_that_nothing_tells_apart_go_by_their_files():
    lab = report_lab.build_odd_labs(points=201)["no_concentrations"]
    labels = [item.label for item in build_series(lab.shots, build_units(lab.conditions))]
    assert len(set(labels)) == len(labels)
    if len(labels) > 1:
        assert all(label != "all shots" for label in labels)


def test_temperatures_are_in_degrees_as_in_the_terminal():
    assert describe_value("temperature_K", 298.15, UNITS) == "25 °C"
    assert describe_value("temperature_K", 289.65, UNITS) == "16.5 °C"
    assert describe_value("concentration_M", 2e-4, UNITS) == "0.2 mM"
    shared = {"substrate": "CO", "temperature_K": 293.15, "ionic_strength_M": 0.086}
    assert name_group({**shared, "mixture": "K 12.50 K"}) == "CO, 20 °C, I = 86 mM, K 12.50 K"


def test_digits_do_not_jump_within_a_column():
    errors = [0.03, 0.04, 0.017, 0.03]
    shown = column_errors(errors)
    values = [format_value(v, e) for v, e in zip([3.21, 3.09, 2.948, 2.78], shown, strict=True)]
    assert values == ["3.21", "3.09", "2.95", "2.78"]
    wide = column_errors([0.0004, 0.3, float("nan")])
    assert format_value(1.23456, wide[0]) == "1.2346"
    assert np.isnan(wide[2])
    assert format_pm_groups(
        ["a", "a", "b", "a"], [(3.21, 0.03), (6.129, 0.0098), (2.948, 0.017), (np.nan, np.nan)]
    ) == ["3.21 ± 0.03", "6.13 ± 0.01", "2.948 ± 0.017", "–"]
    column = [
        (11.21, 0.12),
        (27.931, 0.08),
        (70.004, 0.07),
        (110.7, 1.2),
        (5.213, 0.3),
        (0.4, 0.04),
    ]
    assert format_pm_groups(["a"] * 6, column) == [
        *("11.2 ± 0.1", "27.9 ± 0.1", "70.0 ± 0.1", "110.7 ± 1.2", "5.2 ± 0.3", "0.40 ± 0.04"),
    ]


def test_what_many_experiments_have_in_common_is_said_once(lab):
    slope = RULES["slope"].finding(change=0.2)
    noisy = RULES["noisy"].finding(ratio=8.0, least=20.0)
    shots = pd.concat([lab.shots.head(2)] * 4, ignore_index=True).assign(
        experiment=[f"run {place // 2}" for place in range(8)], verdict="WARN", reason="slope"
    )
    found = [noisy] + [slope] * 7
    shots = shots.assign(findings=[write_findings((item,)) for item in found])
    *_, grid = build_repeat_blocks(shots, lab.conditions.assign(verdict="PASS", findings=""))
    assert [row[1:3] for row in grid.rows] == [("run 0", "1"), ("4 experiments", "7")]
    assert grid.rows[1][3].endswith("drift): run 0 (1), run 1 (2), run 2 (2), run 3 (2)")


def test_nothing_to_repeat_takes_no_page(lab):
    passed = lab.shots.assign(verdict="PASS", reason="")
    conditions = lab.conditions.assign(verdict="PASS", reason="")
    assert build_repeat_blocks(passed, conditions) == []


def test_laws_of_several_phases_are_compared_by_what_is_said_to_be_the_main_rate(lab):
    name, rows = next(iter(lab.shots.groupby("experiment", sort=False).indices.items()))
    blocks = build_experiment_blocks(lab, name, rows, paper=require_paper("a4"), ruler=Ruler())
    (grid,) = (b for b in blocks if isinstance(b, TableGrid) and b.name == "Models tried")
    units = {column.title: column.unit for column in grid.columns}
    for _, law in COMPARED:
        assert units[law.heading].startswith("main k") == (len(law.rates) > 1)


def test_problems_that_differ_in_names_alone_take_one_row(lab):
    problems = pd.DataFrame(
        [
            (
                f"run {i}",
                f"shot_{i}.bka",
                "",
                f"no row for shot_{i}.bka",
                "a row",
                "warning",
                "no row",
            )
            for i in range(28)
        ],
        columns=["experiment", "file", "where", "found", "expected", "level", "rule"],
    )
    grids = [
        b for b in build_input_blocks(replace(lab, problems=problems)) if isinstance(b, TableGrid)
    ]
    listed = next(grid for grid in grids if grid.name == "What was found in the input")
    assert len(listed.rows) == 1
    assert listed.rows[0][1].startswith("28 experiments: run 0")


def test_the_picture_of_one_shot_shows_all_of_it(lab):
    row = int((lab.shots["verdict"] == "PASS").to_numpy().argmax())
    time, signal = lab.trace(row)
    spiked = signal.copy()
    spiked[2] += 50 * np.ptp(signal)
    data = replace(lab, trace=lambda _row: (time, spiked))
    figure = plot_shot(data, row)
    assert any(axes.get_ylim()[1] > spiked.max() for axes in figure.axes)
    plt.close(figure)
    assert "shaded: left out" in say_key(
        build_experiment_picture(data, take_experiment(data, [row]))
    )


def test_a_titration_over_three_decades_keeps_the_unit_of_the_lab() -> None:
    """1 mM is 1000 times 1 µM but for rounding; beyond, each value has a unit of its own."""
    levels = [1e-6, 3.125e-5, 1e-3]
    assert 1e-3 / 1e-6 > 1000
    table = pd.DataFrame({"concentration_M": levels, "ionic_strength_M": np.nan})
    units = build_units(table)
    assert [describe_value("concentration_M", x, units) for x in levels] == [
        "1 µM",
        "31.25 µM",
        "1000 µM",
    ]
    wider = build_units(pd.concat([table, table.assign(concentration_M=2e-3)]))
    assert [describe_value("concentration_M", x, wider) for x in levels] == [
        "1 µM",
        "31.25 µM",
        "1 mM",
    ]


def test_the_half_life_of_several_phases_is_not_taken_for_that_of_k(lab) -> None:
    first = lab.shots["experiment"] == lab.shots["experiment"].iloc[0]
    double = lab.shots[first]
    single = double.assign(k2_per_s=np.nan)
    assert "(half-lives of the whole change 2.82 ms to 38.7 ms)" in summarise_rates(double)
    assert "(half-lives 2.82 ms to 38.7 ms)" in summarise_rates(single)


def test_the_rates_of_further_phases_stand_on_paper_and_on_the_terminal(lab) -> None:
    table = lab.conditions
    error = 0.01 * table["k_per_s"]
    further = {"k3_per_s": table["k_per_s"] / 40, "k3_stderr_per_s": error / 40}
    further |= {"k2_per_s": table["k_per_s"] / 8, "k2_stderr_per_s": error / 8}
    single = table.assign(**dict.fromkeys(further, np.nan))
    for conditions, symbols in ((single, []), (table.assign(**further), ["k₂", "k₃"])):
        data = replace(lab, conditions=conditions)
        (grid,) = (block for block in build_condition_blocks(data) if isinstance(block, TableGrid))
        heads = [head.title for head in grid.columns]
        assert [head for head in heads if head in ("k₂", "k₃")] == symbols
        printed = summarise(data)
        assert [name for name in printed.columns if name[0] == "k" and name != "k (1/s)"] == [
            f"{symbol} (1/s)" for symbol in symbols
        ]
        assert printed.columns[-1] == "verdict"
    whole = [row for row in grid.rows if len(row) == len(heads)]
    k, second = (float(whole[0][heads.index(name)].split(" ")[0]) for name in ("k", "k₂"))
    assert second == pytest.approx(k / 8, rel=0.03)
    shown = dict(zip(printed.columns, printed.rows[0], strict=True))
    assert float(shown["k₂ (1/s)"].split(" ")[0]) == pytest.approx(k / 8, rel=0.03)


def test_numbers_stay_with_their_errors_and_units_in_a_browser() -> None:
    said = keep_together("k_on: 1849 ± 10 M⁻¹ s⁻¹ (A); at I = 86 mM")
    assert said.split(" ") == [
        "k_on:",
        "1849 ± 10 M⁻¹ s⁻¹".replace(" ", HARD_BLANK),
        "(A);",
        "at",
        "I = 86 mM".replace(" ", HARD_BLANK),
    ]
