"""Reading a file by what it contains."""

from dataclasses import replace
from pathlib import Path

from stopflow.errors import FormatError
from stopflow.io.readers import columns, sheets
from stopflow.io.readers.content import head_of, read_content, read_head
from stopflow.io.readers.recognise import find_reader, likeness, unknown_format
from stopflow.io.readers.recording import named_apart
from stopflow.io.readers.table import READERS, Reader
from stopflow.io.text import shown_name
from stopflow.io.workbook.grid import Sheet, read_sheets
from stopflow.trace import Recording, warning_of


def read_recordings(path: Path, *, time_unit: str | None = None) -> tuple[Recording, ...]:
    """Read every push of a file, whatever its format.

    Raises
    ------
    FormatError
        When the file is of no known format, or not as its format is; with the line.
    SettingsError
        When `time_unit` is no unit of time.
    """
    head = read_head(path)
    key = find_reader(head)
    if key is None:
        raise unknown_format(head)
    if key == sheets.KEY:
        return read_sheet_traces(read_sheets(path), file=shown_name(path.name), time_unit=time_unit)
    return parse_recordings(
        read_content(path), name=shown_name(path.name), time_unit=time_unit, key=key
    )


def split_push(path: Path) -> tuple[Path, str]:
    """Take ``book.xlsx[shot 1]`` apart into the file and the push in it; "" for the whole file."""
    head, bracket, label = path.name.partition("[")
    if not bracket or not label.endswith("]") or path.exists():
        return path, ""
    return path.with_name(head or path.name), label[:-1]


def read_push(path: Path, *, time_unit: str | None = None) -> Recording:
    """Read the one push of a file, or the named one of ``book.xlsx[shot 1]``.

    Raises
    ------
    FormatError
        As `read_recordings`, and when the file holds several and none of them is named.
    """
    file, label = split_push(path)
    found = read_recordings(file, time_unit=time_unit)
    chosen = [item for item in found if not label or item.label == label]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(item.label for item in found[:8])
    raise FormatError(
        file.name,
        found=f"{len(found)} traces ({names}{', ...' if len(found) > 8 else ''})",
        expected=f"the name of one, as in '{file.name}[{found[0].label}]'",
    )


def parse_recordings(
    data: bytes, *, name: str, time_unit: str | None = None, key: str | None = None
) -> tuple[Recording, ...]:
    """Parse the bytes of a text file with the reader `key`, or the one that recognises them.

    Raises
    ------
    FormatError
        As `read_recordings`.
    """
    head = head_of(data, name=name)
    key = key or find_reader(head)
    if key is None:
        raise unknown_format(head)
    reader = READERS[key]
    if reader.parse is None:
        raise FormatError(name, found="a workbook", expected="a text file")
    like = likeness(head, key)
    try:
        found = reader.parse(data, name=name, time_unit=time_unit)
    except FormatError as error:
        raise _named_format(error, reader, like) from error
    remarks = []
    if like:
        expected = f"that; it is read as {reader.short}"
        remarks.append(warning_of(name, like, expected=expected))
    zeros = len(data) - len(data.rstrip(b"\0"))
    if zeros > 1:  # one may be half of the last letter in UTF-16
        what = f"{zeros} bytes of zeros at the end, where a write that was interrupted leaves them"
        expected = "a whole file; what stood there is lost: copy or export it once more"
        remarks.append(warning_of(name, what, expected=expected, rule="zero-bytes"))
    return (replace(found[0], notes=(*found[0].notes, *remarks)), *found[1:])


def _named_format(error: FormatError, reader: Reader, like: str) -> FormatError:
    """Return an error with the format that the file was read as, or that it looks more like."""
    if like:
        found, expected = like, f"that; as {reader.short}: {error.found}"
    elif reader is READERS[columns.KEY]:
        return error
    else:
        found, expected = error.found, f"{error.expected} (the file is read as {reader.short})"
    return FormatError(
        error.file, where=error.where, found=found, expected=expected, rule=error.rule
    )


def read_sheet_traces(
    sheets_read: list[Sheet], *, file: str, time_unit: str | None
) -> tuple[Recording, ...]:
    """Read the traces of a workbook's sheets; refuse a workbook without any."""
    divided = [sheets.divide_sheet(sheet, time_unit=time_unit) for sheet in sheets_read]
    found = [recording for item in divided for recording in item.recordings]
    problems = [error for item in divided for error in item.problems]
    if not found and problems:
        raise problems[0]
    if not found:
        raise FormatError(
            file,
            found="a workbook without traces",
            expected="times under a header such as Time (s), and signals beside them",
        )
    return named_apart([replace(item, name=file) for item in found], file)
