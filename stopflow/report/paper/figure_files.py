"""Every figure of a report as a file of its own, SVG and PNG, named after what it shows."""

import re
from collections.abc import Iterable
from pathlib import Path

from stopflow.report.paper.flow import FlowBlock, Picture
from stopflow.report.paper.page import Page
from stopflow.report.paper.pictures import save_picture
from stopflow.report.paper.style import Paper, Ruler, require_paper, styled

MARGIN_MM = 3.0
PANEL_MM = 100.0
"""Width of a figure that shares its row in the report."""
DPI = 300
LONGEST_NAME = 80
_APART = re.compile(r"[^\w.+-]+")


def list_figures(blocks: Iterable[FlowBlock]) -> list[tuple[Picture, float]]:
    """Return the pictures that have a name, with their widths in mm on A4."""
    wide = require_paper("a4").text_width_mm
    found: list[tuple[Picture, float]] = []
    for block in blocks:
        if isinstance(block, Picture) and block.shows:
            found.append((block, wide))
        elif isinstance(block, Picture):
            found += [(panel, PANEL_MM) for panel in block.panels]
    return found


@styled
def write_figures(blocks: Iterable[FlowBlock], folder: Path, *, prefix: str = "") -> list[Path]:
    """Write the figures among `blocks` into `folder`, as SVG and PNG.

    Returns
    -------
    list of Path
        Two files a figure, in the order of the report. Figures of one name are numbered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    used: dict[str, int] = {}
    ruler = Ruler()
    for picture, width_mm in list_figures(blocks):
        stem = name_figure(f"{prefix} {picture.shows}" if prefix else picture.shows)
        used[stem.lower()] = used.get(stem.lower(), 0) + 1
        if used[stem.lower()] > 1:
            stem = f"{stem}_{used[stem.lower()]}"
        sheet = Paper(
            key="figure",
            width_mm=width_mm + 2 * MARGIN_MM,
            height_mm=picture.tall_mm + 2 * MARGIN_MM,
            side_mm=MARGIN_MM,
            top_mm=MARGIN_MM,
            bottom_mm=MARGIN_MM,
        )
        page = Page(sheet, ruler)
        picture.draw(page, MARGIN_MM, MARGIN_MM, width_mm=width_mm)
        for ending in (".svg", ".png"):
            path = folder / f"{stem}{ending}"
            save_picture(page.figure, path, dpi=DPI)
            written.append(path)
    return written


def name_figure(shows: str) -> str:
    """Make a file's name that every system takes."""
    return _APART.sub("_", shows).strip("._")[:LONGEST_NAME] or "figure"
