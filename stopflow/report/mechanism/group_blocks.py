"""Pages on a group of shots: its traces with the scheme, species against time, joint regions."""

from collections.abc import Sequence
from functools import partial

from stopflow.mechanism.contours import MOST_PAIRS
from stopflow.mechanism.results import FittedGroup
from stopflow.report.mechanism.figures import (
    draw_contour,
    draw_panel,
    draw_profile,
    draw_residual,
    draw_species,
)
from stopflow.report.mechanism.view import build_panels, choose_spread
from stopflow.report.paper.flow import (
    FlowBlock,
    Painter,
    Paragraph,
    Picture,
    build_heading,
    build_note,
    leave_empty,
    row_picture,
)
from stopflow.report.paper.page import Page

ABREAST = 3
MOST_PANELS, MOST_SPECIES = 12, 3


def build_group_blocks(group: FittedGroup, *, several: bool) -> list[FlowBlock]:
    """Put together the traces with the scheme, the species and the regions of a group."""
    name = f": {group.label}" if several and group.label else ""
    if not group.fit.ok:
        return [
            build_heading(f"Global fit{name}"),
            Paragraph(text=f"No fit was possible: {group.fit.reason}."),
        ]
    return [
        build_heading(f"Global fit{name}"),
        *_panel_blocks(group, name),
        build_heading(f"Species against time{name}"),
        _species_row(group, name),
        *_contour_blocks(group, name),
    ]


def _panel_blocks(group: FittedGroup, name: str) -> list[FlowBlock]:
    panels = build_panels(group.fit)
    shown = [panels[place] for place in choose_spread(len(panels), MOST_PANELS)]
    blocks: list[FlowBlock] = []
    for first in range(0, len(shown), ABREAST):
        row = shown[first : first + ABREAST]
        above: list[Painter] = [
            partial(draw_panel, panel=panel, signal_name=place == 0)
            for place, panel in enumerate(row)
        ]
        below: list[Painter] = [
            partial(draw_residual, panel=panel, names=place == 0) for place, panel in enumerate(row)
        ]
        shows = f"fits {first // ABREAST + 1}{name}"
        blocks.append(_fit_row(_filled(above), _filled(below), shows=shows))
    note = "Points: every shot, relative to its value at mixing, thinned; line: the scheme. "
    note += "Residuals are in units of the noise of a point."
    if len(shown) < len(panels):
        note += f" {len(shown)} of {len(panels)} mixtures are shown."
    return [*blocks, build_note(note)]


def _filled(painters: Sequence[Painter]) -> list[Painter]:
    return [*painters, *([leave_empty] * (ABREAST - len(painters)))]


def _fit_row(above: Sequence[Painter], below: Sequence[Painter], *, shows: str) -> Picture:
    """Put a row of panels and, close below, that of their residuals together."""
    upper, lower = 45.0, 29.0

    def paint(page: Page, x_mm: float, y_mm: float, width_mm: float) -> None:
        row_picture(above, tall_mm=upper).paint(page, x_mm, y_mm, width_mm)
        row_picture(below, tall_mm=lower).paint(page, x_mm, y_mm + upper - 10.0, width_mm)

    return Picture(tall_mm=upper + lower - 9.0, paint=paint, after_mm=1.0, shows=shows)


def _species_row(group: FittedGroup, name: str) -> Picture:
    count = group.fit.problem.mixtures
    painters: list[Painter] = [
        partial(draw_species, fit=group.fit, mixture=mixture, key=place == 0)
        for place, mixture in enumerate(choose_spread(count, MOST_SPECIES))
    ]
    shows = [f"species {place}{name}" for place in range(1, len(painters) + 1)]
    return row_picture(_filled(painters), tall_mm=52.0, shows=shows)


def _contour_blocks(group: FittedGroup, name: str) -> list[FlowBlock]:
    """Profiles of all constants, then the joint regions of pairs, in rows."""
    fit, found = group.fit, group.determination
    count = fit.problem.constants.count
    profiled = [place for place in range(count) if len(found.profiles[place]) > 1]
    painters: list[Painter] = [
        partial(draw_profile, fit=fit, found=found, place=place) for place in profiled
    ]
    shows = [f"profile of {found.intervals[place].name}{name}" for place in profiled]
    painters += [partial(draw_contour, fit=fit, contour=contour) for contour in group.contours]
    for contour in group.contours:
        first, second = (found.intervals[place].name for place in contour.places)
        shows.append(f"contour of {first} and {second}{name}")
    if not painters:
        return []
    note = "The rise of the squares is scaled so that the 95 % interval ends at the dashed line."
    if any(any(contour.is_open) for contour in group.contours):
        note += " Triangles: the region goes on to the end of the search or to a stated bound."
    if not all(contour.is_whole for contour in group.contours):
        note += " The edge of a region that is not filled could not be followed all the way round."
    if len(group.contours) == MOST_PAIRS:
        note += f" Of pairs of constants the {MOST_PAIRS} that are determined least are shown."
    return [
        build_heading(f"How far the constants are determined, alone and in pairs{name}"),
        *(
            row_picture(_filled(painters[row]), tall_mm=58.0, shows=shows[row])
            for row in (slice(i, i + ABREAST) for i in range(0, len(painters), ABREAST))
        ),
        build_note(note),
    ]
