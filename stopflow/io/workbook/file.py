"""A workbook on disk that is the same bytes for the same content: no time of its making."""

import io
import re
import zipfile
from pathlib import Path

from openpyxl import Workbook

from stopflow.io.atomic import replacing_file

_FIXED_DATE = b"2000-01-01T00:00:00Z"
_FIXED_ZIP_DATE = (2000, 1, 1, 0, 0, 0)
_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def save_workbook(workbook: Workbook, path: Path) -> None:
    """Write a workbook whole or not at all, with every date set to a fixed one.

    Parameters
    ----------
    path
        Replaced only when the new file is whole.
    """
    raw = io.BytesIO()
    workbook.save(raw)
    with replacing_file(path) as beside:
        beside.write_bytes(_without_dates(raw))


def _without_dates(raw: io.BytesIO) -> bytes:
    """Set the dates of the properties and of the entries of the archive."""
    fixed = io.BytesIO()
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(fixed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _DATE.sub(_FIXED_DATE, content)
            entry = zipfile.ZipInfo(name, date_time=_FIXED_ZIP_DATE)
            target.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
    return fixed.getvalue()
