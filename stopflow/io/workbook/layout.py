"""Where the tables of a sheet are: header rows, rows of units, tables side by side.

The header is the row with a column of file names and another known one. Units, or second names,
may stand in the row above it or below it; cells merged over several columns name them all. Which
column holds file names is told by its header or, where the files of the folder are known, by what
stands in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from stopflow.io.units import find_scale
from stopflow.io.workbook.cells import Cell
from stopflow.io.workbook.grid import Sheet
from stopflow.io.workbook.headers import (
    Header,
    bare_unit,
    fold_name,
    is_only_unit,
    match_headers,
    parse_header,
)
from stopflow.io.workbook.names import FileNames, as_text
from stopflow.io.workbook.vocabulary import QUANTITIES

HEADER_WITHIN = 30
"""Rows in which the first header is looked for."""

MOST_TABLES = 100
"""Tables of a sheet; further headers are read as rows of the last table."""

UNIT_NAMES = frozenset({"unit", "units", "einheit", "einheiten", "unite", "unites"})
"""Folded names of a row or a column of units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHead:
    """The header of a table.

    Attributes
    ----------
    row
        Number of the header's row.
    first
        Number of the first row below it.
    columns
        Those the table reaches over.
    texts
        Header of each column of the sheet, with its unit; ``""`` outside the table.
    chosen
        Quantity -> (column, header).
    passed_over
        Column -> header, of those with a meaning that were not chosen.
    unknown_name
        True when the file names stand under a header that does not say so.
    other_units
        Column -> a unit above or below its header that contradicts the header's own.
    """

    row: int
    first: int
    columns: range
    texts: tuple[str, ...]
    chosen: Mapping[str, tuple[int, Header]]
    passed_over: Mapping[int, Header]
    unknown_name: bool = False
    other_units: Mapping[int, str] = field(default_factory=dict)

    @property
    def file_column(self) -> int:
        """Column of the file names."""
        return self.chosen["file"][0]


def find_heads(sheet: Sheet, names: FileNames) -> list[TableHead]:
    """Return the headers of a sheet's tables, from the top, those side by side from the left."""
    found = _first_header(sheet, names)
    if found is None:
        return []
    heads = list(_heads_in_row(sheet, *found))
    for number in range(heads[0].first, len(sheet.rows)):
        if len(heads) >= MOST_TABLES:
            break
        if number >= heads[-1].first and _is_header_again(sheet, number, heads[-1], names):
            heads += _heads_in_row(sheet, number, heads[-1].file_column)
    return heads


def fits(sheet: Sheet, head: TableHead, names: FileNames) -> bool:
    """Tell whether any cell of a table's column of file names is a file of the folder."""
    return any(as_text(cell) in names for cell in _below(sheet, head.row, head.file_column))


def _first_header(sheet: Sheet, names: FileNames) -> tuple[int, int] | None:
    """Return row and file column of the first table."""
    rows = [
        (number, match_headers(texts)[0], sum(text != "" for text in texts))
        for number, texts in enumerate(map(_texts, sheet.rows[:HEADER_WITHIN]))
    ]
    full = [(number, chosen) for number, chosen, _ in rows if "file" in chosen and len(chosen) > 1]
    alone = [(number, chosen) for number, chosen, cells in rows if "file" in chosen and cells > 1]
    for number, chosen in full[:1]:
        column = chosen["file"][0]
        return number, column if _holds_names(sheet, number, column, names) else (
            _column_of_names(sheet, number, names, but=column)
        )
    for number, chosen in alone:
        if _holds_names(sheet, number, chosen["file"][0], names):
            return number, chosen["file"][0]
    for number in (number for number, _, cells in rows if cells > 1):
        for column in _weakly_named(sheet, number):
            if names and _holds_names(sheet, number, column, names):
                return number, column
    found = _by_content(sheet, [(number, len(chosen)) for number, chosen, _ in rows], names)
    return found or next(((number, chosen["file"][0]) for number, chosen in alone), None)


def _column_of_names(sheet: Sheet, number: int, names: FileNames, *, but: int) -> int:
    """Return a column that holds files of the folder where the one called so does not."""
    others = (column for column in _weakly_named(sheet, number) if column != but)
    found = next((column for column in others if _holds_names(sheet, number, column, names)), None)
    if found is None:
        width = range(len(sheet.rows[number]))
        found = next((c for c in width if _mostly_names(sheet, number, c, names)), but)
    return found


def _by_content(
    sheet: Sheet, known: Sequence[tuple[int, int]], names: FileNames
) -> tuple[int, int] | None:
    """Find the column whose cells are files of the folder, and the best header above them."""
    if not names:
        return None
    width = max((len(row) for row in sheet.rows), default=0)
    for column in range(width):
        above = [
            (count, number)
            for number, count in known
            if count and _mostly_names(sheet, number, column, names)
        ]
        if above:
            return max(above)[1], column
    return None


def _weakly_named(sheet: Sheet, number: int) -> list[int]:
    weak = QUANTITIES["file"].weak_names
    return [c for c, text in enumerate(_texts(sheet.rows[number])) if fold_name(text) in weak]


def _holds_names(sheet: Sheet, number: int, column: int, names: FileNames) -> bool:
    """Tell whether a column holds file names, numbers of files or what is close to a name."""
    cells = [cell for cell in _below(sheet, number, column) if cell != ""]
    if not names or any(as_text(cell) in names for cell in cells) or names.match_numbers(cells):
        return True
    if names.match_ranges(cells):
        return True
    return 2 * sum(names.find_similar(as_text(cell)) is not None for cell in cells) > len(cells)


def _mostly_names(sheet: Sheet, number: int, column: int, names: FileNames) -> bool:
    """Tell whether most texts of a column are files of the folder; bare numbers do not count."""
    cells = [cell for cell in _below(sheet, number, column) if cell != ""]
    found = sum(isinstance(cell, str) and not cell.isdecimal() and cell in names for cell in cells)
    return found > 0 and 2 * found >= len(cells)


def _below(sheet: Sheet, number: int, column: int) -> Iterator[Cell]:
    return (row[column] for row in sheet.rows[number + 1 :] if column < len(row))


def _is_header_again(sheet: Sheet, number: int, head: TableHead, names: FileNames) -> bool:
    row, column = sheet.rows[number], head.file_column
    text = as_text(row[column]) if column < len(row) else ""
    header = parse_header(text) if text and text not in names else None
    if header is None or header.quantity != "file":
        return False
    return len(match_headers(_texts(row))[0]) > 1


def _heads_in_row(sheet: Sheet, number: int, file_column: int) -> Iterator[TableHead]:
    """Yield the header of each table that starts in a row."""
    texts, other_units, first = _joined_texts(sheet, number, file_column)
    name = fold_name(texts[file_column])
    starts = [
        column
        for column, text in enumerate(texts)
        if column == file_column or (name and fold_name(text) == name)
    ]
    bounds = [0, *starts[1:], len(texts)]
    parts = [_part(texts, range(*pair)) for pair in pairwise(bounds)]
    if not all(len(match_headers(part)[0]) > 1 for part in parts):
        starts, bounds, parts = [file_column], [0, len(texts)], [texts]
    for part, column, start, stop in zip(parts, starts, bounds[:-1], bounds[1:], strict=True):
        header = parse_header(part[column])
        others, passed_over = match_headers(
            [*part[:column], "", *part[column + 1 :]], hidden=sheet.hidden_columns
        )
        if "file" in others:
            other, second = others.pop("file")
            passed_over[other] = second
        weak = fold_name(part[column]) in QUANTITIES["file"].weak_names
        yield TableHead(
            row=number,
            first=first,
            columns=range(start, stop),
            texts=tuple(part),
            chosen={"file": (column, Header(text=part[column], quantity="file")), **others},
            passed_over=passed_over,
            unknown_name=not weak and (header is None or header.quantity != "file"),
            other_units={c: unit for c, unit in other_units.items() if start <= c < stop},
        )


def _part(texts: Sequence[str], columns: range) -> list[str]:
    return [text if column in columns else "" for column, text in enumerate(texts)]


def _joined_texts(
    sheet: Sheet, number: int, file_column: int
) -> tuple[list[str], dict[int, str], int]:
    """Return each column's header with what the rows around it add, and the first row below.

    Between the two: column -> a unit around it that its header contradicts.
    """
    own = _texts(sheet.rows[number])
    own += [""] * (file_column + 1 - len(own))
    below, first = _next_row(sheet, number + 1)
    as_units = _is_unit_row(below, file_column)
    if not as_units and not _is_second_header(below, own, file_column):
        below, first = [], number + 1
    above = _texts(sheet.rows[number - 1]) if number else []
    if not _may_be_above(sheet.rows[number - 1] if number else (), own, file_column):
        above = []
    width = max(len(own), len(below), len(above))
    rows = [[*texts, *[""] * (width - len(texts))] for texts in (above, own, below)]
    joined, other_units = [], {}
    for column, (above_text, own_text, below_text) in enumerate(zip(*rows, strict=True)):
        text, unit = own_text, ""
        if column != file_column:
            text, unit = _joined(above_text, own_text, below_text, as_units=as_units)
        joined.append(text)
        if unit:
            other_units[column] = unit
    return joined, other_units, first


def _next_row(sheet: Sheet, number: int) -> tuple[list[str], int]:
    """Return the texts of the next row that is not empty, and the number of the one after it.

    Texts are none when a number stands in it.
    """
    for row_number in range(number, len(sheet.rows)):
        row = sheet.rows[row_number]
        if any(cell != "" for cell in row):
            texts = [] if any(isinstance(cell, float) for cell in row) else _texts(row)
            return texts, row_number + 1
    return [], len(sheet.rows)


def _is_unit_row(texts: Sequence[str], file_column: int) -> bool:
    name = texts[file_column] if file_column < len(texts) else ""
    if fold_name(name) and fold_name(name) not in UNIT_NAMES:
        return False
    return any(is_only_unit(text) and parse_header(text) is None for text in texts)


def _is_second_header(texts: Sequence[str], own: Sequence[str], file_column: int) -> bool:
    name = texts[file_column] if file_column < len(texts) else ""
    if name:
        return name == own[file_column]
    return any(parse_header(text) for text in texts)


def _may_be_above(row: Sequence[Cell], own: Sequence[str], file_column: int) -> bool:
    name = as_text(row[file_column]) if file_column < len(row) else ""
    if name not in ("", own[file_column]) or any(isinstance(cell, float) for cell in row):
        return False
    return not any("=" in text or ":" in text for text in _texts(row))


def _joined(above: str, own: str, below: str, *, as_units: bool) -> tuple[str, str]:
    """Return one header from the texts of a column, and a unit it contradicts or ``""``."""
    units = [below] if as_units and below.strip("-–—[]()") else []
    name = own if as_units or below in ("", own) else _named(own, below)
    if is_only_unit(above) and parse_header(above) is None:
        units.append(above)
    elif above and above != own:
        under = parse_header(f"{above} ({bare_unit(own)})") if is_only_unit(own) else None
        if under and under.scale:
            return under.text, ""
        name = _named(above, name) if parse_header(above) or not name else name
    header = parse_header(name)
    if not units or not name:
        return name, ""
    unit = bare_unit(units[0])
    if header is None or not header.unit:
        return f"{name} ({unit})", ""
    differs = header.scale != find_scale(QUANTITIES[header.quantity].units or {}, unit)
    return name, unit if differs else ""


def _named(upper: str, lower: str) -> str:
    """Return the header of a column under a heading that may reach over several."""
    if not lower or not upper:
        return lower or upper
    above, below = parse_header(upper), parse_header(lower)
    if below is None:
        return f"{upper} {lower}" if above else lower
    if above and above.quantity == below.quantity and above.scale and not below.unit:
        return f"{lower} ({above.unit})"
    return lower


def _texts(row: Sequence[Cell]) -> list[str]:
    return [as_text(cell) for cell in row]
