"""Pictures as files: PNG, PDF or SVG, the same bytes for the same picture."""

from pathlib import Path

from matplotlib.figure import Figure

from stopflow.errors import SettingsError
from stopflow.io.atomic import replacing_file
from stopflow.report.paper.style import styled

PICTURE_FORMATS = (".png", ".pdf", ".svg")
MAKER = "stopflow"
"""How a picture says which program made it."""
_PNG_HEAD = 2048
"""Bytes of a PNG among which its texts stand."""


def require_picture(path: Path) -> str:
    """Return the ending of a picture's name in small letters.

    Raises
    ------
    SettingsError
        No ending of a picture; lists those there are.
    """
    ending = path.suffix.lower()
    if ending not in PICTURE_FORMATS:
        raise SettingsError("picture", path.name, valid=PICTURE_FORMATS)
    return ending


@styled
def save_picture(figure: Figure, path: Path, *, dpi: int = 150) -> None:
    """Write a figure as PNG, PDF or SVG, by the ending of `path`; whole or not at all.

    Raises
    ------
    SettingsError
        Another ending.
    """
    ending = require_picture(path)
    described = {
        ".png": {"Software": MAKER},
        ".pdf": {"CreationDate": None},
        ".svg": {"Date": None},
    }[ending]
    with replacing_file(path) as partial:
        figure.savefig(partial, format=ending[1:], dpi=dpi, metadata=described)


def is_own_picture(path: Path) -> bool:
    """Tell whether a PNG is one that this program made."""
    with path.open("rb") as file:
        return MAKER.encode() in file.read(_PNG_HEAD)
