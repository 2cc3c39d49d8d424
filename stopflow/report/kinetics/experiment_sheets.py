"""The sheets of every experiment: as they were drawn before, by another process, or here."""

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from itertools import count

from stopflow import column_names as col
from stopflow.report.beside import LOST, Beside
from stopflow.report.data import KineticsReportData
from stopflow.report.kept import Parts
from stopflow.report.kinetics.experiment_page import build_experiment_blocks
from stopflow.report.kinetics.extent import choose_experiments, kind_of_sheets
from stopflow.report.paper.joining import DrawnSheet
from stopflow.report.paper.packing import pack_sheets, unpack_sheets
from stopflow.report.paper.pdf import Progress, draw_sheets, flow_sheets
from stopflow.report.paper.style import Ruler, require_paper

TOGETHER = 2
"""Experiments that are drawn at a time."""
Drawn = dict[str, list[DrawnSheet]]


class ExperimentSheets:
    """Finds or draws the sheets of the experiments of a report."""

    def __init__(self, data: KineticsReportData, *, paper: str, parts: Parts) -> None:
        require_paper(paper)
        self._data, self.paper, self.parts = data, paper, parts
        self.names = choose_experiments(data.shots)
        self._kind = kind_of_sheets(data, paper=paper)
        self._found: Drawn = {}
        for name in self.names:
            sheets = _open(parts.find(name, *self._kind))
            if sheets is not None:
                self._found[name] = sheets
        self.missing = [name for name in self.names if name not in self._found]
        self._begun: list[tuple[list[str], Future[Drawn]]] = []

    def begin(self, beside: Beside) -> None:
        """Let another process draw sheets, a few experiments at a time."""
        self._begun = [
            (names, beside.begin(partial(draw_experiments, names=names, paper=self.paper)))
            for start in range(0, len(self.missing), TOGETHER)
            if (names := self.missing[start : start + TOGETHER])
        ]

    def draw(self, *, progress: Progress | None = None) -> Drawn:
        """Return the sheets of every experiment, in order; what nobody has begun is drawn here.

        `progress` is called with (experiments drawn, experiments to be drawn).
        """
        counter = count(1)
        left = {name: None for name in self.missing}
        waiting = list(self._begun)

        def take(drawn: Drawn) -> None:
            for name, sheets in drawn.items():
                self._found[name] = sheets
                self.parts.keep(name, *self._kind, part=pack_sheets(sheets))
                left.pop(name)
                if progress is not None:
                    progress(next(counter), len(self.missing))

        while waiting and waiting[-1][1].cancel():
            names, _ = waiting.pop()
            take(draw_experiments(self._data, names, paper=self.paper))
        for _, drawing in waiting:
            try:
                take(drawing.result())
            except LOST:
                break
        for name in list(left):
            take(draw_experiments(self._data, [name], paper=self.paper))
        return {name: self._found[name] for name in self.names}


def draw_experiments(data: KineticsReportData, names: Sequence[str], *, paper: str) -> Drawn:
    """Lay out and draw the pages of some experiments."""
    size, ruler = require_paper(paper), Ruler()
    places = data.shots.groupby(col.EXPERIMENT, sort=False).indices
    drawn: Drawn = {}
    for name in names:
        rows = [int(row) for row in places[name]]
        blocks = build_experiment_blocks(data, name, rows, paper=size, ruler=ruler)
        sheets = flow_sheets(blocks, size, ruler, section=name)
        drawn[name] = draw_sheets(sheets, paper=size, ruler=ruler)
    return drawn


def _open(packed: bytes | None) -> list[DrawnSheet] | None:
    """Return sheets that were kept; None where there are none, or they are damaged."""
    if packed is None:
        return None
    try:
        return unpack_sheets(packed)
    except ValueError:
        return None
