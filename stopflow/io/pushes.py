"""The files of a folder to recordings: each read behind a barrier, none passed over in silence."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from stopflow.errors import FormatError
from stopflow.io.combine import subtract_blank
from stopflow.io.guard import guarded
from stopflow.io.readers.content import read_content, read_head
from stopflow.io.readers.reading import parse_recordings
from stopflow.io.readers.recognise import unknown_format
from stopflow.io.readers.recording import named_apart
from stopflow.io.readers.sheets import divide_sheet
from stopflow.io.sorting import SortedFile
from stopflow.io.survey import list_names
from stopflow.io.text import shown_name
from stopflow.io.workbook.grid import Sheet, read_sheets
from stopflow.trace import Level, Problem, Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One recording, or why there is none.

    Attributes
    ----------
    name, label
        As in `Recording`; the file's name where there is none.
    source
        File on disk.
    recording
        None where it could not be read; `refusal` then says why.
    """

    name: str
    label: str
    source: str
    recording: Recording | None
    refusal: str = ""


@dataclass(slots=True, kw_only=True)
class FolderContent:
    """What the files of a folder hold.

    Attributes
    ----------
    pushes
        In the order of the files.
    sheets
        Workbook or text table -> its sheets without the traces on them, or why there are none.
    """

    pushes: list[Push] = field(default_factory=list)
    sheets: dict[Path, list[Sheet] | FormatError] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def sheets_of(self, path: Path) -> list[Sheet]:
        """Return the sheets that are left for tables of conditions.

        Raises
        ------
        FormatError
            When the file could not be read.
        """
        found = self.sheets[path]
        if isinstance(found, FormatError):
            raise found
        return found


def subtracted(push: Push, blank: Recording) -> tuple[Push, Problem | None]:
    """Return a push without a blank; refused, with the problem, where the blank does not fit."""
    if push.recording is None:
        return push, None
    try:
        return replace(push, recording=subtract_blank(push.recording, blank)), None
    except FormatError as error:
        why = f"found {error.found}; expected {error.expected}"
        problem = Problem.of_error(shown_name(push.name), error, where="blank")
        return replace(push, recording=None, refusal=why), problem


def read_files(files: list[SortedFile], *, time_unit: str | None) -> FolderContent:
    """Read the sorted files of a folder.

    Raises
    ------
    SettingsError
        When `time_unit` is not a unit of time.
    """
    content = FolderContent()
    for file in files:
        if file.kind == "trace":
            _read_trace(file, content, time_unit=time_unit)
        elif file.kind in ("workbook", "table"):
            _read_book(file, content, time_unit=time_unit)
        elif file.kind == "unreadable":
            content.problems.append(
                Problem(shown_name(file.path.name), file.why, expected="a file")
            )
    others = [file for file in files if file.kind == "other"]
    _list_others(content, [file for file in others if file.missed], missed=True)
    _list_others(content, [file for file in others if not file.missed], missed=False)
    return content


def _list_others(content: FolderContent, files: list[SortedFile], *, missed: bool) -> None:
    """List files that are not read; those that may hold traces are to be looked at."""
    if not files:
        return
    what = "of no known format" if missed else "neither traces nor tables"
    names = list_names(file.path.name for file in files)
    found = f"{what}, not read: {names} ({files[0].why})"
    known = "one of the formats that stopflow formats lists" if missed else ""
    level: Level = "warning" if missed else "note"
    content.problems.append(
        Problem(shown_name(files[0].path.name), found, expected=known, level=level, rule="not-read")
    )


def _read_trace(file: SortedFile, content: FolderContent, *, time_unit: str | None) -> None:
    name = shown_name(file.path.name)
    try:
        if not file.reader:
            raise unknown_format(read_head(file.path))
        with guarded(name, expected="a trace"):
            found = parse_recordings(
                read_content(file.path), name=name, time_unit=time_unit, key=file.reader
            )
    except FormatError as error:
        _refuse(error, content, source=name)
        return
    for recording in found:
        _add(recording, content, source=name)


def _read_book(file: SortedFile, content: FolderContent, *, time_unit: str | None) -> None:
    """Divide a workbook or a table into traces and what is left of its sheets."""
    path, name = file.path, shown_name(file.path.name)
    try:
        with guarded(name, expected="a workbook or a table"):
            sheets = read_sheets(path)
            divided = [divide_sheet(sheet, time_unit=time_unit) for sheet in sheets]
    except FormatError as error:
        content.sheets[path] = error
        return
    found = [recording for item in divided for recording in item.recordings]
    for wrong in (problem for item in divided for problem in item.problems):
        _refuse(wrong, content, source=name)
    for recording in named_apart([replace(item, name=name) for item in found], name):
        _add(recording, content, source=name)
    rest = [item.rest for item in divided if item.rest is not None]
    if rest or not (found or any(item.problems for item in divided)):
        content.sheets[path] = rest


def _add(recording: Recording, content: FolderContent, *, source: str) -> None:
    content.pushes.append(
        Push(name=recording.name, label=recording.label, source=source, recording=recording)
    )
    content.problems += recording.notes


def _refuse(error: FormatError, content: FolderContent, *, source: str) -> None:
    """Keep the place of a push that cannot be read, with the reason."""
    told = f"found {error.found}; expected {error.expected}"
    refusal = f"{error.where}: {told}" if error.where else told
    push = Push(name=source, label=source, source=source, recording=None, refusal=refusal)
    content.pushes.append(push)
    content.problems.append(Problem.of_error(shown_name(source), error))
