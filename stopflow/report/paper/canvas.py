"""What matplotlib draws, written as the operators of one page of a PDF.

Matplotlib's own PDF backend numbers fonts, transparencies and markers over the whole file. Here a
page names them by what they are, so that it can be drawn by any process, kept, and joined with
others later. Coordinates are cut to a hundredth of a point (3.5 µm). No picture of the reports
holds an image, a hatch or mathematics.
"""

import hashlib
import zlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Transform

from stopflow.report.paper.outlines import write_path
from stopflow.report.paper.style import MM_PER_INCH, Paper
from stopflow.report.paper.typeface import typeface

POINTS_PER_INCH = 72.0
REGULAR, BOLD = "F1", "F2"
"""Names of the fonts on every page."""
_CAPS = {"butt": 0, "round": 1, "projecting": 2}
_JOINS = {"miter": 0, "round": 1, "bevel": 2}
_STEPS = 1000
"""Steps of transparency that are told apart."""
_LEVEL = 4
"""Of compression: half of the time of the usual 6 for some more bytes."""
_BEYOND_PT = 20.0
"""How far outside the page a line is still drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A shape that is drawn at many places; `box` is x0, y0, x1, y1 in points."""

    box: tuple[float, float, float, float]
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPage:
    """A page as drawn: its operators and what they refer to.

    Attributes
    ----------
    content
        Operators, deflated.
    regular, bold
        The characters that are set in each weight, sorted.
    transparencies
        Of lines and areas in thousandths, by the name of the state that sets them.
    forms
        Shapes by name.
    """

    content: bytes
    regular: str
    bold: str
    transparencies: dict[str, tuple[int, int]]
    forms: dict[str, Form]


class Drawings(Protocol):
    """Where drawings of earlier reports are kept."""

    def find(self, key: str) -> bytes | None:
        """Return the drawing with this key; None where there is none."""
        ...

    def keep(self, key: str, part: bytes) -> None:
        """Keep a drawing for the next report."""
        ...


class PageRenderer(RendererBase):
    """Turns what artists draw on one page into operators; `finish` gives the page."""

    def __init__(self, paper: Paper) -> None:
        super().__init__()
        scale = POINTS_PER_INCH / MM_PER_INCH
        self._width, self._height = paper.width_mm * scale, paper.height_mm * scale
        self._operators: list[str] = []
        self._characters: dict[str, set[str]] = {REGULAR: set(), BOLD: set()}
        self._transparencies: dict[str, tuple[int, int]] = {}
        self._forms: dict[str, Form] = {}
        self._state: dict[str, Hashable] = {}
        self._outside: dict[str, Hashable] = {}
        self._clip = ""

    def finish(self) -> DrawnPage:
        """Return what was drawn."""
        self._use_clip("")
        return DrawnPage(
            content=zlib.compress("\n".join(self._operators).encode("ascii"), _LEVEL),
            regular="".join(sorted(self._characters[REGULAR])),
            bold="".join(sorted(self._characters[BOLD])),
            transparencies=dict(sorted(self._transparencies.items())),
            forms=dict(sorted(self._forms.items())),
        )

    def get_canvas_width_height(self) -> tuple[float, float]:
        """Return the size of the page in points."""
        return self._width, self._height

    def flipy(self) -> bool:
        """Tell that y counts from below."""
        return False

    def draw_path(
        self, gc: GraphicsContextBase, path: Path, transform: Transform, rgbFace: Any = None
    ) -> None:
        """Stroke and fill a path."""
        painting = self._painting(gc, rgbFace)
        if not painting:
            return
        clip = self._page_box() if rgbFace is None else None
        drawn = write_path(path, transform, clip=clip)
        if drawn:
            self._set(gc, rgbFace)
            self._operators.append(f"{drawn}\n{painting}")

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Path,
        marker_trans: Transform,
        path: Path,
        trans: Transform,
        rgbFace: Any = None,
    ) -> None:
        """Draw one shape at every point of a path."""
        painting = self._painting(gc, rgbFace)
        places = trans.transform(path.vertices)
        low_x, low_y, high_x, high_y = self._page_box()
        x, y = places.T
        places = places[(x >= low_x) & (x <= high_x) & (y >= low_y) & (y <= high_y)]
        if not painting or not len(places):
            return
        name = self._form(marker_path, marker_trans, painting, gc.get_linewidth())
        self._set(gc, rgbFace)
        rounded = np.round(places, 2)
        steps = np.diff(rounded, axis=0, prepend=0.0)
        moves = f"1 0 0 1 %.2f %.2f cm /{name} Do\n" * len(steps)
        self._operators.append(f"q\n{moves % tuple(steps.ravel().tolist())}Q")

    def _form(self, path: Path, transform: Transform, painting: str, width_pt: float) -> str:
        content = f"{write_path(path, transform, clip=None)}\n{painting}".encode("ascii")
        box = path.get_extents(transform).padded(width_pt + 1.0)
        corners = tuple(round(float(edge), 1) for edge in box.extents)
        form = Form(box=corners, content=content)  # type: ignore[arg-type]
        name = f"M{hashlib.blake2b(repr(form).encode(), digest_size=6).hexdigest()}"
        self._forms[name] = form
        return name

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,  # noqa: ARG002, FBT002
        mtext: Text | None = None,  # noqa: ARG002
    ) -> None:
        """Set a line of text with its baseline at (x, y), turned by `angle` degrees."""
        if not s.strip():
            return
        font = BOLD if _is_bold(prop) else REGULAR
        self._characters[font].update(s)
        self._set(gc, gc.get_rgb())
        place = f"{x:.2f} {y:.2f} Td"
        if angle:
            turn = np.deg2rad(angle)
            cosine, sine = np.cos(turn), np.sin(turn)
            place = f"{cosine:.5f} {sine:.5f} {-sine:.5f} {cosine:.5f} {x:.2f} {y:.2f} Tm"
        codes = typeface(bold=font == BOLD).encode(s)
        self._operators.append(
            f"BT /{font} {prop.get_size_in_points():g} Tf {place} <{codes}> Tj ET"
        )

    def get_text_width_height_descent(
        self,
        s: str,
        prop: FontProperties,
        ismath: Any,  # noqa: ARG002
    ) -> tuple[float, float, float]:
        """Return the width of a line, the height of small letters, and the depth below."""
        face, size = typeface(bold=_is_bold(prop)), prop.get_size_in_points()
        above, below = face.line_em
        return size * face.width_em(s), size * (above + below), size * below

    def _page_box(self) -> tuple[float, float, float, float]:
        edge = _BEYOND_PT
        return -edge, -edge, self._width + edge, self._height + edge

    def _painting(self, gc: GraphicsContextBase, face: Any) -> str:
        """Return the operator that strokes, fills, or does both; "" where nothing is to be seen."""
        stroke = gc.get_linewidth() > 0 and gc.get_rgb()[3] > 0
        fill = face is not None and (len(face) < 4 or face[3] > 0)
        return {(True, True): "B", (True, False): "S", (False, True): "f"}.get((stroke, fill), "")

    def _set(self, gc: GraphicsContextBase, face: Any) -> None:
        """Write what has changed in colours, line and clip since the last operator."""
        self._use_clip(self._written_clip(gc))
        colour = gc.get_rgb()
        filled = colour[3] if gc.get_forced_alpha() or face is None or len(face) < 4 else face[3]
        wanted: dict[str, Hashable] = {"RG": tuple(colour[:3]), "gs": (colour[3], filled)}
        if face is not None:
            wanted["rg"] = tuple(face[:3])
        if gc.get_linewidth() > 0:
            offset, dashes = gc.get_dashes()
            own = () if dashes is None else tuple(np.asarray(dashes, dtype=float).tolist())
            wanted["w"] = gc.get_linewidth()
            wanted["d"] = own, offset or 0
            wanted["J"] = gc.get_capstyle(), gc.get_joinstyle()
        for key, value in wanted.items():
            if self._state.get(key) != value:
                self._state[key] = value
                self._operators.append(self._write_state(key, value))

    def _write_state(self, key: str, value: Any) -> str:
        """Write the operator that sets a part of the state."""
        match key:
            case "RG" | "rg":
                red, green, blue = value
                return f"{red:.3g} {green:.3g} {blue:.3g} {key}"
            case "gs":
                return f"/{self._transparency(*value)} gs"
            case "w":
                return f"{value:g} w"
            case "d":
                return f"[{' '.join(f'{length:g}' for length in value[0])}] {value[1]:g} d"
            case _:
                return f"{_CAPS[value[0]]} J {_JOINS[value[1]]} j"

    def _transparency(self, line: float, area: float) -> str:
        steps = round(_STEPS * line), round(_STEPS * area)
        name = f"A{steps[0]}.{steps[1]}"
        self._transparencies[name] = steps
        return name

    def _written_clip(self, gc: GraphicsContextBase) -> str:
        clip = ""
        box = gc.get_clip_rectangle()
        if box is not None:
            x, y, width, height = box.bounds
            clip = f"{x:.2f} {y:.2f} {width:.2f} {height:.2f} re W n"
        path, transform = gc.get_clip_path()
        if isinstance(path, Path) and transform is not None:
            clip += f"\n{write_path(path, transform, clip=None)}\nW n"
        return clip

    def _use_clip(self, clip: str) -> None:
        if clip == self._clip:
            return
        if self._clip:
            self._operators.append("Q")
            self._state = self._outside
        if clip:
            self._outside = dict(self._state)
            self._operators += ["q", clip]
        self._clip = clip


def _is_bold(prop: FontProperties) -> bool:
    return prop.get_weight() in ("bold", 700)
