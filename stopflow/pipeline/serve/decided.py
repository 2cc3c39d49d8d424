"""Decisions that pages send: written whole, never over what another one has written meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stopflow.errors import StopflowError
from stopflow.io.atomic import write_text
from stopflow.io.decisions import parse_decisions
from stopflow.io.sorting import DECISIONS
from stopflow.pipeline.serve.watch import Signature, Stamp, take_stamp


class DecidedElsewhereError(StopflowError):
    """The file has changed since the page that sends it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a page sends.

    Attributes
    ----------
    by
        The page; it chooses a name that no other has.
    version
        What it shows.
    texts
        What each `decisions.csv` is to hold, by the name of the experiment.
    """

    by: str
    version: int
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    stamp: Stamp | None
    by: str


class DecisionFiles:
    """The decisions of a followed folder: which page wrote which, and which each version shows."""

    def __init__(self) -> None:
        self._written: dict[Path, _Written] = {}
        self._shown: dict[int, Signature] = {}

    def show(self, version: int, files: Signature) -> None:
        """Note what a version of the page was made from."""
        own = {path: stamp for path, stamp in files.items() if path.name == DECISIONS}
        self._shown[version] = own

    def write(self, sent: Sent, folders: Mapping[str, Path], *, root: Path) -> list[Path]:
        """Write what a page sends; all of it, or nothing.

        Raises
        ------
        StopflowError
            When there is no such experiment, or a text holds a row that cannot be read.
        DecidedElsewhereError
            When a file is neither as the page shows it nor as the page left it.
        """
        for name, text in sent.texts.items():
            if name not in folders:
                raise StopflowError(f"there is no experiment {name!r} in {root}")
            problems = parse_decisions(text.encode("utf-8")).problems
            if problems:
                raise StopflowError(f"{DECISIONS} of {name}: {problems[0]}")
            self._require_known(folders[name] / DECISIONS, name, sent)
        written = []
        for name, text in sent.texts.items():
            path = folders[name] / DECISIONS
            write_text(path, text)
            self._written[path] = _Written(stamp=take_stamp(path), by=sent.by)
            written.append(path)
        return written

    def _require_known(self, path: Path, name: str, sent: Sent) -> None:
        stamp, last = take_stamp(path), self._written.get(path)
        if last is not None and last == _Written(stamp=stamp, by=sent.by):
            return
        if sent.version not in self._shown or stamp != self._shown[sent.version].get(path):
            raise DecidedElsewhereError(
                f"{DECISIONS} of {name} was changed elsewhere after this page was made; the page "
                "is shown anew, and what is changed here is then saved on top"
            )

    def author(self, paths: list[Path], files: Signature) -> str:
        """Return the page that alone wrote all of `paths` as they are in `files`; "" for none."""
        by = {
            last.by if last is not None and last.stamp == files.get(path) else ""
            for path, last in ((path, self._written.get(path)) for path in paths)
        }
        return by.pop() if len(by) == 1 else ""

    def lacking(self, files: Signature) -> bool:
        """Tell whether a page has written since `files` were looked at."""
        return any(
            files.get(path) != last.stamp and take_stamp(path) == last.stamp
            for path, last in self._written.items()
        )
