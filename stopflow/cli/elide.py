"""Names made shorter so that those which differ still look different."""

from collections.abc import Sequence
from typing import Final

GAP: Final = "…"


def elide(names: Sequence[str], width: int) -> list[str]:
    """Shorten the names to `width` characters, by what is left out in their middle.

    As much of the beginning is kept as leaves different names different; where no cut does, half of
    the width goes to the end.
    """
    if all(len(name) <= width for name in names):
        return list(names)
    room = max(width - len(GAP), 0)
    different = len(set(names))
    for head in range(room - room // 3, -1, -1):
        shown = [_cut(name, head, room - head, width) for name in names]
        if len(set(shown)) == different:
            return shown
    return [_cut(name, room - room // 2, room // 2, width) for name in names]


def _cut(name: str, head: int, tail: int, width: int) -> str:
    if len(name) <= width:
        return name
    return name[:head] + GAP + name[len(name) - tail :]
