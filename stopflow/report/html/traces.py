"""The traces of a lab for the page: all of them thinned, as many as the budget allows in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from stopflow import column_names as col
from stopflow.report.data import KineticsReportData
from stopflow.report.html.shots import ShotPacker
from stopflow.report.kept import Parts

FULL_BUDGET = 8_300_000
"""Characters of traces in full resolution; with everything else of a large lab below 12 MB."""
DRAWN_TRACES = 6_000
"""Traces that a page holds at all, the doubtful ones first; the tables have every shot."""
_URGENCY = {"FAIL": 0, "WARN": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedTraces:
    """What the page is given.

    Attributes
    ----------
    grids
        Packed times in s, one for all traces that share them.
    lines
        A line a shot, parted by TABs: number of its grid, thinned trace, trace in full or "",
        k against the cut; empty for a shot without a trace.
    """

    grids: tuple[str, ...]
    lines: tuple[str, ...]


def pack_traces(data: KineticsReportData, *, light: bool, parts: Parts) -> PackedTraces:
    """Pack every trace; failed and warned shots are the first to get full resolution.

    Parameters
    ----------
    parts
        Where the packed traces of an experiment are kept.
    """
    urgent = _by_urgency(data)[:DRAWN_TRACES]
    packer = ShotPacker(data, light=light, parts=parts)
    packed = {row: found for row in sorted(urgent) if (found := packer.pack(row)) is not None}
    full = {} if light else _in_full(packer, [row for row in urgent if row in packed])
    packer.keep()
    numbers: dict[str, int] = {}
    lines = [""] * len(data.shots)
    for row, shot in packed.items():
        number = numbers.setdefault(shot.grid, len(numbers))
        lines[row] = "\t".join((str(number), shot.thin, full.get(row, ""), shot.cuts))
    return PackedTraces(grids=tuple(packer.grid(name) for name in numbers), lines=tuple(lines))


class SingleTraces:
    """Traces one by one as they are asked for, by name and all in full; several may ask at once."""

    def __init__(self, data: KineticsReportData) -> None:
        names = (data.shots[name] for name in (col.EXPERIMENT, col.FILE, col.CHANNEL))
        self._rows = {key: row for row, key in enumerate(zip(*names, strict=True))}
        self._packer = ShotPacker(data, light=False, parts=Parts(data))
        self._one_at_a_time = Lock()

    def has(self, experiment: str, file: str, channel: int) -> bool:
        """Whether there is such a shot."""
        return (experiment, file, channel) in self._rows

    def find(self, experiment: str, file: str, channel: int) -> str | None:
        """Return packed times, thinned trace, trace in full and k against the cut, by TABs."""
        row = self._rows.get((experiment, file, channel))
        if row is None:
            return None
        with self._one_at_a_time:
            shot = self._packer.pack(row)
            if shot is None:
                return None
            full = self._packer.pack_full(row)
            return "\t".join((self._packer.grid(shot.grid), shot.thin, full, shot.cuts))


def _by_urgency(data: KineticsReportData) -> list[int]:
    """Sort the rows of shots: failed ones, then warned ones, then the others."""
    verdicts = data.shots["verdict"].tolist()
    rows = range(len(verdicts))
    return sorted(rows, key=lambda row: (_URGENCY.get(str(verdicts[row]), 2), row))


def _in_full(packer: ShotPacker, rows: Sequence[int]) -> dict[int, str]:
    """Pack traces in full, in the order given, until the budget is used up."""
    found: dict[int, str] = {}
    left = FULL_BUDGET
    for row in rows:
        text = packer.pack_full(row)
        left -= len(text)
        if left < 0:
            break
        found[row] = text
    return found
