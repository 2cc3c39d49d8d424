"""Workbooks for the tests, made with openpyxl or by editing a saved one's XML."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl

from stopflow.io.pushes import read_files
from stopflow.io.sorting import sort_file
from stopflow.io.survey import list_folder
from stopflow.io.workbook.workbook import WorkbookReading, read_workbooks


def read_books(folder: Path, files: Sequence[str] = ()) -> WorkbookReading:
    """Read the workbooks of a folder by themselves, as they are found in it."""
    content = read_files([sort_file(path) for path in list_folder(folder).files], time_unit=None)
    return read_workbooks(content.sheets, content.sheets_of, files=files)


def save_book(path: Path, sheets: dict[str, Sequence[Sequence[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def edit_xml(
    path: Path, edit: Callable[[str], str], *, part: str = "worksheets/sheet1.xml"
) -> None:
    """Rewrite one part of a saved xlsx file."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            text = edit(content.decode()).encode() if name.endswith(part) else content
            archive.writestr(name, text)
