"""`--figures`: every figure of a report as a file of its own."""

import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import report_lab
from matplotlib.colors import rgb_to_hsv, to_rgb

from stopflow.report.kinetics.conditions import build_series
from stopflow.report.kinetics.report import write_kinetics_figures
from stopflow.report.models.comparison import write_compare_figures
from stopflow.report.models.report import write_model_figures
from stopflow.report.paper.figure_files import list_figures, name_figure
from stopflow.report.paper.flow import Picture, row_picture
from stopflow.report.paper.units import build_units

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.whole
def test_every_figure_is_written_twice_under_the_name_of_what_it_shows(tmp_path):
    lab = report_lab.build_lab(names=("run A", "run: B/C"), points=201, replicates=2)
    written = write_kinetics_figures(lab, tmp_path)
    names = [path.name for path in written]
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert len(set(names)) == len(names)
    assert [name for name in names if "traces" in name] == [
        "run_A_traces.svg",
        "run_A_traces.png",
        "run_B_C_traces.svg",
        "run_B_C_traces.png",
    ]
    for path in written:
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")
        else:
            assert path.read_bytes().startswith(PNG)
    again = write_kinetics_figures(lab, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]


def test_pictures_side_by_side_are_files_of_their_own():
    row = row_picture([lambda _: None] * 3, tall_mm=60.0, shows=("one", "", "three"))
    whole = Picture(tall_mm=50.0, paint=lambda *_: None, shows="whole")
    nameless = Picture(tall_mm=50.0, paint=lambda *_: None)
    found = list_figures([row, whole, nameless])
    assert [picture.shows for picture, _ in found] == ["one", "three", "whole"]


def test_names_are_good_on_every_system():
    assert name_figure('a/b\\c:d*e?"<f>|g') == "a_b_c_d_e_f_g"
    assert name_figure("../..") == "figure"
    assert len(name_figure("x" * 500)) == 80


def test_neighbours_among_many_conditions_can_be_told_apart():
    """By colour in order of grey, and by line style and marker where colours are close."""
    lab = report_lab.build_lab(
        names=("run",), concentrations=tuple(1e-5 * n for n in range(1, 12)), replicates=1
    )
    series = build_series(lab.shots, build_units(lab.conditions))
    assert len(series) == 11
    grey = [float(np.dot(to_rgb(item.colour), (0.299, 0.587, 0.114))) for item in series]
    assert grey == sorted(grey)
    for one, other in itertools.pairwise(series):
        assert one.line_style != other.line_style
        assert one.marker != other.marker
    hues = [rgb_to_hsv(to_rgb(item.colour))[0] for item in series]
    assert max(hues) - min(hues) > 0.5


def test_the_figures_of_models_and_comparisons_are_files_too(model, tmp_path):
    written = write_model_figures(model, tmp_path)
    assert len(written) == len(set(written)) > 8
    assert all(path.stat().st_size > 1000 for path in written)
    names = {path.name for path in written}
    assert "dlrt-50_predicted_against_actual.svg" in names
    assert "dlrt-50_learning_curve.png" in names
    compared = write_compare_figures([model, model], tmp_path / "compared")
    assert "compare_learning_curves.svg" in {path.name for path in compared}
