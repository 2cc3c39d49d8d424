"""The report's type: the numbers of its glyphs and how wide they are."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded where something is set in the type
    from matplotlib.font_manager import FontProperties

_SET_SIZE = 100.0
"""Size in points at which glyphs are measured."""


class Typeface:
    """One weight of the type; widths are in em."""

    def __init__(self, *, bold: bool) -> None:
        from matplotlib import get_data_path
        from matplotlib.ft2font import FT2Font, LoadFlags

        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        self.path = Path(get_data_path()) / "fonts" / "ttf" / name
        self._unhinted = LoadFlags.NO_HINTING
        self.font = FT2Font(str(self.path))
        self.font.set_size(_SET_SIZE, 72)
        self._codes: dict[str, str] = {}
        self._advances: dict[str, float] = {}

    def encode(self, text: str) -> str:
        """Write the numbers of the glyphs of a text in hexadecimal digits, four a glyph."""
        codes = self._codes
        for character in set(text).difference(codes):
            codes[character] = f"{self.glyph(character):04X}"
        return "".join([codes[character] for character in text])

    def glyph(self, character: str) -> int:
        """Return the number of a glyph."""
        return self.font.get_char_index(ord(character))

    def width_em(self, text: str) -> float:
        """Return the width of a line."""
        advances = self._advances
        try:
            return sum(map(advances.__getitem__, text))
        except KeyError:
            for character in set(text).difference(advances):
                found = self.font.load_char(ord(character), flags=self._unhinted)
                advances[character] = found.linearHoriAdvance / 65536.0 / _SET_SIZE
        return sum(map(advances.__getitem__, text))

    @functools.cached_property
    def characters(self) -> frozenset[int]:
        """Codes of the characters that the type has."""
        return frozenset(self.font.get_charmap())

    @functools.cached_property
    def line_em(self) -> tuple[float, float]:
        """Height of a line of small letters above its baseline, and depth below it."""
        boxes = []
        for character in "lp":
            glyph = self.font.load_char(ord(character), flags=self._unhinted)
            boxes.append(glyph.bbox)
        scale = 64.0 * _SET_SIZE
        return max(box[3] for box in boxes) / scale, -min(box[1] for box in boxes) / scale


@functools.cache
def typeface(*, bold: bool) -> Typeface:
    """Return the upright or the bold weight."""
    return Typeface(bold=bold)


@functools.cache
def find_font(size: float, *, bold: bool = False) -> "FontProperties":
    """Return what matplotlib is to be told of the type, `size` in points."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
