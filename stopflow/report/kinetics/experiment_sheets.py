"""The sheets of every experiment: as they were drawn before, by another process, or here."""

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import count

from stopflow import column_names as col
from stopflow.errors import StopflowError
from stopflow.report.data import KineticsReportData
from stopflow.report.kept import Parts
from stopflow.report.kinetics.experiment_page import build_experiment_blocks
from stopflow.report.kinetics.extent import choose_experiments
from stopflow.report.paper.joining import DrawnSheet
from stopflow.report.paper.packing import pack_sheets, unpack_sheets
from stopflow.report.paper.pdf import Progress, draw_sheets, flow_sheets
from stopflow.report.paper.style import Ruler, require_paper
from stopflow.report.paper.units import build_units
from stopflow.workers import worker_processes

MANY_EXPERIMENTS = 12
"""From how many experiments on another process is worth its start."""
TOGETHER = 2
"""Experiments that are drawn at a time."""
LOST = (BrokenProcessPool, StopflowError)
"""The other process was ended, or the dataset replaced since: this process has it open."""
SHEETS = "sheets"
Drawn = dict[str, list[DrawnSheet]]
Work = Callable[[KineticsReportData], None]


class ExperimentSheets:
    """Finds or draws the sheets of the experiments of a report.

    Parameters
    ----------
    data
        Its trace callable can be pickled where another process is to draw.
    parts
        Where sheets of earlier reports are kept; new ones are added.
    """

    def __init__(self, data: KineticsReportData, *, paper: str, parts: Parts) -> None:
        require_paper(paper)
        self._data, self.paper, self.parts = data, paper, parts
        self.names = choose_experiments(data.shots)
        # Whatever the experiment, its pages are in the units of the lab.
        self._kind = (SHEETS, paper, build_units(data.conditions))
        self._found: Drawn = {}
        for name in self.names:
            sheets = _open(parts.find(name, *self._kind))
            if sheets is not None:
                self._found[name] = sheets
        self.missing = [name for name in self.names if name not in self._found]
        self._begun: list[tuple[list[str], Future[Drawn]]] = []

    @contextmanager
    def drawing_beside(self, *, processes: int, also: Work | None = None) -> Iterator[None]:
        """Let another process draw while this one does other things; with one, none is started.

        Parameters
        ----------
        also
            What is to be done with the data besides, by the other process where there is one; it
            can be pickled, and is done when the block ends.
        """
        if processes < 2 or len(self.missing) < MANY_EXPERIMENTS:
            if also is not None:
                also(self._data)
            yield
            return
        with worker_processes(1) as pool:
            pool.submit(_hold, self._data, self.paper)
            aside = None if also is None else pool.submit(_do_held, also)
            self._begun = [
                (names, pool.submit(_draw_held, names))
                for start in range(0, len(self.missing), TOGETHER)
                if (names := self.missing[start : start + TOGETHER])
            ]
            try:
                yield
                if also is not None and aside is not None:
                    self._settle(aside, also)
            finally:
                for _, drawing in self._begun:
                    drawing.cancel()
                self._begun = []

    def _settle(self, aside: Future[None], also: Work) -> None:
        try:
            aside.result()
        except LOST:
            also(self._data)

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


_held: list[tuple[KineticsReportData, str]] = []
"""In the other process: what it draws from."""


def _hold(data: KineticsReportData, paper: str) -> None:
    _held[:] = [(data, paper)]
    gc.disable()
    gc.freeze()


def _do_held(work: Work) -> None:
    ((data, _),) = _held
    work(data)


def _draw_held(names: Sequence[str]) -> Drawn:
    ((data, paper),) = _held
    return draw_experiments(data, names, paper=paper)
