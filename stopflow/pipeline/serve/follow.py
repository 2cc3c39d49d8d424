"""A folder in which an instrument saves: looked at again and again, fitted when it changes.

Two threads share the work. One looks: a new shot that is not being written any more is fitted at
once and told to the page by itself, also while the lab is being done. The other does the whole lab
and builds the page anew: when all files have been quiet, and after `PATIENCE_S` where a folder
never is. A file that was cut off then is listed as a problem, and read again when it grows.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from stopflow.errors import StopflowError
from stopflow.pipeline.lab.ingest import IngestSettings, folder_jobs, ingest
from stopflow.pipeline.lab.reading import FolderResult
from stopflow.pipeline.reports import kinetics_data
from stopflow.pipeline.serve.decided import DecisionFiles, Sent
from stopflow.pipeline.serve.preview import FreshShot, preview_shots
from stopflow.pipeline.serve.watch import Signature, Stamp, Watch, differing, take_stamp
from stopflow.report.html.page import Live, build_page, build_waiting_page
from stopflow.report.html.traces import SingleTraces

LOOK_S = 0.1
PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the page is told.

    Attributes
    ----------
    version
        Counts the pages that were made.
    by
        The page whose decisions alone make this version differ from the one before; "" for none.
    problem
        Why the latest look gave no results; "" where it did.
    news
        Counts what is told between two versions.
    fresh
        Shots that are fitted and not yet in the page: the columns of their rows.
    """

    version: int
    by: str = ""
    problem: str = ""
    news: int = 0
    fresh: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """The newest page, the traces that it asks for, and the files that it was made from."""

    page: str
    traces: tuple[SingleTraces, ...] = ()
    files: Signature


class FollowedLab:
    """The newest page of a folder; one thread follows, others ask."""

    def __init__(self, root: Path, *, work: Path, settings: IngestSettings) -> None:
        self._root, self._out, self._settings = root, work / "ingested", settings
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._state = State(version=0)
        self._shown = _Shown(page=self._waiting(""), files={})
        self._decided = DecisionFiles()
        self._fresh: list[FreshShot] = []

    def follow(self) -> None:
        """Look until `stop`; returns then."""
        watch, previewed = Watch(self._root), dict[Path, Stamp]()
        taken: Signature | None = None
        doing: Future[None] | None = None
        differs_since_s = monotonic()
        with ThreadPoolExecutor(1) as beside:
            while not self._stopped.is_set():
                at_s = monotonic()
                watch.look(at_s)
                now = watch.signature
                self._preview(watch, previewed, at_s)
                if doing is not None and doing.done():
                    doing.result()
                    doing = None
                is_due = watch.is_quiet(at_s) or at_s - differs_since_s > PATIENCE_S
                if now == taken:
                    differs_since_s = at_s
                elif doing is None and is_due:
                    doing, taken = beside.submit(self._take_up, now), now
                    differs_since_s = at_s
                self._stopped.wait(LOOK_S if watch.is_quiet(at_s) else LOOK_S / 4)

    def stop(self) -> None:
        """End `follow` and every `wait`."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    @property
    def page(self) -> str:
        """The newest page."""
        with self._changed:
            return self._shown.page

    def trace(self, experiment: str, file: str, channel: int) -> str | None:
        """Return the packed trace of a shot of the page, in full; None where there is none."""
        with self._changed:
            finds = [
                *(shot.find_trace for shot in self._fresh),
                *(traces.find for traces in self._shown.traces),
            ]
        found = (find(experiment, file, channel) for find in finds)
        return next((trace for trace in found if trace is not None), None)

    def wait(self, *, after: int, told: int, timeout_s: float) -> State:
        """Return the state as soon as its version is not `after`, or its news are not `told`."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._state.version != after
                    or self._state.news != told
                    or self._stopped.is_set()
                ),
                timeout_s,
            )
            return self._state

    def decide(self, sent: Sent) -> list[Path]:
        """Write the decisions of experiments, each whole; see `DecisionFiles.write`."""
        jobs = folder_jobs(self._root, out=self._out, settings=self._settings)
        with self._changed:
            folders = {job.name: job.folder for job in jobs}
            return self._decided.write(sent, folders, root=self._root)

    def _preview(self, watch: Watch, previewed: dict[Path, Stamp], at_s: float) -> None:
        """Fit the new shots that are not being written, and tell the page of them."""
        shown, now = self._shown, watch.signature
        if not shown.traces:
            return
        unknown = [path for path in differing(now, shown.files) if path in now]
        new = [path for path in watch.quiet(unknown, at_s) if previewed.get(path) != now[path]]
        if not new:
            return
        previewed |= {path: now[path] for path in new}
        found = preview_shots(new, now, root=self._root, out=self._out, settings=self._settings)
        with self._changed:
            fresh = self._still_fresh([*self._fresh, *found])
            if fresh != self._fresh:
                self._tell(fresh=fresh)

    def _still_fresh(self, shots: Sequence[FreshShot]) -> list[FreshShot]:
        """Return the shots that the page does not show and whose files are as they were read."""
        files, newest = self._shown.files, self._shown.traces[0]
        return [
            shot
            for shot in shots
            if files.get(shot.path) != shot.stamp == take_stamp(shot.path)
            and not newest.has(shot.experiment, shot.file, shot.channel)
        ]

    def _tell(self, *, fresh: list[FreshShot], **changed: Any) -> None:
        """Tell the page what has changed, its fresh shots among it."""
        rows, news = tuple(shot.row for shot in fresh), self._state.news + 1
        self._fresh = fresh
        self._state = replace(self._state, fresh=rows, news=news, **changed)
        self._changed.notify_all()

    def _take_up(self, now: Signature) -> None:
        """Ingest what is there; folders that are as they were take no time."""
        by = self._decided.author(differing(now, self._shown.files), now)
        version = self._state.version + 1
        try:
            dataset = ingest(
                self._root, out=self._out, settings=self._settings, hear=self._carry_on
            )
            data = kinetics_data(dataset)
            page = build_page(data, live=Live(version=version, folder=self._folder))
            traces = SingleTraces(data)
        except (StopflowError, OSError) as error:
            self._tell_problem(str(error))
            return
        with self._changed:
            if self._decided.lacking(now):  # the next page, which has them, is on its way
                return
            # What the page itself has left out it still shows: its traces stay.
            before = self._shown.traces[-1:] if by else ()
            self._shown = _Shown(page=page, traces=(traces, *before), files=now)
            self._decided.show(version, now)
            self._tell(fresh=self._still_fresh(self._fresh), version=version, by=by, problem="")

    def _carry_on(self, _result: FolderResult) -> None:
        """End an ingest between two folders when nobody waits for it any more."""
        if self._stopped.is_set():
            raise StopflowError("the folder is no longer followed")

    def _tell_problem(self, problem: str) -> None:
        with self._changed:
            if not self._state.version:
                self._shown = replace(self._shown, page=self._waiting(problem))
            self._tell(fresh=self._fresh, problem=problem)

    @property
    def _folder(self) -> str:
        return str(self._root.resolve())

    def _waiting(self, problem: str) -> str:
        live = Live(version=0, folder=self._folder)
        return build_waiting_page(str(self._root), problem, live=live)
