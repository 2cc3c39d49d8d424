"""A methods paragraph to paste and what was wrong with the input; in an appendix, provenance."""

import hashlib
from collections.abc import Collection, Hashable, Iterable, Mapping

import pandas as pd

from stopflow import column_names as col
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.input_problems import kind_of_problem
from stopflow.report.kinetics.methods import write_methods
from stopflow.report.paper.flow import FlowBlock, Paragraph, build_heading, build_subheading
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.style import MUTED, printable

_FIRST = ("version", "command", "created", "seed", "settings", "libraries")
_LEFT_OUT = ("format", "left_out", "decisions")
_NAMES_NOTE = (
    "Characters that the font of this report lacks are shown as Unicode numbers in ⟨ ⟩. The "
    "bookmarks and the attached tables hold the names as they are."
)


def build_methods_blocks(data: KineticsReportData) -> list[FlowBlock]:
    """Compose the methods."""
    return [
        build_heading("Methods, ready to paste", level=0),
        Paragraph(text=write_methods(data), size=8.6, leading=1.5),
    ]


def build_input_blocks(data: KineticsReportData) -> list[FlowBlock]:
    """Compose what was found in the input, if there is anything."""
    if not len(data.problems):
        return []
    heading = build_heading("What was found in the input", level=0)
    return [heading, _problem_grid(data.problems)]


def build_appendix_blocks(data: KineticsReportData, *, listed: Collection[str]) -> list[FlowBlock]:
    """Compose the provenance.

    Parameters
    ----------
    listed
        Experiments whose input files are listed.
    """
    names = (data.shots[name] for name in ("experiment", "file", "substrate") if name in data.shots)
    blocks = build_provenance_blocks(data.provenance, names=[n for part in names for n in part])
    return blocks + _digest_blocks(data, set(listed))


def build_provenance_blocks(
    provenance: Mapping[str, object], *, names: Iterable[object]
) -> list[FlowBlock]:
    """Compose version, command, settings and libraries as a table.

    Parameters
    ----------
    names
        Names in the report; a note follows where one of them cannot be printed.
    """
    blocks: list[FlowBlock] = [
        build_heading("Appendix: provenance", level=0),
        _provenance_grid(provenance),
    ]
    distinct = {str(name) for name in names if isinstance(name, str)}
    if any(printable(name) != " ".join(name.split()) for name in distinct):
        blocks.append(Paragraph(text=_NAMES_NOTE, size=7.0, colour=MUTED))
    return blocks


def _problem_grid(problems: pd.DataFrame) -> TableGrid:
    """List problems, errors first; those that differ in names and numbers alone take one row."""
    order = {"error": 0, "warning": 1, "note": 2}
    groups: dict[Hashable, list[tuple[str, str, str, str]]] = {}
    for row in problems.to_dict("records"):
        place = ", ".join(str(row[name]) for name in ("file", "where") if row[name])
        expected = f"; expected {row[col.EXPECTED]}" if row[col.EXPECTED] else ""
        found = (
            str(row[col.LEVEL]),
            str(row[col.EXPERIMENT]),
            place,
            f"{row[col.FOUND]}{expected}",
        )
        groups.setdefault(kind_of_problem(row), []).append(found)
    rows = [
        (levels[0], _listed(names, "experiments"), _listed(places, "places"), found[0])
        for members in groups.values()
        for levels, names, places, found in [zip(*members, strict=True)]
    ]
    rows.sort(key=lambda row: order.get(row[0], 3))
    columns = (
        GridColumn(title="Level"),
        GridColumn(title="Experiment", wrap=True),
        GridColumn(title="Place", wrap=True),
        GridColumn(title="Found", wrap=True),
    )
    return TableGrid(
        columns=columns, rows=tuple(rows), size=6.8, name="What was found in the input"
    )


def _listed(names: Iterable[str], things: str) -> str:
    """Name the first, and count the rest."""
    distinct = list(dict.fromkeys(name for name in names if name))
    if len(distinct) <= 1:
        return "".join(distinct)
    return f"{len(distinct)} {things}: {distinct[0]}, …"


def list_provenance(provenance: Mapping[str, object]) -> list[tuple[str, str]]:
    """Name and value of each setting; what lies deeper is joined in its value."""
    order = {name: place for place, name in enumerate(_FIRST)}
    names = sorted(
        (name for name in provenance if name not in _LEFT_OUT),
        key=lambda name: (order.get(name, len(order)), name),
    )
    rows: list[tuple[str, str]] = []
    for name in names:
        value = provenance[name]
        if isinstance(value, Mapping):
            rows += [(f"{name}: {key}", _joined(item)) for key, item in value.items()]
        else:
            rows.append((name, _joined(value)))
    return rows or [("–", "nothing was recorded")]


def _provenance_grid(provenance: Mapping[str, object]) -> TableGrid:
    columns = (GridColumn(title="Setting"), GridColumn(title="Value", wrap=True))
    listed = tuple(list_provenance(provenance))
    return TableGrid(columns=columns, rows=listed, size=6.8, name="Provenance")


def _joined(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_joined(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_joined(item) for item in value) or "none"
    return "not set" if value is None else str(value)


def _digest_blocks(data: KineticsReportData, listed: Collection[str]) -> list[FlowBlock]:
    """SHA-256 of what was read, one an experiment: 1,200 of them would fill pages."""
    lines: dict[str, list[str]] = {}
    for path, digest in _input_digests(data).items():
        name, _, file = path.rpartition("/")
        lines.setdefault(name, []).append(f"{digest}  {file}\n")
    if not lines:
        return []
    rows = [
        (name, str(len(own)), hashlib.sha256("".join(sorted(own)).encode()).hexdigest())
        for name, own in lines.items()
        if name in listed
    ]
    columns = (
        GridColumn(title="Experiment"),
        GridColumn(title="Files", align="right"),
        GridColumn(title="SHA-256", whole=True),
    )
    note = (
        "One SHA-256 per experiment, taken over the sorted lines “SHA-256, two spaces, file name” "
        "of its files; the SHA-256 of every file is in the attached inputs.csv."
    )
    return [
        build_subheading("Input files"),
        Paragraph(text=note, size=7.0, colour=MUTED, keep_with_next=True),
        TableGrid(columns=columns, rows=tuple(rows), size=6.4, name="Input files"),
    ]


def _input_digests(data: KineticsReportData) -> dict[str, str]:
    """Map experiment/file to SHA-256, workbooks included."""
    names = (data.inputs[name] for name in (col.EXPERIMENT, col.FILE, col.SHA256))
    return {f"{name}/{file}": digest for name, file, digest in zip(*names, strict=True)}


def input_table(data: KineticsReportData) -> pd.DataFrame:
    """Table of every input file and its SHA-256."""
    return pd.DataFrame(list(_input_digests(data).items()), columns=[col.FILE, col.SHA256])
