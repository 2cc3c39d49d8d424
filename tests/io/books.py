"""Workbooks for the tests, made with openpyxl or by editing a saved one's XML."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl


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
