"""Secondary plots on paper, from analysed shots: axes, amplitudes, units, what is given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from report_lab import pictures_of

from stopflow.kinetics.analysis import (
    AnalysisSettings,
    analyse_experiment,
    analyse_lab,
    condition_rows,
    secondary_rows,
)
from stopflow.report.kinetics.secondary_numbers import (
    CurveLine,
    SecondaryPicture,
    describe_parameter,
)
from stopflow.report.kinetics.secondary_pages import _fitting_title, draw_secondary, rows_of_three
from stopflow.report.kinetics.secondary_table import secondary_grid
from stopflow.report.kinetics.secondary_words import summarise_secondary
from stopflow.report.paper.style import Ruler
from stopflow.trace import Conditions, Experiment, Shot, Trace

TIME = np.linspace(0.0, 1.0, 700)


def lab_of(
    rng: np.random.Generator, conditions: list[tuple[Conditions, list[tuple[float, float]]]], law
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of one experiment; a condition has (amplitude, k) of each phase, and two shots."""
    shots = []
    for number, (given, phases) in enumerate(conditions):
        for replicate in (1, 2):
            signal = 1 + 1e-3 * rng.standard_normal(len(TIME))
            for amplitude, k in phases:
                signal += amplitude * np.exp(-k * (1 + 0.005 * rng.standard_normal()) * TIME)
            shots.append(
                Shot(
                    experiment="lab",
                    file=f"{number}_{replicate}.csv",
                    trace=Trace(time_s=TIME, signal=signal, signal_unit="AU"),
                    conditions=given,
                    start_s=0.0,
                )
            )
    found = analyse_experiment(
        Experiment(name="lab", shots=tuple(shots)), AnalysisSettings(law=law)
    )
    lab = analyse_lab([found])
    return pd.DataFrame(secondary_rows(lab)), pd.DataFrame(condition_rows(lab.experiments[0]))


def drawn(picture: SecondaryPicture):
    figure, axes = plt.subplots()
    draw_secondary(axes, pictures=[picture])
    figure.canvas.draw()
    plt.close(figure)
    return axes


def test_more_than_two_decades_stand_on_a_logarithmic_axis(rng) -> None:
    wide = [
        (Conditions(substrate="S", concentration_M=at), [(0.5, 5 + 90 * at / (2e-5 + at))])
        for at in np.geomspace(1e-7, 1e-4, 6)
    ]
    for points, scale in ((wide, "log"), (wide[3:], "linear")):
        (picture,) = pictures_of(*lab_of(rng, points, "single"))
        axes = drawn(picture)
        assert axes.get_xscale() == scale
        assert axes.get_yscale() == "linear"
        left, right = axes.get_xlim()
        assert left < picture.x.min() <= picture.x.max() < right
    assert picture.x_label == "concentration / µM"


def test_a_curve_that_was_not_taken_does_not_press_the_points_down(rng) -> None:
    """A line through a saturation leaves the frame, which the points and the hyperbola fill."""
    points = [
        (Conditions(substrate="S", concentration_M=at), [(0.5, 1 + 120 * at / (1.5e-4 + at))])
        for at in np.geomspace(1e-6, 1e-3, 11)
    ]
    (picture,) = pictures_of(*lab_of(rng, points, "single"))
    assert max(curve.y.max() for curve in picture.curves if not curve.chosen) > 200
    _, top = drawn(picture).get_ylim()
    assert picture.y.max() < top < 1.3 * picture.y.max()


def test_a_level_far_from_zero_does_not_lie_on_the_frame() -> None:
    y = np.array([0.30, 0.301, 0.302])
    level = SecondaryPicture(
        title="", kind="line", x_label="c", y_label="k", x=np.arange(3.0), y=y,
        low=y, high=y, curves=(), said=(),
    )  # fmt: skip
    bottom, top = drawn(level).get_ylim()
    assert bottom == 0
    assert top > 1.03 * 0.302


def test_a_narrow_title_keeps_the_phase_that_tells_plots_apart() -> None:
    names = [f"2024-03-12 enzyme E of the second batch, {phase}" for phase in ("k₂", "amplitude₂")]
    short = [_fitting_title(name, 32.0) for name in names]
    assert [title.rpartition(", ")[2] for title in short] == ["k₂", "amplitude₂"]
    assert all(Ruler().width_mm(title, 7.2, bold=True) < 33 for title in short)
    assert _fitting_title("A, k₂", 32.0) == "A, k₂"


def test_every_curve_of_a_plot_has_its_name(rng) -> None:
    points = [
        (Conditions(substrate="S", concentration_M=at), [(0.5, 2 + 1e6 * at)])
        for at in np.linspace(1e-5, 1e-4, 6)
    ]
    (picture,) = pictures_of(*lab_of(rng, points, "single"))
    axes = drawn(picture)
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said == [
        item.kind if item.chosen else f"{item.kind}, not taken" for item in picture.curves
    ]
    assert "line" in said
    assert len(said) > 1
    styles = [line.get_linestyle() for line in axes.get_legend().get_lines()]
    assert styles[said.index("line")] == "-"
    assert styles.count("-") == 1


def test_the_names_of_curves_cover_no_point():
    """As of an Arrhenius plot whose points are on no line: nothing but the points sets the axes."""
    x, y = np.array([3.30, 3.353, 3.595]), np.array([8.3, 13.3, 9.1])
    none = np.full(3, np.nan)
    curve = CurveLine(
        kind="arrhenius", chosen=False, x=x, y=np.array([10.2, 10.2, 10.3]), low=None, high=None
    )
    picture = SecondaryPicture(
        title="", kind="arrhenius", x_label="1000 K / T", y_label="ln k", x=x, y=y,
        low=none, high=none, curves=(curve,), said=(),
    )  # fmt: skip
    axes = drawn(picture)
    box = axes.get_legend().get_window_extent()
    points = axes.transData.transform(np.column_stack([x, y]))
    assert not [point for point in points if box.contains(*point)]


def test_amplitudes_of_both_phases_are_drawn_in_the_unit_of_the_signal(rng) -> None:
    points = [
        (
            Conditions(substrate="S", concentration_M=at),
            [(0.5, 10 + 1e6 * at), (0.4 * at / (3e-5 + at), 3.0)],
        )
        for at in np.geomspace(1e-5, 1.2e-4, 6)
    ]
    secondary, conditions = lab_of(rng, points, "double")
    pictures = {picture.title: picture for picture in pictures_of(secondary, conditions)}
    second = next(own for title, own in pictures.items() if title.endswith("amplitude₂"))
    assert second.y_label == "amplitude₂ / AU"
    np.testing.assert_allclose(second.y, conditions["amplitude2"])
    assert np.isfinite(second.low).all()
    assert [line for line in second.said if line.startswith("K = ") and line.endswith("µM")], (
        second.said
    )
    axes = drawn(second)
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 1.03 * np.nanmax(second.high), "points do not lie on the frame"
    assert summarise_secondary(secondary).startswith("k_on: ")
    assert "A_max" not in summarise_secondary(secondary)


def test_a_ph_profile_is_drawn_over_ph(rng) -> None:
    points = [
        (
            Conditions(substrate="S", concentration_M=1e-4, extra={"pH": f"{ph:.1f}"}),
            [(0.5, 40 / (1 + 10 ** (6 - ph) + 10 ** (ph - 8.4)))],
        )
        for ph in np.arange(5.2, 9.3, 0.6)
    ]
    secondary, conditions = lab_of(rng, points, "single")
    (picture,) = pictures_of(secondary, conditions)
    assert picture.x_label == "pH"
    np.testing.assert_allclose(picture.x, np.arange(5.2, 9.3, 0.6))
    assert [line for line in picture.said if line.startswith("pKa1 = ")], picture.said
    drawn(picture)
    cells = [cell for row in secondary_grid(secondary).rows for cell in row]
    assert "Bell" in cells
    assert "pKa2" in cells


@pytest.mark.parametrize(
    ("value", "stderr", "said"),
    [(2e-6, 0.0, "E_0 = 2.00 µM, given"), (2e-6, 1e-7, "E_0 = 2.00 ± 0.10 µM")],
)
def test_what_is_given_has_no_error(value: float, stderr: float, said: str) -> None:
    row = {"parameter": "E_0", "value": value, "stderr": stderr, "unit": "M"}
    assert describe_parameter(row) == said


@pytest.mark.parametrize(
    ("substrates", "plots", "said"),
    [
        (1, 6, "k_on of 6 plots: 1.00 to 6.00 M⁻¹ s⁻¹."),
        (3, 6, "6.00 ± 0.10 M⁻¹ s⁻¹ (run 5)."),
        (3, 9, "of 3 plots with S1: 2.00 to 8.00 M⁻¹ s⁻¹; "),
        (9, 9, "k_on of 9 reactions: in the table of secondary plots."),
    ],
)
def test_no_range_goes_over_unlike_reactions(substrates: int, plots: int, said: str) -> None:
    rows = [
        {
            "experiment": f"run {place}",
            "group": f"S{place % substrates}, 298.15 K",
            "substrate": f"S{place % substrates}",
            "kind": "line",
            "chosen": True,
            "rates": "k_per_s",
            "parameter": "k_on",
            "value": float(place + 1),
            "stderr": 0.1,
            "unit": "M^-1 s^-1",
            "plot": f"plot {place}",
            "text": "",
        }
        for place in range(plots)
    ]
    assert said in summarise_secondary(pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("plots", "said"),
    [
        (1, "No constant is reported for run 0, because no curve"),
        (9, "No constant is reported for 9 plots, because no curve"),
    ],
)
def test_plots_that_decide_nothing_are_said_to_be_undecided(plots: int, said: str) -> None:
    rows = [
        {
            "experiment": f"run {place}",
            "group": "S, 298.15 K",
            "kind": "line",
            "chosen": False,
            "rates": "k_per_s",
            "parameter": "k_on",
            "value": 1.0,
            "stderr": 2.0,
            "unit": "M^-1 s^-1",
            "plot": f"plot {place}",
        }
        for place in range(plots)
    ]
    assert summarise_secondary(pd.DataFrame(rows)).startswith(said)


def test_plots_against_temperature_that_decide_nothing_are_named_by_their_kind() -> None:
    shared = {"experiment": "", "group": "S", "substrate": "S", "chosen": False, "rates": ""}
    shared |= {"parameter": "Ea", "value": 50.0, "stderr": 9.0, "unit": "kJ/mol"}
    rows = [{**shared, "kind": kind, "plot": kind} for kind in ("arrhenius", "eyring")]
    said = summarise_secondary(pd.DataFrame(rows))
    assert "for the Arrhenius plot of S and the Eyring plot of S, because" in said


@pytest.mark.parametrize(("count", "rows"), [(0, []), (1, [1]), (3, [3]), (4, [4]), (8, [3, 3, 2])])
def test_no_plot_stands_in_a_row_alone_and_none_make_no_row(count: int, rows: list[int]) -> None:
    assert [len(row) for row in rows_of_three([None] * count)] == rows
