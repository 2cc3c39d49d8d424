"""The sources of a shot's conditions, checked against each other.

They are compared, every one with every other. The first of `SOURCES` that says a quantity is used;
a disagreement is a finding that says which one that was.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from stopflow.io.metadata.disagreements import compare_sources
from stopflow.io.metadata.sources import (
    SHOWN,
    SOURCES,
    StatedQuantity,
    concentrations_said,
    own_name,
    parse_told,
    temperatures_said,
)
from stopflow.trace import Conditions, Level, Problem, Shot

AFTER_MIXING: Final = (
    "concentrations after mixing; --mixing-ratio 2 where they are those of the syringes"
)


def check_metadata(
    shots: Sequence[Shot], *, folder: str
) -> tuple[tuple[Shot, ...], tuple[Problem, ...]]:
    """Check the sources of a folder's conditions against each other, and fill what is missing.

    Returns
    -------
    tuple
        The shots, and one finding for each kind of disagreement or filling.
    """
    concentrations = concentrations_said(shots, folder)
    temperatures = temperatures_said(shots, folder)
    problems = [
        problem
        for quantity in (concentrations, temperatures)
        for pair in combinations(SOURCES, 2)
        for problem in compare_sources(shots, quantity, *pair)
    ]
    repeats = [parse_told(own_name(shot)).repeat for shot in shots]

    shots, filled = _fill(
        shots,
        concentrations,
        lambda own, at, value: replace(
            own, concentration_M=value, replicate=own.replicate or repeats[at]
        ),
        expected=AFTER_MIXING,
    )
    shots, warmed = _fill(
        shots, temperatures, lambda own, _at, value: replace(own, temperature_K=value)
    )
    return tuple(shots), (*problems, *filled, *warmed)


def _found_elsewhere(quantity: StatedQuantity) -> dict[int, tuple[float, str]]:
    """Return shot -> (value, source), where no workbook says any; a source of several is none."""
    if any(quantity.said["workbook"]):
        return {}
    usable = [
        source for source in SOURCES[1:] if all(len(found) < 2 for found in quantity.said[source])
    ]
    found = {}
    for at in range(len(quantity.said["name"])):
        source = next((source for source in usable if quantity.said[source][at]), "")
        if source:
            found[at] = (quantity.said[source][at][0], source)
    return found


def _fill(
    shots: Sequence[Shot],
    quantity: StatedQuantity,
    conditions: Callable[[Conditions, int, float], Conditions],
    *,
    expected: str = "",
) -> tuple[list[Shot], list[Problem]]:
    """Take values from elsewhere where no workbook gives any; a remark says so.

    It is a warning where values differ of which something is `expected`.
    """
    found = _found_elsewhere(quantity)
    if not found:
        return list(shots), []
    filled = list(shots)
    for at, (value, _) in found.items():
        filled[at] = replace(shots[at], conditions=conditions(shots[at].conditions, at, value))
    differ = expected and len({value for value, _ in found.values()}) > 1
    return filled, [_taken(shots, quantity, found, expected, "warning" if differ else "note")]


def _taken(
    shots: Sequence[Shot],
    quantity: StatedQuantity,
    found: Mapping[int, tuple[float, str]],
    expected: str,
    level: Level,
) -> Problem:
    """Say what was taken from where."""
    first = min(found)
    value, source = found[first]
    text = f"no {quantity.noun} in a workbook; {quantity.shown(value)} taken from {SHOWN[source]}"
    if len(found) > 1:
        text += f", and likewise for {len(found) - 1} more"
    return Problem(
        shots[first].file, text, expected=expected, level=level, rule=f"taken: {quantity.noun}"
    )
