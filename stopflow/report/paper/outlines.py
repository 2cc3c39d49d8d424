"""Paths as operators of a PDF, their coordinates cut to a hundredth of a point."""

import numpy as np
from matplotlib.path import Path
from matplotlib.transforms import Transform
from numpy.typing import NDArray

Points = NDArray[np.float64]
_MOVE, _LINE = "%.2f %.2f m\n", "%.2f %.2f l\n"
_LINES = {int(Path.MOVETO): _MOVE, int(Path.LINETO): _LINE, int(Path.CLOSEPOLY): "h\n"}


def write_path(
    path: Path, transform: Transform, *, clip: tuple[float, float, float, float] | None
) -> str:
    """Write a path as operators; "" where nothing of it is left.

    Parameters
    ----------
    clip
        Lines outside this box are left out, and long ones lose the points that lie on them.
    """
    cleaned = path.cleaned(
        transform=transform,
        remove_nans=True,
        clip=clip,
        simplify=clip is not None and path.should_simplify,
        curves=True,
    )
    codes = np.asarray(cleaned.codes, dtype=np.uint8)
    points = np.asarray(cleaned.vertices, dtype=float)
    if len(codes) and codes[-1] == Path.STOP:
        codes, points = codes[:-1], points[:-1]
    if (codes[1:] == Path.LINETO).all():
        form = (_MOVE if len(codes) else "") + _LINE * (len(codes) - 1)
        return (form % tuple(points.ravel().tolist())).rstrip()
    if not {Path.CURVE3, Path.CURVE4}.isdisjoint(codes.tolist()):
        return _write_curves(codes, points)
    form = "".join([_LINES[code] for code in codes.tolist()])
    numbers = points[codes != Path.CLOSEPOLY].ravel().tolist()
    return (form % tuple(numbers)).rstrip()


def _write_curves(codes: NDArray[np.uint8], points: Points) -> str:
    """Write a path that has curves."""
    written, place, last = [], 0, points[0]
    while place < len(codes):
        code = codes[place]
        if code == Path.CLOSEPOLY:
            written.append("h")
            place += 1
            continue
        count = {Path.CURVE3: 2, Path.CURVE4: 3}.get(code, 1)
        own = points[place : place + count]
        if code == Path.CURVE3:  # a PDF knows cubic curves alone
            control, end = own
            own = np.array([last + (control - last) * 2 / 3, end + (control - end) * 2 / 3, end])
        operator = {Path.MOVETO: "m", Path.LINETO: "l"}.get(code, "c")
        numbers = " ".join(f"{value:.2f}" for value in own.ravel())
        written.append(f"{numbers} {operator}")
        last = own[-1]
        place += count
    return "\n".join(written)
