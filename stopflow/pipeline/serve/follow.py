"""A folder in which an instrument saves: looked at again and again, fitted when it changes.

A change is taken up when the folder has been quiet for `QUIET_S`, so that a file is not read while
it is written; a folder that is never quiet is read all the same after `PATIENCE_S`. A file that was
cut off then is listed as a problem, and read again when it grows.

The page is told of a new shot as soon as its own folder is fitted; tables, plots and verdicts among
replicates follow when all folders have been compared.
"""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from time import monotonic

from stopflow.column_names import CHANNEL, FILE, K_PER_S, K_STDERR_PER_S
from stopflow.errors import StopflowError
from stopflow.io.atomic import write_text
from stopflow.io.decisions import parse_decisions
from stopflow.io.sorting import DECISIONS
from stopflow.pipeline.lab.folders import find_folders
from stopflow.pipeline.lab.ingest import IngestSettings, ingest
from stopflow.pipeline.lab.reading import FolderResult
from stopflow.pipeline.reports import kinetics_data
from stopflow.report.html.page import Live, build_page, build_waiting_page
from stopflow.report.html.traces import SingleTraces

LOOK_S = 0.1
QUIET_S = 0.25
PATIENCE_S = 3.0

Stamp = tuple[int, int]
Signature = Mapping[Path, Stamp]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the page is told.

    Attributes
    ----------
    version
        Counts the changes of the folder that did not come from the page.
    problem
        Why the latest look gave no results; "" where it did.
    fresh
        Shots that are fitted and not yet in the page.
    """

    version: int
    problem: str = ""
    fresh: tuple["FreshShot", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshShot:
    """A new shot, by itself; its rate and error are None where there is none."""

    experiment: str
    file: str
    k: float | None
    error: float | None
    verdict: str


class FollowedLab:
    """The newest page of a folder; one thread follows, others ask."""

    def __init__(self, root: Path, *, work: Path, settings: IngestSettings) -> None:
        self._root, self._out, self._settings = root, work / "ingested", settings
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._state = State(version=0)
        self._page = build_waiting_page(str(root), "", live=self._live(0))
        self._traces: SingleTraces | None = None
        self._own: dict[Path, Stamp] = {}
        self._seen: Signature = {}

    def follow(self) -> None:
        """Look until `stop`; returns then."""
        before: Signature = {}
        differs_since = moved_at = monotonic()
        while not self._stopped.is_set():
            now, at = take_signature(self._root), monotonic()
            if now != before:
                before, moved_at = now, at
            if now == self._seen and self._state.version:
                differs_since = at
            elif at - moved_at >= QUIET_S or at - differs_since > PATIENCE_S:
                self._take_up(now)
                differs_since = monotonic()
            self._stopped.wait(LOOK_S)

    def stop(self) -> None:
        """End `follow` and every `wait`."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    @property
    def page(self) -> str:
        """The newest page."""
        with self._changed:
            return self._page

    def trace(self, experiment: str, file: str, channel: int) -> str | None:
        """Return the packed trace of a shot of the page, in full; None where there is none."""
        with self._changed:
            traces = self._traces
        return traces.find(experiment, file, channel) if traces else None

    def wait(self, *, after: int, told: int, timeout_s: float) -> State:
        """Return the state as soon as its version is not `after`, or its fresh shots not `told`."""
        with self._changed:
            known = self._state
            self._changed.wait_for(
                lambda: (
                    self._state.version != after
                    or len(self._state.fresh) != told
                    or self._state.problem != known.problem
                    or self._stopped.is_set()
                ),
                timeout_s,
            )
            return self._state

    def decide(self, texts: Mapping[str, str]) -> list[Path]:
        """Write the decisions of experiments, each whole.

        Parameters
        ----------
        texts
            What each `decisions.csv` is to hold, by the name of the experiment.

        Raises
        ------
        StopflowError
            When there is no such experiment, or a text holds a row that cannot be read: then
            nothing is written.
        """
        folders = {name: folder for folder, name in find_folders(self._root, out=self._out)[1]}
        for name, text in texts.items():
            if name not in folders:
                raise StopflowError(f"there is no experiment {name!r} in {self._root}")
            problems = parse_decisions(text.encode("utf-8")).problems
            if problems:
                raise StopflowError(f"{DECISIONS} of {name}: {problems[0]}")
        written = []
        for name, text in texts.items():
            path = folders[name] / DECISIONS
            write_text(path, text)
            self._own[path] = _stamp(path)
            written.append(path)
        return written

    def _take_up(self, now: Signature) -> None:
        """Ingest what is there; folders that are as they were take no time."""
        differing = [path for path in {*now, *self._seen} if now.get(path) != self._seen.get(path)]
        by_page = bool(differing) and all(
            path in self._own and self._own[path] == now.get(path) for path in differing
        )
        version = self._state.version + (not by_page)
        problem, page, traces = "", self._page, self._traces
        try:
            dataset = ingest(
                self._root, out=self._out, settings=self._settings, hear=self._tell_fresh
            )
            data = kinetics_data(dataset)
            page = build_page(data, live=self._live(version))
            # What the page itself has left out it still shows: the traces of its version stay.
            traces = traces if by_page and traces else SingleTraces(data)
        except (StopflowError, OSError) as error:
            problem, version = str(error), self._state.version
            if not version:
                page = build_waiting_page(str(self._root), problem, live=self._live(0))
        self._seen = now
        with self._changed:
            self._page, self._state = page, State(version=version, problem=problem)
            self._traces = traces
            self._changed.notify_all()

    def _tell_fresh(self, folder: FolderResult) -> None:
        """Tell the page of the shots of a folder that it does not show."""
        if self._traces is None:
            return
        columns = (folder.shots[name] for name in (FILE, CHANNEL, K_PER_S, K_STDERR_PER_S))
        verdicts = (str(shot.verdict) for shot in folder.analysis.shots)
        fresh = tuple(
            FreshShot(
                experiment=folder.name,
                file=str(file),
                k=_known(k),
                error=_known(error),
                verdict=verdict,
            )
            for file, channel, k, error, verdict in zip(*columns, verdicts, strict=True)
            if not self._traces.has(folder.name, str(file), int(channel))
        )
        if not fresh:
            return
        with self._changed:
            self._state = replace(self._state, fresh=self._state.fresh + fresh)
            self._changed.notify_all()

    def _live(self, version: int) -> Live:
        return Live(version=version, folder=str(self._root.resolve()))


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def take_signature(root: Path) -> Signature:
    """Size and time of change of every file below `root`; what vanishes meanwhile is left out."""
    found: dict[Path, Stamp] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            try:
                found[path] = _stamp(path)
            except OSError:
                continue
    return found


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
