"""The report on a mechanism: what was fitted, how well, and what the data do not determine."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from stopflow.mechanism.results import FittedFolder
from stopflow.mechanism.scheme import Scheme
from stopflow.report.kinetics.closing import build_provenance_blocks
from stopflow.report.mechanism.figures import ROW_MM, draw_scheme, pair_steps
from stopflow.report.mechanism.group_blocks import build_group_blocks
from stopflow.report.mechanism.methods import write_methods
from stopflow.report.mechanism.numbers import (
    constants_table,
    describe_proposals,
    format_constant,
    ranking_texts,
)
from stopflow.report.paper.figure_files import write_figures
from stopflow.report.paper.flow import FlowBlock, Paragraph, Picture, build_heading, build_note
from stopflow.report.paper.front import build_title
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.page import Page
from stopflow.report.paper.pdf import Progress, write_pdf
from stopflow.report.paper.rounding import format_temperature, set_numbers
from stopflow.report.tables.tables import csv_text


def write_mechanism_pdf(
    found: FittedFolder,
    path: Path,
    *,
    title: str,
    provenance: Mapping[str, object],
    paper: str = "a4",
    progress: Progress | None = None,
) -> None:
    """Write the report of a global fit, as `write_pdf`; with its contours, where it has any."""
    blocks: list[FlowBlock] = [*_front_blocks(found, title), *_open_blocks(found)]
    blocks += _ranking_blocks(found)
    blocks += [
        *_result_blocks(found),
        build_heading("Methods, ready to paste"),
        Paragraph(text=write_methods(found, provenance), size=8.6, leading=1.5),
        *build_provenance_blocks(provenance, names=[group.label for group in found.groups]),
    ]
    write_pdf(
        blocks,
        path,
        paper=paper,
        section="Mechanism",
        title=title,
        subject=found.scheme,
        provenance=provenance,
        attachments={"mechanism.csv": csv_text(constants_table(found)).encode()},
        progress=progress,
    )


def write_mechanism_figures(found: FittedFolder, folder: Path) -> list[Path]:
    """Write every figure of the report, as `paper.figure_files.write_figures`."""
    return write_figures(_result_blocks(found), folder, prefix="mechanism")


def _result_blocks(found: FittedFolder) -> list[FlowBlock]:
    several = len(found.groups) > 1
    return [block for group in found.groups for block in build_group_blocks(group, several=several)]


def _front_blocks(found: FittedFolder, title: str) -> list[FlowBlock]:
    blocks = build_title(title, set_numbers(found.scheme))
    if not found.groups:
        return blocks
    scheme = found.groups[0].fit.problem.scheme
    tall = ROW_MM * len(pair_steps(scheme))
    blocks.append(Picture(tall_mm=tall, paint=partial(_paint_scheme, scheme)))
    blocks += [Paragraph(text=_sentence(group.headline())) for group in found.groups]
    rows: list[tuple[str, ...]] = []
    for group in found.groups:
        if group.label:
            rows.append((group.label,))
        rows += [
            (item.name, *format_constant(item)[:2], item.unit.replace("^-1", "⁻¹"))
            for item in group.determination.intervals
        ]
    if rows:
        columns = (
            GridColumn(title="Constant"),
            GridColumn(title="Value", align="right"),
            GridColumn(title="95 % interval", align="right"),
            GridColumn(title="Unit"),
        )
        blocks += [
            build_heading("Constants"),
            TableGrid(columns=columns, rows=tuple(rows), size=7.4),
        ]
    reference = found.groups[0].fit.problem.constants.reference_K
    if reference is not None:
        note = f"Rate constants at {format_temperature(reference)}; dH: activation enthalpies."
        blocks.append(build_note(note))
    return blocks


def _paint_scheme(scheme: Scheme, page: Page, x_mm: float, y_mm: float, _width_mm: float) -> None:
    draw_scheme(page, x_mm, y_mm, scheme=scheme)


def _open_blocks(found: FittedFolder) -> list[FlowBlock]:
    """Say what is not determined, what differs, and what could not be used."""
    fitted = [group for group in found.groups if group.fit.ok]
    said = [text for group in fitted for text in group.sentences()]
    blocks: list[FlowBlock] = [build_heading("What is not determined")]
    if said:
        blocks += [Paragraph(text=_sentence(text), after_mm=1.2) for text in said]
    elif fitted:
        blocks.append(
            Paragraph(text="Every constant has an interval that is closed on both sides.")
        )
    else:
        blocks.append(Paragraph(text="There is no fit, so nothing is determined."))
    advice = [
        f"{group.label}: {text}" if group.label else text
        for group in fitted
        for text in describe_proposals(group.proposals)
    ]
    if advice:
        blocks.append(build_heading("What would determine it"))
        blocks += [Paragraph(text=_sentence(text), after_mm=1.2) for text in advice]
    if found.remarks:
        blocks.append(build_heading("Remarks"))
        blocks += [Paragraph(text=_sentence(text), after_mm=1.2) for text in found.remarks]
    if found.left_out:
        blocks.append(build_heading("Shots that were not used, and rows without a file"))
        blocks += [Paragraph(text=text, size=7.4, after_mm=0.8) for text in found.left_out]
    return blocks


def _sentence(text: str) -> str:
    """Set a sentence; it begins with a capital, unless with the name of a constant."""
    shown = set_numbers(text)
    return f"{shown[0].upper() + shown[1:] if shown.split(' ')[0].isalpha() else shown}."


def _ranking_blocks(found: FittedFolder) -> list[FlowBlock]:
    if not found.ranking:
        return []
    rows = tuple(
        tuple(
            map(
                set_numbers,
                (item.scheme.name, item.scheme.text, str(item.numbers), *ranking_texts(item)),
            )
        )
        for item in found.ranking
    )
    columns = (
        GridColumn(title="Scheme", wrap=True),
        GridColumn(title="Steps", wrap=True),
        GridColumn(title="Numbers", align="right"),
        GridColumn(title="AICc", unit="above the lowest", align="right"),
        GridColumn(title="Mean square", unit="/ noise²", align="right"),
        GridColumn(title="Lack of fit", unit="p", align="right"),
        GridColumn(title="Held out", unit="/ noise²", align="right"),
        GridColumn(title="Ruled out", wrap=True),
    )
    return [
        build_heading("Known schemes compared"),
        TableGrid(columns=columns, rows=rows, size=6.8),
        build_note(
            "S is what the workbook varies, E its partner. Scatter between shots counts "
            "as a covariance, beside the noise; a scheme is ruled out where its AICc lies 10 above "
            "the lowest, odds of 150 to 1, unless it predicts better. A scheme that contains a "
            "simpler one reaches its curves as a limit and no better ones; the further constants "
            "are then not determined. Lack of fit: the probability that the "
            "residuals of replicates have as much in common if the scheme is right. Held out: the "
            "mean square of the residuals of concentrations predicted from the others."
        ),
    ]
