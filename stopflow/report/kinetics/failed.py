"""The page that stands for a report which could not be drawn, so that no older one does."""

from pathlib import Path

from stopflow.io.atomic import replacing_file
from stopflow.report.paper.page import Page
from stopflow.report.paper.style import Ruler, printable, require_paper, styled

WRAPPED = 80
"""Characters of a line of the reason."""


@styled
def write_failed_pdf(why: str, path: Path, *, paper: str) -> None:
    """Write one page that says why there is no report."""
    size = require_paper(paper)
    page = Page(size, Ruler())
    lines = [
        "The report could not be drawn.",
        "The rates and all tables are whole: rates.csv, rates.xlsx.",
    ]
    text = printable(why)
    lines += [text[place : place + WRAPPED] for place in range(0, len(text), WRAPPED)]
    for number, line in enumerate(lines):
        page.text(size.side_mm, 30.0 + 6.0 * number, line)
    with replacing_file(path) as partial:
        page.figure.savefig(partial, format="pdf", metadata={"CreationDate": None})
