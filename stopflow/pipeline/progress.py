"""How the stages tell how far they are: `report(what, done, total)`."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(_what: str, _done: int, _total: int) -> None:
    """Report nothing."""


Announce = Callable[[str], None]
"""Takes a line on what is done already, while the rest is still going on."""


def unannounced(_line: str) -> None:
    """Say nothing until everything is done."""
