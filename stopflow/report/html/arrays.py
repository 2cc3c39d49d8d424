"""Arrays as text, without losing a bit: what an instrument wrote with few digits needs few bytes.

A packed array is ``form:digits:order:count:BASE64``. Most traces are decimal numbers of a file,
so that ``value = integer / 10^digits`` (form ``d``), over 1000 where the file counts in
milliseconds (form ``m``); anything else is kept as float64 (form ``f``). The integers are
differenced `order` times, their bytes sorted by place (all lowest bytes first, little-endian),
compressed by deflate (zlib) and written in base64. `js/decode.js` is the other half.
"""

import base64
import zlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from stopflow.trace import FloatArray

MOST_DIGITS = 12
LARGEST_INTEGER = 2**31
PER_MILLI = 1e3
INTEGER, FLOAT = np.dtype("<i4"), np.dtype("<f8")
ORDERS = (0, 1, 2)
COMPRESSION = 6

_FORMS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "d": lambda values: values,
    "m": lambda values: values / PER_MILLI,
}


def pack_exactly(values: FloatArray) -> str:
    """Pack finite or other values (N,) so that they come back equal, bit by bit."""
    found = _as_integers(values)
    if found is None:
        body = _compress(_planes(values.astype(FLOAT)))
        return f"f:0:0:{len(values)}:{body}"
    form, digits, integers = found
    order = min(ORDERS, key=lambda order: _information(_planes_of(integers, order)))
    return f"{form}:{digits}:{order}:{len(values)}:{_compress_integers(integers, order)}"


def pack_integers(values: NDArray[np.integer], *, order: int = 0) -> str:
    """Pack whole numbers (N,)."""
    return f"d:0:{order}:{len(values)}:{_compress_integers(values.astype(np.int64), order)}"


def _as_integers(values: FloatArray) -> tuple[str, int, NDArray[np.int64]] | None:
    """Find the form, the digits and the integers that give exactly these values."""
    largest = float(np.abs(values).max()) if len(values) else np.inf
    # NaN compares false: values that are no numbers stay what they are.
    if not largest < LARGEST_INTEGER:
        return None
    for form, scaled in _FORMS.items():
        whole = values if form == "d" else values * PER_MILLI
        for digits in range(MOST_DIGITS + 1):
            power = 10.0**digits
            if float(np.abs(whole).max()) * power >= LARGEST_INTEGER / 4:
                break
            integers = np.rint(whole * power)
            # A few points tell most wrong guesses from right ones.
            if not (scaled(integers[:64] / power) == values[:64]).all():
                continue
            if (scaled(integers / power) == values).all():
                return form, digits, integers.astype(np.int64)
    return None


def _compress_integers(integers: NDArray[np.int64], order: int) -> str:
    return _compress(_planes_of(integers, order))


def _planes_of(integers: NDArray[np.int64], order: int) -> NDArray[np.uint8]:
    """Difference `order` times; (width, N) bytes by place."""
    differences = integers
    for _ in range(order):
        differences = np.diff(differences, prepend=0)
    return _planes(differences.astype(INTEGER))


def _planes(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.frombuffer(values.tobytes(), dtype=np.uint8).reshape(-1, values.itemsize).T


def _information(planes: NDArray[np.uint8]) -> float:
    """Shannon's information in the bytes of each place, in bits: what deflate takes, nearly."""
    found = 0.0
    for plane in planes:
        counts = np.bincount(plane, minlength=1)
        counts = counts[counts > 0]
        found += float(counts @ np.log2(len(plane) / counts))
    return found


def _compress(planes: NDArray[np.uint8]) -> str:
    return base64.b64encode(zlib.compress(planes.tobytes(), COMPRESSION)).decode("ascii")
