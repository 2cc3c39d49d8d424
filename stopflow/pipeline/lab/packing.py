"""Results of folders as bytes: equal results give equal bytes, and no bytes run any code.

Pickle's format, because it keeps every type of a number, but with two bounds. It is written
without references, so that the bytes depend on the values alone and not on which of them are one
object. It is read by a reader that makes values of this package (frozen dataclasses and
enumerations) and arrays, and nothing else; a rate law travels as its key.
"""

import io
import pickle
import zlib
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, Final

from stopflow.errors import StoreError
from stopflow.kinetics.laws import RateLaw, find_law

PACKAGES: Final = ("stopflow.kinetics.", "stopflow.pipeline.lab.reading", "stopflow.trace")
"""Modules whose values are results."""
ARRAYS: Final = frozenset(
    {
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
    }
)
LARGEST_BYTES: Final = 1_000_000_000
"""A result that says it is larger is not believed; a shot takes some 5 kB."""


def _by_key(law: RateLaw) -> tuple[Any, tuple[str]]:
    return find_law, (law.key,)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _find_class(module, name)


@cache
def _find_class(module: str, name: str) -> Any:
    """Return what may stand in a result, by its name; a name stands there once for every value."""
    if (module, name) == (find_law.__module__, find_law.__name__):
        return find_law
    if (module, name) in ARRAYS:
        return getattr(import_module(module), name)
    if module.startswith(PACKAGES) and "." not in name:
        found = getattr(import_module(module), name)
        if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum)):
            return found
    raise pickle.UnpicklingError(f"{module}.{name} is no part of a result")


def pack(value: object) -> bytes:
    """Write a result as bytes."""
    written = io.BytesIO()
    writer = pickle.Pickler(written, protocol=4)
    writer.dispatch_table = {RateLaw: _by_key}
    writer.fast = True
    writer.dump(value)
    return zlib.compress(written.getvalue(), level=1)


def unpack(packed: bytes) -> Any:
    """Read what `pack` wrote.

    Raises
    ------
    StoreError
        When the bytes are no result of this version of the program.
    """
    try:
        opened = zlib.decompressobj()
        written = opened.decompress(packed, LARGEST_BYTES)
        if not opened.eof:
            raise StoreError("the results of a folder are cut off or larger than any")
        return _Reader(io.BytesIO(written)).load()
    except StoreError:
        raise
    except Exception as error:  # the barrier of these bytes: damaged ones raise anything
        raise StoreError(f"the results of a folder cannot be read ({error})") from error
