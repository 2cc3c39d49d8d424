"""When garbage is collected while reports are made: seldom, for little of it is."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MUCH: Final = 250_000
"""Objects that a dozen of pages leave; they are collected then."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let no garbage be collected but when asked, and then look at nothing older than this.

    Python's own collections take a quarter of the time of drawing, for they go through all that
    was imported again and again. Inside another such block it changes nothing.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


def collect_if_much() -> None:
    """Collect what drawing has left, where that is worth its time."""
    if gc.get_count()[0] > MUCH:
        gc.collect()
