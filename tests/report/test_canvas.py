"""What a page writes into a PDF, against matplotlib's own transforms and its own axes."""

import re
import zlib

import numpy as np
import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.collections import LineCollection
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform

from stopflow.report.paper.joining import DrawnSheet
from stopflow.report.paper.marks import draw_level, draw_uprights, shade_between
from stopflow.report.paper.outlines import write_path
from stopflow.report.paper.packing import pack_sheets, unpack_sheets
from stopflow.report.paper.page import Page
from stopflow.report.paper.scales import use_log_x
from stopflow.report.paper.style import MM_PER_INCH, PAPERS, Ruler, styled
from stopflow.report.paper.typeface import typeface

POINTS_PER_MM = 72.0 / MM_PER_INCH
PLACE = {"width_mm": 80.0, "height_mm": 50.0}


class Recorder(RendererBase):
    """Notes every text with its place, and every line with its ends."""

    def __init__(self):
        super().__init__()
        self.texts, self.lines = {}, []

    def get_canvas_width_height(self):
        return PAPERS["a4"].width_mm * POINTS_PER_MM, PAPERS["a4"].height_mm * POINTS_PER_MM

    def flipy(self):
        return False

    def get_text_width_height_descent(self, s, prop, *_, **_how):
        above, below = typeface(bold=False).line_em
        size = prop.get_size_in_points()
        return typeface(bold=False).width_em(s) * size, (above + below) * size, below * size

    def draw_text(self, _gc, x, y, s, prop, angle, **_how):
        if s:
            self.texts[s] = (round(x, 1), round(y, 1), angle, prop.get_size_in_points())

    def draw_path(self, gc, path, transform, rgbFace=None):
        if rgbFace is None and gc.get_linewidth():
            for vertices, _ in path.iter_segments(transform, simplify=False):
                self.lines.append(tuple(np.round(vertices[-2:], 1)))

    def draw_markers(self, _gc, marker_path, marker_trans, path, trans, *_, **_how):
        for place in trans.transform(path.vertices):
            shape = marker_trans.transform(marker_path.vertices) + place
            self.lines += [tuple(np.round(vertex, 1)) for vertex in shape]


@styled
def drawn_texts(kind, paint):
    """Return what axes of a page write, and what matplotlib's own write at the same place."""
    page = Page(PAPERS["a4"], Ruler())
    axes = page.axes(40.0, 60.0, **PLACE)
    if kind == "matplotlib":
        place = axes.get_position()
        axes.remove()
        axes = page.figure.add_axes(place)
    paint(axes)
    recorder = Recorder()
    page.figure.patch.set_visible(False)
    page.figure.draw(recorder)
    return recorder


def linear(axes):
    axes.set_xlim(0.0, 3.7)
    axes.set_ylim(-0.12, 0.43)
    axes.set_xlabel("time / s")
    axes.set_ylabel("signal / V")
    axes.set_title("title", pad=9.0)


def logarithmic(axes):
    use_log_x(axes, 3e-4, 0.2)
    axes.set_ylim(1e-7, 6e-7)
    axes.set_ylabel("small")


def shared_labels_hidden(axes):
    linear(axes)
    axes.tick_params(labelleft=False)
    axes.yaxis.set_label_coords(-0.1, 0.5)


def named(axes):
    axes.set_yticks([0, 1, 2], ["dlrt", "ridge", "fit"])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("error")


@pytest.mark.parametrize("paint", [linear, logarithmic, shared_labels_hidden, named])
def test_axes_look_as_those_of_matplotlib(paint):
    ours, theirs = drawn_texts("ours", paint), drawn_texts("matplotlib", paint)
    assert ours.texts.keys() == theirs.texts.keys()
    assert len(ours.texts) > 5
    for text, place in theirs.texts.items():
        np.testing.assert_allclose(ours.texts[text], place, atol=0.25, err_msg=text)
    # every end of a mark or a frame that matplotlib draws is one of ours, and the other way round
    for some, others in ((ours.lines, theirs.lines), (theirs.lines, ours.lines)):
        distances = [min(np.hypot(*(np.array(others) - end).T)) for end in set(some)]
        assert max(distances) < 0.3


def content_of(page):
    return zlib.decompress(page.content).decode()


@styled
def build_page():
    page = Page(PAPERS["a4"], Ruler())
    page.text(20.0, 30.0, "plain µ", size=9.0)
    page.text(20.0, 40.0, "bold", size=9.0, bold=True)
    axes = page.axes(40.0, 60.0, **PLACE)
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 5)
    axes.add_collection(LineCollection([[(1, 1), (9, 4)]], colors="#ff0000", alpha=0.5))
    axes.plot([2, 4, 40], [1, 2, 3], linestyle="none", marker="o")
    return page.finish()


def test_lines_markers_and_texts_lie_where_they_should():
    page = build_page()
    operators = content_of(page)
    height = PAPERS["a4"].height_mm

    def point(x, y):
        across = (40.0 + 80.0 * x / 10) * POINTS_PER_MM
        return across, (height - 60.0 - 50.0 + 50.0 * y / 5) * POINTS_PER_MM

    begin, end = point(1, 1), point(9, 4)
    assert f"{begin[0]:.2f} {begin[1]:.2f} m\n{end[0]:.2f} {end[1]:.2f} l" in operators
    moves = np.array(re.findall(r"1 0 0 1 (\S+) (\S+) cm /M", operators), dtype=float)
    places = np.cumsum(moves, axis=0)
    np.testing.assert_allclose(places, [point(2, 1), point(4, 2)], atol=0.011)  # one is outside
    x, y = 20.0 * POINTS_PER_MM, (height - 30.0) * POINTS_PER_MM
    assert f"BT /F1 9 Tf {x:.2f} {y:.2f} Td <{typeface(bold=False).encode('plain µ')}>" in operators
    assert set("plain µ") <= set(page.regular)
    assert set(page.bold) == set("bold")
    assert page.transparencies["A500.500"] == (500, 500)
    assert operators.count("q\n") == operators.count("Q\n") + operators.endswith("Q")


def test_a_page_comes_back_from_its_bytes():
    page = build_page()
    sheets = [DrawnSheet(section="A", layers=(page,))]
    assert unpack_sheets(pack_sheets(sheets)) == sheets


def test_a_curve_of_three_points_is_written_as_the_same_cubic():
    path = Path([(0, 0), (10, 20), (30, 0)], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    written = write_path(path, IdentityTransform(), clip=None)
    numbers = np.array(re.findall(r"-?\d+\.\d+", written), dtype=float).reshape(-1, 2)
    assert written.endswith("c")
    for t in np.linspace(0, 1, 7):
        quadratic = (1 - t) ** 2 * path.vertices[0] + 2 * t * (1 - t) * path.vertices[1]
        quadratic += t**2 * path.vertices[2]
        weights = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
        np.testing.assert_allclose(weights @ numbers, quadratic, atol=0.02)


def test_an_outline_is_closed_and_a_gap_stays_a_gap():
    square = Path([(0, 0), (4, 0), (4, 4), (0, 0)], closed=True)
    written = write_path(square, IdentityTransform(), clip=None)
    assert written.split() == "0.00 0.00 m 4.00 0.00 l 4.00 4.00 l h".split()
    gap = Path([(0, 0), (1, 1), (np.nan, 2), (3, 3), (4, 4)])
    assert write_path(gap, IdentityTransform(), clip=None).count("m") == 2


def test_rules_of_one_look_are_one_stroke_where_they_were_put():
    page = Page(PAPERS["a4"], Ruler())
    for y_mm in (20.0, 30.0):
        page.rule(10.0, y_mm, length_mm=50.0, colour="#ff0000", width=0.5)
    page.rule(10.0, 40.0, length_mm=5.0, colour="#ff0000", width=0.5, style=(0, (4.0, 2.0)))
    written = zlib.decompress(page.finish().content).decode("ascii")
    ends = re.findall(r"(\d+\.\d+) (\d+\.\d+) [ml]", written)
    found = np.array(ends, dtype=float).reshape(-1, 2, 2) / POINTS_PER_MM
    height = PAPERS["a4"].height_mm
    expected = [
        [[10, height - y], [10 + wide, height - y]] for y, wide in ((20, 50), (30, 50), (40, 5))
    ]
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert written.count("S") == 2
    assert "[2 1] 0 d" in written


def test_marks_leave_the_limits_alone_and_reach_from_edge_to_edge():
    page = Page(PAPERS["a4"], Ruler())
    axes = page.axes(20.0, 30.0, width_mm=100.0, height_mm=50.0)
    axes.set_axis_off()
    axes.set_xlim(0.0, 10.0)
    axes.set_ylim(-1.0, 1.0)
    draw_level(axes, 0.5, colour="#000000", width=1.0)
    draw_uprights(axes, np.array([2.0, 20.0]), colour="#000000", width=1.0, style="-")
    shade_between(axes, -5.0, 4.0, colour="#eeeeee")
    assert (axes.get_xlim(), axes.get_ylim()) == ((0.0, 10.0), (-1.0, 1.0))
    assert len(axes.lines) + len(axes.patches) == 3
    written = zlib.decompress(page.finish().content).decode("ascii")
    ends = re.findall(r"(-?\d+\.\d+) (\d+\.\d+) [ml]", written)
    places = {tuple(np.round(np.array(end, dtype=float) / POINTS_PER_MM, 1)) for end in ends}
    foot, top = PAPERS["a4"].height_mm - 80.0, PAPERS["a4"].height_mm - 30.0
    level = foot + 0.75 * 50.0
    assert {(20.0, level), (120.0, level), (40.0, foot), (40.0, top)} <= places
