"""Pages: nothing lost, nothing twice, nothing below the floor, nothing outside the paper."""

from dataclasses import replace

import pytest
import report_lab

from stopflow.errors import SettingsError
from stopflow.report.paper.flow import (
    Paragraph,
    build_heading,
    build_note,
    leave_empty,
    row_picture,
)
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.layout import draw_blocks, lay_out
from stopflow.report.paper.page import Furniture, Page
from stopflow.report.paper.style import PAPERS, USUAL, Ruler, printable, require_paper, styled
from stopflow.report.paper.typeface import typeface

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def ruler() -> Ruler:
    return Ruler()


def _grid(rows: int) -> TableGrid:
    columns = (GridColumn(title="Name"), GridColumn(title="Text", wrap=True), GridColumn(title="N"))
    words = "several words that are long enough to be broken over more than one line " * 3
    body = tuple((f"row {i}", words[: 20 + 7 * (i % 29)], str(i)) for i in range(rows))
    return TableGrid(columns=columns, rows=body)


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
@pytest.mark.parametrize("rows", [1, 40, 400])
def test_every_row_stands_once_in_order_above_the_floor(paper, rows, ruler):
    blocks = [build_heading("Head"), _grid(rows), Paragraph(text="word " * 900)]
    pages = lay_out(blocks, paper, ruler)
    seen, words = [], 0
    for page in pages:
        assert page
        for item in page:
            bottom = item.y_mm + item.block.height_mm(ruler, paper.text_width_mm)
            slack = getattr(item.block, "after_mm", 0.0)
            assert bottom - slack <= paper.floor_mm + 1e-6
            if isinstance(item.block, TableGrid):
                seen += [row[0] for row in item.block.rows]
            elif isinstance(item.block, Paragraph):
                words += item.block.text.count("word")
    assert seen == [f"row {i}" for i in range(rows)]
    assert words == 900


def test_a_paragraph_that_just_fits_leaves_nothing_for_the_next_page(ruler):
    paper = PAPERS["a4"]
    last = Paragraph(text="word " * 60, after_mm=6.0)
    for gap in range(100, 1200, 7):
        filler = [Paragraph(text="x", after_mm=0.0)] * 55
        pages = lay_out([*filler, Paragraph(text="x", after_mm=gap / 100), last], paper, ruler)
        assert all(item.block.text.strip() for page in pages for item in page)


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
def test_a_note_is_on_the_page_of_the_last_rows_of_its_table(paper, ruler):
    for rows in range(1, 60):
        blocks = [_grid(rows), build_note("What the columns are. " * 12), Paragraph(text="next")]
        for page in lay_out(blocks, paper, ruler):
            kinds = [item.source for item in page]
            assert 1 not in kinds or 0 in kinds


def test_a_row_of_axes_is_a_little_lower_where_it_then_fits(ruler):
    paper = PAPERS["a4"]
    room = paper.floor_mm - paper.top_mm
    row = row_picture([leave_empty], tall_mm=60.0)
    for filled, pages, tall_mm in ((62.5, 1, 60.0), (55.0, 1, 48.0), (45.0, 2, 60.0)):
        filler = row_picture([leave_empty], tall_mm=room - filled - 2.0)
        laid = lay_out([filler, row], paper, ruler)
        assert len(laid) == pages
        assert laid[-1][-1].block.tall_mm == tall_mm


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
def test_a_note_is_on_the_page_of_the_row_of_axes_above_it(paper, ruler):
    """A row that was drawn lower to fit left its note to a page of its own."""
    room = paper.floor_mm - paper.top_mm
    for tenths in range(400, 700, 7):
        filler = row_picture([leave_empty], tall_mm=room - tenths / 10 - 2.0)
        blocks = [filler, row_picture([leave_empty], tall_mm=60.0), build_note("What it shows.")]
        for page in lay_out(blocks, paper, ruler):
            sources = [item.source for item in page]
            assert 2 not in sources or 1 in sources
            end = page[-1].y_mm + page[-1].block.height_mm(ruler, paper.text_width_mm)
            assert end - page[-1].block.after_mm <= paper.floor_mm + 1e-6


def test_a_number_stays_with_its_error_and_its_unit(ruler):
    text = "k_on: (1.194 ± 0.004)×10⁶ M⁻¹ s⁻¹ (I = 0.106 M); then 12.5 ms, 1.2 % and 7 shots "
    for width in range(60, 150):
        lines = ruler.wrap(text * 3, 8.0, width_mm=float(width))
        assert " ".join(lines) == text * 3
        for line in lines:
            assert not line.endswith(("±", "=", "10⁶", "M⁻¹", "12.5", "1.2", "0.106"))
            assert not line.startswith(("±", "=", "%", "s⁻¹", "ms"))


def test_rows_that_go_on_stay_with_the_row_above(ruler):
    columns = (GridColumn(title="Model"), GridColumn(title="Parameter"))
    models = [(("Line", "k_on"), ("", "k_off"), ("", "r"))] * 30
    rows = (("first",), *(row for model in models for row in model))
    grid = TableGrid(columns=columns, rows=rows, name="Fits")
    for room in range(20, 200):
        head, tail = grid.split(ruler, width_mm=170.0, room_mm=float(room))
        if head is None or tail is None:
            continue
        assert tail.rows[:1] == (("first, continued",),)
        assert tail.rows[1][0] == "Line"
        assert head.rows + tail.rows[1:] == rows
        further, _ = tail.split(ruler, width_mm=170.0, room_mm=60.0)
        if further is not None:
            assert further.rows[0] == ("first, continued",)


def test_a_heading_never_stands_last_on_a_page(ruler):
    paper = PAPERS["a4"]
    for filler in range(40, 60):
        blocks = [Paragraph(text="x", after_mm=0.0)] * filler + [build_heading("H"), _grid(5)]
        for page in lay_out(blocks, paper, ruler):
            assert not page[-1].block.keep_with_next


def test_text_is_measured_as_it_is_drawn(ruler):
    page = styled(Page)(PAPERS["a4"], ruler)
    text = "Rate constant µ é 12.34 ± 0.05 s⁻¹"
    page.figure.set_dpi(1200)  # fine enough that hinting does not round the widths
    drawn = styled(page.figure.text)(0, 0, text, fontsize=9.0).get_window_extent()
    drawn = drawn.width / page.figure.dpi * 25.4
    assert ruler.width_mm(text, 9.0) == pytest.approx(drawn, rel=0.005)


def test_shortening_keeps_both_ends_and_fits(ruler):
    name = "a_very_long_folder_name_" * 6 + "0012.bka"
    short = ruler.shorten(name, 7.0, width_mm=40.0)
    assert short.startswith("a_very")
    assert short.endswith(".bka")
    assert ruler.width_mm(short, 7.0) <= 40.0
    assert ruler.shorten("short", 7.0, width_mm=40.0) == "short"


def test_what_the_type_cannot_print_is_replaced():
    assert printable("µ é\t日本\n$x$") == "µ é ⟨65E5·672C⟩ $x$"
    assert printable(printable("日本 \x07")) == printable("日本 \x07")
    signs = {ord(sign) for sign in USUAL if sign.isprintable()}
    assert all(typeface(bold=bold).characters >= signs for bold in (False, True))


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
@pytest.mark.parametrize("case", ["long_names", "all_refused"])
def test_no_text_leaves_the_paper(case, paper, ruler):
    data = report_lab.build_odd_labs(points=201)[case]
    for number, sheet in enumerate(report_lab.lay_out_report(data, paper, ruler), start=1):
        page = styled(Page)(paper, ruler)
        styled(draw_blocks)(page, sheet.placed)
        page.furnish(Furniture(title="T", maker="m"), section=sheet.section, number=number, total=9)
        for line in page.lines:
            end = line.x_mm + ruler.width_mm(line.text, line.size, bold=line.bold)
            assert line.x_mm >= paper.side_mm - 0.01, line.text
            assert end <= paper.width_mm - paper.side_mm + 0.1, line.text
            assert 0 < line.y_mm < paper.height_mm - 5


def test_an_unknown_paper_lists_the_known():
    with pytest.raises(SettingsError, match="a4, letter"):
        require_paper("a3")


class CountingRuler(Ruler):
    """Counts the texts that are broken into lines or shortened."""

    fitted = 0

    def wrap(self, *args, **kwargs):
        self.fitted += 1
        return super().wrap(*args, **kwargs)

    def shorten(self, *args, **kwargs):
        self.fitted += 1
        return super().shorten(*args, **kwargs)


@pytest.mark.parametrize("rows", [500, 2000])
def test_the_work_and_the_pages_of_a_long_table_grow_as_its_rows(rows):
    paper, ruler = PAPERS["a4"], CountingRuler()
    pages = lay_out([_grid(rows)], paper, ruler)
    different = {(row[0], row[1], row[2]) for row in _grid(rows).rows}
    headings = len(pages)
    assert ruler.fitted <= 3 * len(different) + headings
    of_a_page = [len(page[0].block.rows) for page in pages[:-1]]
    assert min(of_a_page) > 0.7 * max(of_a_page)


def test_laying_out_many_blocks_looks_at_each_a_few_times(ruler):
    asked = [0]

    class Counted(Paragraph):
        def height_mm(self, ruler, width_mm):
            asked[0] += 1
            return super().height_mm(ruler, width_mm)

    lay_out(
        [Counted(text="x", keep_with_next=i % 2 == 0) for i in range(2000)], PAPERS["a4"], ruler
    )
    assert asked[0] < 4 * 2000


def _section(name, lines, ruler, paper):
    """A heading and a paragraph of so many lines."""
    word = "word"
    wide = ruler.width_mm(f"{word} ", 8.2)
    text = " ".join([word] * int(lines * (paper.text_width_mm // wide)))
    return [build_heading(name), Paragraph(text=text)]


@pytest.mark.parametrize("rows", [3, 12])
def test_a_nearly_empty_last_page_begins_with_the_last_section_of_the_one_before(rows, ruler):
    paper = PAPERS["a4"]
    table = replace(_grid(rows), keep_with_next=False)
    blocks = [*_section("first", 45, ruler, paper), build_heading("second"), table]
    while len(lay_out(blocks, paper, ruler)) == 1:  # until the table no longer fits
        blocks[1] = Paragraph(text=blocks[1].text + " word" * 30)
    pages = lay_out(blocks, paper, ruler)
    assert len(pages) == 2
    assert [item.block for item in pages[1]] == [blocks[2], table]
    assert [item.source for page in pages for item in page] == [0, 1, 2, 3]
    assert pages[1][0].y_mm == paper.top_mm


def test_a_full_last_page_and_a_section_longer_than_a_page_stay_as_they_are(ruler):
    paper = PAPERS["a4"]
    long = [*_section("only", 20, ruler, paper), build_heading("long"), _grid(75)]
    pages = lay_out(long, paper, ruler)
    assert len(pages[0]) == 4
    texts = [row for page in pages for item in page for row in getattr(item.block, "rows", ())]
    assert [row for row in texts if len(row) > 1] == [row for row in _grid(75).rows if len(row) > 1]


def test_the_section_moved_to_a_nearly_empty_page_leaves_none_behind(ruler):
    """The page before would hold little more than the last one does."""
    paper = PAPERS["a4"]
    blocks = [*_section("first", 8, ruler, paper), build_heading("second"), _grid(30)]
    while len(lay_out(blocks, paper, ruler)) == 1:
        blocks[1] = Paragraph(text=blocks[1].text + " word" * 5)
    first, last = lay_out(blocks, paper, ruler)
    assert [item.source for item in first] == [0, 1, 2, 3]
    assert [item.source for item in last] == [3]


def test_a_heading_stays_with_a_table_of_tall_rows(ruler):
    paper = PAPERS["a4"]
    words = "several words that are broken over many lines " * 12
    table = TableGrid(
        columns=(GridColumn(title="Name"), GridColumn(title="Text", wrap=True)),
        rows=tuple((f"row {i}", words) for i in range(4)),
    )
    for filler in range(30, 60):
        blocks = [Paragraph(text="x", after_mm=0.0)] * filler + [build_heading("H"), table]
        for page in lay_out(blocks, paper, ruler):
            assert not page[-1].block.keep_with_next


def test_a_table_of_several_wrapping_columns_keeps_to_the_width(ruler):
    words = "column 'Concentration after mixing (mM)' taken as concentration, in mM"
    columns = (
        GridColumn(title="Level"),
        *(GridColumn(title=title, wrap=True) for title in ("Experiment", "Place", "Found")),
    )
    grid = TableGrid(columns=columns, rows=(("note", words, words, words),), size=6.8)
    for width_mm in (168.0, 174.0):
        widths = grid.fit_widths(ruler, width_mm)
        assert sum(widths) + 2.6 * (len(widths) - 1) <= width_mm + 1e-6
        assert min(widths[1:]) > 22.0
