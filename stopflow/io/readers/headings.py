"""The rows of names and units above a table of numbers in a text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stopflow.io.readers.labels import Label, fold_label, is_unit_alone, parse_label
from stopflow.io.readers.numbers import COMMENTS, Layout
from stopflow.io.units import parse_time_unit

MOST_ROWS = 5
"""Lines above the numbers that can be names, units and comments, as Origin writes them."""

_LOOKED_AT = 12
_NEAR = 2
_KINDS = frozenset("longname name names unit units comment comments label labels".split())
"""What Origin writes in front of such a row."""
_WORDS = re.compile(r"[^\s(\[{]+(?:\s*[(\[{][^)\]}]*[)\]}])?")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stands above the columns.

    Attributes
    ----------
    names
        The cells of the row of names; None without one.
    labels
        One a column, with the units of the row of units.
    times
        Units that any of the rows gives for the first column.
    """

    names: list[str] | None
    labels: tuple[Label, ...]
    times: tuple[str, ...]


def find_heading(lines: Sequence[str], first: int, layout: Layout) -> Heading:
    """Find the rows of names and of units above row `first`."""
    near = lines_above(lines, first, most=MOST_ROWS)
    rows = [_cells(lines[place], layout) for place in near]
    fits = [len(cells) == layout.columns for cells in rows]
    apart = next((at for at, fit in enumerate(fits) if at and not fit), len(rows))
    fitting = [cells for cells, fit in zip(rows[:apart], fits, strict=False) if fit]
    close = [cells for cells in rows[:_NEAR] if len(cells) == layout.columns]
    names = next((cells for cells in fitting if _names_a_time(cells, fitting)), None)
    if names is None:
        names = next((cells for cells in close if not _is_units(cells)), None)
    if names is None and rows and len(rows[0]) == layout.columns:
        names = rows[0]
    others = [cells for cells in fitting if cells is not names and not _is_units(cells)]
    if names is not None and others and all(map(is_unit_alone, filter(None, names[1:]))):
        names = [names[0], *others[0][1:]]
    units = next((cells for cells in fitting if cells is not names and _is_units(cells)), None)
    firsts = [parse_label(cells[0]) for cells in fitting]
    return Heading(
        names=names,
        labels=_labels(names, units, layout.columns),
        times=tuple(label.unit for label in firsts if label.is_time and label.unit),
    )


def short_header(lines: Sequence[str], first: int) -> list[str]:
    """Return the cells of the line above the rows where they are not as many as the columns."""
    places = lines_above(lines, first, most=1)
    return [cell.strip() for place in places for cell in re.split(r"[\t;,|]", lines[place])]


def lines_above(lines: Sequence[str], first: int, *, most: int) -> list[int]:
    """Return the last lines above `first` that are not blank, the nearest first."""
    near = range(first - 1, max(-1, first - _LOOKED_AT), -1)
    return [at for at in near if lines[at].strip()][:most]


def begins_with_time(line: str) -> bool:
    """Tell whether a line is the header of a time with something beside it."""
    name, *others = re.split(r"[\t;,|]", line[:200])
    if others:
        return parse_label(name).is_time
    name, *others = _WORDS.findall(line[:200].strip()) or [""]
    label = parse_label(name)
    return len(others) in (1, 2) and label.is_time and label.unit != ""


def _labels(names: list[str] | None, units: list[str] | None, columns: int) -> tuple[Label, ...]:
    if names is None:
        return (parse_label(""),) * columns
    labels = [parse_label(cell) for cell in names]
    if units is None:
        return tuple(labels)
    return tuple(
        Label(text=label.text, name=label.name, unit=label.unit or unit.strip("()[] "))
        for label, unit in zip(labels, units, strict=True)
    )


def _names_a_time(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell a row of names, one of them a time, from a setting such as ``Time,21:26:13``.

    The time is in the first column and beside it stand names, or nothing but units follows.
    """
    labels = [parse_label(cell) for cell in cells]
    if not any(label.is_time and label.name for label in labels):
        return False
    others = [label.text for label in labels if not label.is_time and label.text]
    if labels[0].is_time and all(map(_LETTER.search, others)):
        return True
    below = rows[: next(at for at, row in enumerate(rows) if row is cells)]
    return all(map(_is_units, below)) and not any(":" in text for text in others)


def _is_units(cells: Sequence[str]) -> bool:
    """Tell a row of units: nothing else, or a unit of time among words without digits."""
    filled = [cell for cell in cells if cell]
    if all(map(is_unit_alone, filled)):
        return True
    has_time = any(parse_time_unit(cell.strip("()[] ")) is not None for cell in filled)
    return has_time and not any(map(str.isdigit, "".join(filled)))


def _cells(line: str, layout: Layout) -> list[str]:
    """Return the cells of a header; between blanks, a unit in brackets belongs to its name."""
    plain = line.strip("\r\n")
    stripped = plain.lstrip()
    sign = next((sign for sign in COMMENTS if stripped.startswith(sign)), "")
    plain = stripped[len(sign) :].lstrip(sign[:1] + " ") if sign else plain
    if layout.separator:
        cells = [cell.strip().strip('"') for cell in layout.split(plain)]
        if len(cells) > layout.columns > 0:
            cells = cells[1:] if fold_label(cells[0]) in _KINDS else cells[: layout.columns]
        written = plain.count(layout.separator) + 1
        if written < layout.columns and layout.separator == ",":
            return cells
        is_header = len(cells) > 1 or written == layout.columns
        return cells + [""] * (layout.columns - len(cells)) if is_header else cells
    cells = re.split(r"\t|\s{2,}", plain.strip())
    if len(cells) == layout.columns + 1 and fold_label(cells[0]) in _KINDS:
        cells = cells[1:]
    if len(cells) != layout.columns:
        cells = _WORDS.findall(plain)
    return [cell.strip().strip('"') for cell in cells]
