"""How every picture and page looks: paper, colours, type, and text that the type can print.

Colours are those of Okabe and Ito (2008) for categories and a trimmed cividis for ordered
values, so both survive colour blindness and grey printing; every use adds a marker, a line
style or a word. All pictures are drawn inside `styled`, which restores matplotlib's settings.
Matplotlib is loaded where something is drawn; tables and the page do without it.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np

from stopflow.report.paper.sizes import PAPERS as PAPERS
from stopflow.report.paper.sizes import Paper as Paper
from stopflow.report.paper.sizes import require_paper as require_paper
from stopflow.report.paper.typeface import typeface

_BREAKS = re.compile(
    r"(?<![±=]) (?![±=%])(?!(?<=\bk )T\b)"
    r"(?!(?<=[\d⁰¹²³⁴-⁹] )(?:[mµn]?[sM]|min|K|kJ/mol|J/\(mol|Volt|V|AU|mV)(?:⁻|[^\w]|$))"
)
"""Blanks at which a line may end: not beside ± and =, nor in k T or between number and unit."""

HARD_BLANK = "\u00a0"

P = ParamSpec("P")
R = TypeVar("R")

INK = "#1c2126"
MUTED = "#5c6670"
RULE = "#c9ced4"
WASH = "#f2f4f6"
ACCENT = "#1b4f72"
SHADE = "#e7e2d8"

VERDICT_COLOURS = {"PASS": "#0072B2", "WARN": "#B36B00", "FAIL": "#C0392B"}
VERDICT_MARKERS = {"PASS": "o", "WARN": "^", "FAIL": "X"}
VERDICT_SIGNS = {"PASS": "●", "WARN": "▲", "FAIL": "✖"}
CATEGORY_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1c2126")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
LineStyle = Literal["-"] | tuple[float, Sequence[float]]
LINE_STYLES: tuple[LineStyle, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (8, 2, 2, 2)),
)

MM_PER_INCH = 25.4
MM_PER_POINT = MM_PER_INCH / 72.0

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": False,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 6.8,
    "ytick.labelsize": 6.8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "xtick.minor.size": 1.8,
    "ytick.minor.size": 1.8,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "legend.fontsize": 6.8,
    "legend.handlelength": 2.0,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "pdf.use14corefonts": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "stopflow",
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under the house style and restore matplotlib's settings."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from matplotlib import rc_context

        with rc_context(RC):
            return draw(*args, **kwargs)

    return wrapped


USUAL = frozenset(
    chr(code)
    for first, last in ((0x20, 0x17F), (0x391, 0x3C9), (0x2070, 0x208E), (0x2013, 0x2026))
    for code in range(first, last + 1)
)
"""Signs of the Western languages and of units: the type has those that can be printed."""

MOST_SHADES = 8
"""So many shades of one hue can be told apart."""


def ordered_colours(count: int) -> list[str]:
    """`count` colours from dark to light along cividis, its palest end left out.

    Where they are many, viridis: its hues differ, too.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if count > MOST_SHADES:
        return [to_hex(row) for row in colormaps["viridis"](np.linspace(0.0, 0.94, count))]
    places = np.linspace(0.0, 0.82, count) if count > 1 else np.array([0.12])
    return [to_hex(row) for row in colormaps["cividis"](places)]


def printable(text: str) -> str:
    """Write what the type cannot print as Unicode numbers: 日本 becomes ⟨65E5·672C⟩.

    So two names stay two names on paper. Line breaks and runs of blanks become one blank.
    """
    flat = " ".join(text.split())
    if flat.isprintable() and (flat.isascii() or USUAL.issuperset(flat)):
        return flat
    known = typeface(bold=False).characters
    if flat.isprintable() and known.issuperset(map(ord, flat)):
        return flat
    runs = itertools.groupby(flat, lambda c: c.isprintable() and ord(c) in known)
    return "".join("".join(run) if shown else _numbers(run) for shown, run in runs)


def keep_together(text: str) -> str:
    """Write hard blanks where a line may not end, for what is set by others, such as a browser."""
    return " ".join(part.replace(" ", HARD_BLANK) for part in _BREAKS.split(text))


def _numbers(characters: Iterable[str]) -> str:
    return "⟨" + "·".join(f"{ord(c):04X}" for c in characters) + "⟩"


@dataclass(slots=True)
class Ruler:
    """Measures, shortens and wraps text in the report's type without drawing it."""

    def width_mm(self, text: str, size: float, *, bold: bool = False) -> float:
        """Width of one line at `size` points, in millimetres."""
        return typeface(bold=bold).width_em(text) * size * MM_PER_POINT

    def shorten(self, text: str, size: float, *, width_mm: float, bold: bool = False) -> str:
        """Cut the middle out of a line too wide for its place; both ends stay readable."""
        if self.width_mm(text, size, bold=bold) <= width_mm:
            return text
        low, high = 0, len(text)
        while low < high:
            keep = (low + high + 1) // 2
            if self.width_mm(_elided(text, keep), size, bold=bold) <= width_mm:
                low = keep
            else:
                high = keep - 1
        return _elided(text, low)

    def wrap(self, text: str, size: float, *, width_mm: float, bold: bool = False) -> list[str]:
        """Break text into lines at blanks; a word wider than the line is broken inside.

        A number stays with its error and its unit.
        """
        lines: list[str] = []
        line = ""
        for word in self._words(text, size, width_mm=width_mm, bold=bold):
            trial = f"{line} {word}" if line else word
            if line and self.width_mm(trial, size, bold=bold) > width_mm:
                lines.append(line)
                line = word
            else:
                line = trial
        lines.append(line)
        return lines

    def _words(self, text: str, size: float, *, width_mm: float, bold: bool) -> Sequence[str]:
        words: list[str] = []
        for word in _BREAKS.split(text):
            rest = word
            while len(rest) > 1 and self.width_mm(rest, size, bold=bold) > width_mm:
                cut = 1
                while self.width_mm(rest[: cut + 1], size, bold=bold) <= width_mm:
                    cut += 1
                words.append(rest[:cut])
                rest = rest[cut:]
            words.append(rest)
        return words


def shorten_middle(text: str, longest: int) -> str:
    """Cut the middle out of a label of more characters than `longest`."""
    flat = printable(text)
    return flat if len(flat) <= longest else _elided(flat, longest - 1)


def _elided(text: str, keep: int) -> str:
    head = (keep + 1) // 2
    tail = keep - head
    return text[:head] + "…" + (text[-tail:] if tail else "")
