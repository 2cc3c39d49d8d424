"""The comparison report: several networks with the same split, seed and budget, side by side."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stopflow import column_names as col
from stopflow.io.csv_files import csv_text
from stopflow.report.data import ModelReportData
from stopflow.report.kinetics.closing import build_provenance_blocks
from stopflow.report.models.comparison_figures import draw_bias, draw_runs
from stopflow.report.models.comparison_numbers import build_comparison, list_bias, state_best
from stopflow.report.models.comparison_table import comparison_table
from stopflow.report.models.figures import draw_learning, draw_predictions
from stopflow.report.models.numbers import count_runs, split_points
from stopflow.report.models.report import attach_model
from stopflow.report.paper.figure_files import write_figures
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
from stopflow.report.paper.front import build_title
from stopflow.report.paper.page import Page
from stopflow.report.paper.pdf import write_pdf


def write_compare_pdf(models: Sequence[ModelReportData], path: Path, *, paper: str = "a4") -> None:
    """Write the comparison of models, in the order of the table, as `write_pdf`."""
    compared = build_comparison(models)
    table = comparison_table(compared)
    names = ", ".join(model.name for model in models)
    provenance = models[0].provenance if models else {}
    blocks: list[FlowBlock] = [
        *build_title("Comparison of networks", names),
        Paragraph(text=state_best(compared)),
        table.grid(size=6.6, after_mm=1.5),
        build_note(table.note),
        *_result_blocks(models),
        *build_provenance_blocks(
            provenance, names=[name for m in models for name in m.predictions[col.EXPERIMENT]]
        ),
    ]
    attachments = {"comparison.csv": csv_text(compared).encode()}
    for model in models:
        attachments |= attach_model(model, prefix=f"{Path(model.name).name}-")
    write_pdf(
        blocks,
        path,
        paper=paper,
        section="Comparison",
        title="Comparison of networks",
        subject=names,
        provenance=provenance,
        attachments=attachments,
    )


def write_compare_figures(models: Sequence[ModelReportData], folder: Path) -> list[Path]:
    """Write every figure of the comparison, as `paper.figure_files.write_figures`."""
    return write_figures(_result_blocks(models), folder, prefix="compare")


def _result_blocks(models: Sequence[ModelReportData]) -> list[FlowBlock]:
    return [
        *_run_blocks(models),
        *_learning_blocks(models),
        *_bias_blocks(models),
        *_scatters(models),
    ]


def _run_blocks(models: Sequence[ModelReportData]) -> list[FlowBlock]:
    if len(models) < 2:
        return []
    return [
        build_heading("Test error of every run"),
        Picture(
            tall_mm=18.0 + 5.2 * len(models),
            paint=partial(_paint_runs, models),
            shows="test error of every run",
        ),
    ]


def _paint_runs(
    models: Sequence[ModelReportData], page: Page, x_mm: float, y_mm: float, width_mm: float
) -> None:
    tall = 4.0 + 5.2 * len(models)
    draw_runs(page.axes(x_mm + 36.0, y_mm, width_mm=width_mm - 36.0, height_mm=tall), models)


def _bias_blocks(models: Sequence[ModelReportData]) -> list[FlowBlock]:
    lines = list_bias(models)
    if not lines:
        return []

    return [
        build_heading("Bias against k"),
        _beside_key(partial(draw_bias, lines=lines), shows="bias against k"),
        build_note("Mean relative error of the test shots in bins of equal numbers of shots."),
    ]


def _beside_key(draw: Painter, *, shows: str) -> Picture:
    """Axes that leave the right margin to their key."""

    def paint(page: Page, x_mm: float, y_mm: float, width_mm: float) -> None:
        draw(page.axes(x_mm + 14.0, y_mm + 2.0, width_mm=width_mm - 54.0, height_mm=54.0))

    return Picture(tall_mm=68.0, paint=paint, after_mm=0.0, shows=shows)


def _learning_blocks(models: Sequence[ModelReportData]) -> list[FlowBlock]:
    learnt = [model for model in models if "test_mae_per_s" in model.history and len(model.history)]
    if not learnt:
        return []
    drawn = _beside_key(partial(draw_learning, models=learnt), shows="learning curves")
    return [
        build_heading("Learning curves"),
        drawn,
        build_note(_learning_note(learnt)),
    ]


def _learning_note(models: Sequence[ModelReportData]) -> str:
    if max(count_runs(model) for model in models) == 1:
        return "Bold: test; thin: training."
    return (
        "Bold: test, median over all runs; shaded: the middle half of the runs; thin: training, "
        "median."
    )


def _scatters(models: Sequence[ModelReportData]) -> list[FlowBlock]:
    drawn = [(model.name, split_points(model.predictions)) for model in models]
    drawn = [(name, points) for name, points in drawn if points]
    blocks: list[FlowBlock] = []
    if drawn:
        blocks.append(build_heading("Predicted against actual"))
    across = 3 if len(drawn) > 2 else 2
    training, shots = "training", "test experiments"
    if any(count_runs(model) > 1 for model in models):
        training, shots = "training of the first run", "held-out shots of all runs"
    note = (
        f"Grey: {training}; symbols: {shots}, one colour per experiment; line: equality; "
        "band: ± 10 %."
    )
    for place in range(0, len(drawn), across):
        row = drawn[place : place + across]
        painters: list[Painter] = [
            partial(draw_predictions, points=points, title=name, key=False) for name, points in row
        ]
        if place:
            painters += [leave_empty] * (across - len(row))
        tall_mm = 58.0 if across == 3 else 84.0
        shows = [f"predicted against actual {name}" for name, _ in row]
        blocks.append(row_picture(painters, tall_mm=tall_mm, shows=shows))
    return [*blocks, build_note(note)] if drawn else []
