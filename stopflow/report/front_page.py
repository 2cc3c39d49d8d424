"""First pages of the kinetics report: what the rates are, whether to trust them, what to redo."""

from functools import partial

import numpy as np
import pandas as pd

from stopflow.report.conditions import NUMERIC, describe_value, shared_unit, varying_columns
from stopflow.report.data import KineticsReportData
from stopflow.report.flow import Block, Bookmark, Paragraph, Picture, build_heading
from stopflow.report.grid import Column, Grid
from stopflow.report.page import Page
from stopflow.report.repeats import group_repeats, list_doubtful, list_repeats, name_files
from stopflow.report.rounding import (
    MISSING,
    format_digits,
    format_interval,
    format_time,
    format_value,
    significant_digits,
)
from stopflow.report.style import INK, MUTED, VERDICT_COLOURS, VERDICT_SIGNS, WASH
from stopflow.report.summary import (
    Counts,
    count_reasons,
    count_shots,
    join_words,
    state_trust,
    summarise_rates,
    summarise_secondary,
)
from stopflow.report.tables import signal_unit


def build_front_blocks(data: KineticsReportData) -> list[Block]:
    """Compose the answers: rates, trust, repeats, in this order."""
    counts = count_shots(data.shots)
    blocks: list[Block] = [
        Paragraph(
            text="Rate constants",
            size=20.0,
            bold=True,
            after_mm=1.0,
            leading=1.15,
            bookmark=Bookmark(title="Rate constants"),
        ),
        Paragraph(text=_what(data, counts), size=8.4, colour=MUTED, after_mm=3.2),
        Picture(tall_mm=17.0, paint=partial(_paint_counts, counts), after_mm=4.2),
    ]
    reasons = count_reasons(data.shots)
    if reasons:
        blocks.append(Paragraph(text=_main_reasons(data.shots), size=7.8, after_mm=1.6))
    blocks += [build_heading("What are my rates?"), Paragraph(text=summarise_rates(data.shots))]
    if len(data.conditions):
        blocks += [_condition_grid(data), Paragraph(text=_table_note(data), size=6.8, colour=MUTED)]
    further = summarise_secondary(data.secondary)
    if further:
        blocks.append(Paragraph(text=further))
    blocks.append(build_heading("Can I trust them?"))
    blocks += [
        Paragraph(text=f"•  {statement}", after_mm=1.0)
        for statement in state_trust(data.shots, data.conditions)
    ]
    blocks.append(build_heading("What should I repeat?"))
    blocks += _repeat_blocks(data.shots, data.conditions)
    return blocks


def _what(data: KineticsReportData, counts: Counts) -> str:
    names = list(dict.fromkeys(str(name) for name in data.shots["experiment"]))
    shown = join_words(names) if len(names) <= 3 else f"{names[0]} to {names[-1]}"
    files = f"{counts.files} {'file' if counts.files == 1 else 'files'}"
    folders = f"{counts.experiments} {'experiment' if counts.experiments == 1 else 'experiments'}"
    return f"{files} from {folders}: {shown}"


def _paint_counts(counts: Counts, page: Page, x_mm: float, y_mm: float, width_mm: float) -> None:
    cells = (
        ("read", counts.read, INK),
        ("fitted", counts.fitted, INK),
        (f"{VERDICT_SIGNS['PASS']} passed", counts.passed, VERDICT_COLOURS["PASS"]),
        (f"{VERDICT_SIGNS['WARN']} warned", counts.warned, VERDICT_COLOURS["WARN"]),
        (f"{VERDICT_SIGNS['FAIL']} refused", counts.refused, VERDICT_COLOURS["FAIL"]),
    )
    gap = 3.0
    wide = (width_mm - gap * (len(cells) - 1)) / len(cells)
    for place, (label, count, colour) in enumerate(cells):
        left = x_mm + place * (wide + gap)
        page.box(left, y_mm, width_mm=wide, height_mm=17.0, colour=WASH)
        page.text(
            left + 3.0,
            y_mm + 9.0,
            f"{count:,}".replace(",", " "),
            size=17,
            bold=True,
            colour=colour,
        )
        page.text(left + 3.0, y_mm + 14.0, label, size=7.4, colour=colour)


def _main_reasons(shots: pd.DataFrame) -> str:
    parts = []
    for verdict, word in (("FAIL", "Refused"), ("WARN", "Warned")):
        listed = [item for item in count_reasons(shots) if item.verdict == verdict]
        if listed:
            said = [f"{item.reason} ({item.shots})" for item in listed[:3]]
            rest = len(listed) - 3
            said += [f"{rest} other {'reason' if rest == 1 else 'reasons'}"] if rest > 0 else []
            parts.append(f"{word}: {'; '.join(said)}.")
    return " ".join(parts)


def _condition_grid(data: KineticsReportData) -> Grid:
    table = data.conditions
    factor, unit = shared_unit(list(table["concentration_M"]))
    shown = set(varying_columns(table)) | {
        name for name in ("concentration_M", "temperature_K") if np.isfinite(table[name]).any()
    }
    columns = [
        *([Column(title="Substrate")] if "substrate" in shown else []),
        *([Column(title="Conc.", unit=unit, align="right")] if "concentration_M" in shown else []),
        *([Column(title="I", unit="M", align="right")] if "ionic_strength_M" in shown else []),
        *([Column(title="T", unit="K", align="right")] if "temperature_K" in shown else []),
        Column(title="Shots", align="right"),
        Column(title="k", unit="s⁻¹", align="right"),
        Column(title="95 % interval", unit="s⁻¹", align="right"),
        Column(title="Shot SD", unit="s⁻¹", align="right"),
        Column(title="Half-life", align="right"),
        Column(title="Amplitude", unit=signal_unit(data.shots), align="right"),
        Column(title="S/N", align="right"),
        Column(title="Verdict", verdict=True),
    ]
    rows: list[tuple[str, ...]] = []
    for name, part in table.groupby("experiment", sort=False):
        if table["experiment"].nunique() > 1:
            rows.append((str(name),))
        rows += [_condition_row(row, shown, factor) for row in part.to_dict("records")]
    return Grid(columns=tuple(columns), rows=tuple(rows), size=6.9, after_mm=1.5)


def _condition_row(row: dict, shown: set[str], factor: float) -> tuple[str, ...]:
    error = float(row["k_stderr_per_s"])
    fitted, shots = int(row["fitted"]), int(row["shots"])
    spread = float(row["between_shot_sd_per_s"])
    cells = []
    if "substrate" in shown:
        cells.append(str(row["substrate"] or MISSING))
    if "concentration_M" in shown:
        cells.append(_tidy(float(row["concentration_M"]) * factor))
    if "ionic_strength_M" in shown:
        cells.append(_tidy(float(row["ionic_strength_M"])))
    if "temperature_K" in shown:
        cells.append(_tidy(float(row["temperature_K"]), 5))
    return (
        *cells,
        str(shots) if fitted == shots else f"{fitted} of {shots}",
        format_value(float(row["k_per_s"]), error),
        format_interval(float(row["k_low95_per_s"]), float(row["k_high95_per_s"]), error=error),
        format_digits(spread, 2),
        format_time(float(row["half_life_s"]), significant_digits(float(row["k_per_s"]), error)),
        format_digits(float(row["amplitude"]), 3),
        format_digits(float(row["signal_to_noise"]), 2),
        str(row["verdict"]),
    )


def _tidy(value: float, digits: int = 4) -> str:
    text = format_digits(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def _table_note(data: KineticsReportData) -> str:
    sources = set(data.conditions["uncertainty_source"])
    note = (
        "k is the mean over the shots of a condition. Shot SD: standard deviation of k between "
        "shots. S/N: amplitude over noise of one shot."
    )
    if "replicates" in sources:
        note += " Intervals come from the scatter between replicates"
        note += "; with a single shot, from its fit." if "single shot" in sources else "."
    return note


def _repeat_blocks(shots: pd.DataFrame, conditions: pd.DataFrame) -> list[Block]:
    wanted, doubtful = list_repeats(shots), list_doubtful(conditions)
    if wanted.empty and doubtful.empty:
        return [Paragraph(text="Nothing: every shot and every series passed.")]
    blocks: list[Block] = []
    if len(doubtful):
        blocks += [
            Paragraph(text=_count_series(len(doubtful)), keep_with_next=True),
            _series_grid(doubtful),
        ]
    return blocks if wanted.empty else [*blocks, *_shot_blocks(wanted)]


def _count_series(count: int) -> str:
    return f"{count} series of replicates {'needs' if count == 1 else 'need'} a look."


def _series_grid(doubtful: pd.DataFrame) -> Grid:
    rows = []
    for row in doubtful.to_dict("records"):
        values = [describe_value(name, float(row[name])) for name in NUMERIC]
        said = ", ".join(text for text in values if text != MISSING) or "all shots"
        rows.append((str(row["verdict"]), str(row["experiment"]), said, str(row["reason"])))
    columns = (
        Column(title="Verdict", verdict=True),
        Column(title="Experiment"),
        Column(title="Series"),
        Column(title="Reason", wrap=True),
    )
    return Grid(columns=columns, rows=tuple(rows), size=6.8)


def _shot_blocks(wanted: pd.DataFrame) -> list[Block]:
    failed = int((wanted["verdict"] == "FAIL").sum())
    warned = len(wanted) - failed
    said = []
    if failed:
        said.append(
            f"repeat {failed} {'shot that' if failed == 1 else 'shots that'} gave no usable rate"
        )
    if warned:
        said.append(
            f"look at {warned} with a warning before using {'it' if warned == 1 else 'them'}"
        )
    rows = [
        (
            item.verdict,
            item.experiment,
            str(len(item.files)),
            f"{item.reason}: {name_files(item.files)}",
        )
        for item in group_repeats(wanted)
    ]
    columns = (
        Column(title="Verdict", verdict=True),
        Column(title="Experiment"),
        Column(title="Shots", align="right"),
        Column(title="Reason and files", wrap=True),
    )
    sentence = join_words(said)
    return [
        Paragraph(text=f"{sentence[0].upper()}{sentence[1:]}."),
        Grid(columns=columns, rows=tuple(rows), size=6.8),
    ]
