"""First pages of the kinetics report: what the rates are, whether to trust them, what to redo."""

from itertools import groupby
from operator import itemgetter

import numpy as np

from stopflow import column_names as col
from stopflow.report.data import KineticsReportData, sort_conditions
from stopflow.report.kinetics.answers import build_answers
from stopflow.report.kinetics.conditions import (
    name_files_apart,
    varying_columns,
    write_amount,
)
from stopflow.report.kinetics.input_problems import say_disagreements
from stopflow.report.kinetics.law_choice import is_listed, law_choice_grid, list_law_choices
from stopflow.report.kinetics.repeats import build_repeat_blocks, list_doubtful
from stopflow.report.kinetics.summary import (
    OF_ALL_PHASES,
    Counts,
    count_shots,
    count_things,
    has_several_phases,
    join_words,
    state_left_out,
    state_trust,
)
from stopflow.report.paper.flow import Block, Paragraph, Picture, build_heading, build_note
from stopflow.report.paper.front import build_cells, build_title
from stopflow.report.paper.grid import Column, Grid
from stopflow.report.paper.rounding import (
    MISSING,
    column_errors,
    format_celsius,
    format_digits,
    format_half_life,
    format_interval,
    format_value,
)
from stopflow.report.paper.style import (
    INK,
    VERDICT_COLOURS,
    VERDICT_SIGNS,
    shorten_middle,
)
from stopflow.report.paper.units import Unit, Units, build_units
from stopflow.report.tables.tables import signal_unit, signal_units

_NAME_LENGTH = 60
_FIT_OF = {"joint": "a joint fit", "mean": "a fit to the mean trace"}
_MOST_DISAGREEMENTS = 6


def build_front_blocks(data: KineticsReportData) -> list[Block]:
    """Compose the answers: rates, trust, repeats, in this order."""
    counts = count_shots(data.shots)
    blocks: list[Block] = [
        *build_title("Rate constants", _what(data, counts)),
        _count_cells(counts, len(list_doubtful(data.conditions))),
    ]
    blocks.append(build_answers(data))
    disagreements = say_disagreements(data.problems)
    if disagreements:
        blocks.append(build_heading("Sources of the conditions that disagree"))
        rest = len(disagreements) - _MOST_DISAGREEMENTS
        lines = list(disagreements[:_MOST_DISAGREEMENTS])
        lines += [f"{rest} more are listed under what was found in the input."] if rest > 0 else []
        blocks += [Paragraph(text=f"•  {text}", size=7.4, after_mm=0.8) for text in lines]
    if len(data.conditions):
        blocks += [
            build_heading("Rates by condition"),
            _condition_grid(data),
            build_note(_table_note(data)),
        ]
    blocks.append(build_heading("How far to trust them"))
    statements = state_left_out(data.provenance.get("left_out"))
    statements += state_trust(data.shots, data.conditions)
    last = len(statements) - 1
    blocks += [
        # A list is parted where two of its lines stand on either side, if at all.
        Paragraph(
            text=f"•  {said}",
            after_mm=1.0,
            keep_with_next=place == 0 < last or place == last - 1,
        )
        for place, said in enumerate(statements)
    ]
    choices = list_law_choices(data.shots)
    if is_listed(choices):
        blocks += [build_heading("Choice of the rate law"), law_choice_grid(choices)]
    repeats = build_repeat_blocks(data.shots, data.conditions)
    # Where there is nothing to repeat the box of answers has said so.
    return [*blocks, build_heading("What to repeat"), *repeats] if repeats else blocks


def _what(data: KineticsReportData, counts: Counts) -> str:
    names = list(dict.fromkeys(str(name) for name in data.shots[col.EXPERIMENT]))
    names = [shorten_middle(name, _NAME_LENGTH) for name in names]
    shown = join_words(names) if len(names) <= 3 else f"{names[0]} to {names[-1]}"
    files = count_things(counts.files, "file")
    return f"{files} from {count_things(counts.experiments, 'experiment')}: {shown}"


def _count_cells(counts: Counts, doubtful: int) -> Picture:
    """Show the counts of shots; series that have a warning as a whole stand beside theirs."""
    beside = f", {doubtful} series" if doubtful else ""
    unread = f", {counts.unreadable} unreadable" if counts.unreadable else ""
    cells = (
        (f"shots read{unread}", counts.read, INK),
        ("fitted", counts.fitted, INK),
        (f"{VERDICT_SIGNS['PASS']} passed", counts.passed, VERDICT_COLOURS["PASS"]),
        (f"{VERDICT_SIGNS['WARN']} warned{beside}", counts.warned, VERDICT_COLOURS["WARN"]),
        (f"{VERDICT_SIGNS['FAIL']} refused", counts.refused, VERDICT_COLOURS["FAIL"]),
    )
    shown = [(f"{count:,}".replace(",", " "), label, colour) for label, count, colour in cells]
    return build_cells(shown, size=17, label_size=7.4)


def _condition_grid(data: KineticsReportData) -> Grid:
    files = name_files_apart(data.shots, data.conditions)
    table = sort_conditions(data.conditions.assign(file=files))
    relative = table[col.K_STDERR_PER_S] / table[col.K_PER_S]
    table = table.assign(half_error_s=relative * table[col.HALF_LIFE_S])
    units = build_units(table)
    signals = signal_units(data.shots)
    mixed = len(set(signals.values())) > 1
    shown = set(varying_columns(table)) | {
        name for name in (col.CONCENTRATION_M, col.TEMPERATURE_K) if np.isfinite(table[name]).any()
    }
    shown |= {"file"} if any(files) else set()
    shown |= {col.OUTLIER_FILES} if any(table[col.OUTLIER_FILES]) else set()
    shown |= {col.K_FROM} if set(table[col.K_FROM]) - {"each"} else set()
    columns = [
        *([Column(title="File")] if "file" in shown else []),
        *([Column(title="Substrate")] if "substrate" in shown else []),
        *([Column(title="Mixture")] if "mixture" in shown else []),
        *(
            [Column(title="Conc.", unit=_name_of(units.concentration), align="right")]
            if col.CONCENTRATION_M in shown
            else []
        ),
        *(
            [Column(title="I", unit=_name_of(units.ionic_strength), align="right")]
            if col.IONIC_STRENGTH_M in shown
            else []
        ),
        *([Column(title="T", unit="°C", align="right")] if col.TEMPERATURE_K in shown else []),
        Column(title="Shots", align="right"),
        Column(title="k", unit="s⁻¹", align="right"),
        Column(title="95 % interval", unit="s⁻¹", align="right"),
        *([Column(title="k of each", unit="s⁻¹", align="right")] if col.K_FROM in shown else []),
        *(
            [Column(title="k of all shots", unit="s⁻¹", align="right")]
            if col.OUTLIER_FILES in shown
            else []
        ),
        Column(title="Shot SD", unit="s⁻¹", align="right"),
        Column(title="Half-life", align="right"),
        Column(title="Amplitude", unit="" if mixed else signal_unit(data.shots), align="right"),
        Column(title="S/N", align="right"),
        Column(title="Verdict", verdict=True),
    ]
    rows: list[tuple[str, ...]] = []
    several = table[col.EXPERIMENT].nunique() > 1
    records = table.to_dict("records")
    for name, part in groupby(records, key=itemgetter(col.EXPERIMENT)):
        own = list(part)
        errors = column_errors([row[col.K_STDERR_PER_S] for row in own])
        of_half = column_errors([row["half_error_s"] for row in own])
        if several:
            rows.append((f"{name}: amplitude / {signals[name]}" if mixed else str(name),))
        rows += [
            _condition_row(row | {"shown_error": error, "half_error_s": half}, shown, units)
            for row, error, half in zip(own, errors, of_half, strict=True)
        ]
    return Grid(
        columns=tuple(columns), rows=tuple(rows), size=6.9, after_mm=1.5, name="Rates by condition"
    )


def _name_of(unit: Unit | None) -> str:
    """Name the unit of a column; "" where each cell has its own."""
    return unit[1] if unit else ""


def _condition_row(row: dict, shown: set[str], units: Units) -> tuple[str, ...]:
    error = float(row["shown_error"])
    fitted, shots = int(row[col.FITTED]), int(row[col.SHOTS])
    spread = float(row[col.BETWEEN_SHOT_SD_PER_S])
    cells = [str(row[col.FILE])] if "file" in shown else []
    if "substrate" in shown:
        cells.append(str(row[col.SUBSTRATE] or MISSING))
    if "mixture" in shown:
        cells.append(str(row[col.MIXTURE] or MISSING))
    if col.CONCENTRATION_M in shown:
        cells.append(write_amount(float(row[col.CONCENTRATION_M]), units.concentration))
    if col.IONIC_STRENGTH_M in shown:
        cells.append(write_amount(float(row[col.IONIC_STRENGTH_M]), units.ionic_strength))
    if col.TEMPERATURE_K in shown:
        cells.append(format_celsius(float(row[col.TEMPERATURE_K])))
    return (
        *cells,
        str(shots) if fitted == shots else f"{fitted} of {shots}",
        format_value(float(row[col.K_PER_S]), error),
        format_interval(float(row[col.K_LOW95_PER_S]), float(row[col.K_HIGH95_PER_S]), error=error),
        *(
            [format_value(float(row[col.K_EACH_PER_S]), float(row[col.K_EACH_STDERR_PER_S]))]
            if col.K_FROM in shown
            else []
        ),
        *(
            [format_value(float(row[col.K_ALL_PER_S]), float(row[col.K_ALL_STDERR_PER_S]))]
            if col.OUTLIER_FILES in shown
            else []
        ),
        format_digits(spread, 2),
        format_half_life(float(row[col.HALF_LIFE_S]), float(row["half_error_s"])),
        format_digits(float(row[col.AMPLITUDE]), 3),
        format_digits(float(row[col.SIGNAL_TO_NOISE]), 2),
        str(row[col.VERDICT]),
    )


def _table_note(data: KineticsReportData) -> str:
    sources = set(data.conditions[col.UNCERTAINTY_SOURCE])
    how = set(data.conditions[col.K_FROM]) - {"each"}
    note = "k is the mean over the shots of a condition."
    if how:
        named = join_words(_FIT_OF[name] for name in sorted(how))
        note = (
            f"k is that of {named} of the usable shots of a condition where there are two or more; "
            "k of each: mean of the rates of the single shots."
        )
    if any(data.conditions[col.VERDICT] != "PASS"):
        note += (
            " A condition is warned of for a reason of its own or where a shot of it did not pass."
        )
    if any(data.conditions[col.OUTLIER_FILES]):
        note += (
            " Shots far from their replicates are left out of k; k of all shots: the mean with "
            "them."
        )
    note += (
        " Shot SD: standard deviation of k between shots. S/N: amplitude over noise of one shot."
    )
    if has_several_phases(data.conditions):
        note += f" Half-life{OF_ALL_PHASES}, not of k alone."
    if "replicates" in sources:
        note += " Intervals come from the scatter between replicates"
        note += "; with a single shot, from its fit." if "single shot" in sources else "."
    return note
