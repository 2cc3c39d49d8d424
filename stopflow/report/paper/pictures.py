"""Pictures as files: PNG, PDF or SVG, the same bytes for the same picture."""

from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from stopflow.errors import SettingsError
from stopflow.io.atomic import replacing_file
from stopflow.report.paper.style import styled

PICTURE_FORMATS = (".png", ".pdf", ".svg")
MAKER = "stopflow"
"""How a picture says which program made it."""


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
def save_picture(figure: Figure, path: Path, *, dpi: int = 150, source: str = "") -> None:
    """Write a figure as PNG, PDF or SVG, by the ending of `path`; whole or not at all.

    Parameters
    ----------
    source
        What it shows; a PNG says so, see `picture_source`.

    Raises
    ------
    SettingsError
        Another ending.
    """
    ending = require_picture(path)
    described = {
        ".png": {"Software": MAKER, "Source": source.encode("unicode_escape").decode()},
        ".pdf": {"CreationDate": None},
        ".svg": {"Date": None},
    }[ending]
    with replacing_file(path) as partial:
        figure.savefig(partial, format=ending[1:], dpi=dpi, metadata=described)


def picture_source(path: Path) -> str | None:
    """Return what a PNG shows that this program made; None for any other file."""
    try:
        with Image.open(path) as picture:
            texts = dict(picture.info)
    except (OSError, ValueError, SyntaxError):
        return None
    if texts.get("Software") != MAKER:
        return None
    return str(texts.get("Source", "")).encode("ascii", "ignore").decode("unicode_escape")
