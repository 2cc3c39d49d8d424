"""What the sources of a shot's conditions say, checked against each other.

A file name such as ``ch1_0.20mM_3`` or ``H2O2 10 uM 25C`` says a concentration, a temperature and a
repeat; so may the header of the file and the folder's name. They and the workbooks are compared,
every one with every other. The first of `SOURCES` that says a quantity is used; a disagreement is
a finding that says which one that was.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from math import isclose
from pathlib import PurePath
from typing import Final, Literal

from stopflow.errors import and_more
from stopflow.io.told import ZERO_CELSIUS_K, parse_told
from stopflow.io.workbook.units import CONCENTRATION, find_scale
from stopflow.trace import Problem, Shot

SAME = 0.011
"""Relative difference up to which two concentrations are one, written to different digits."""

SAME_K = 0.6
"""Difference in K up to which a nominal and a measured temperature are one."""

MOSTLY = 0.8
"""Share of files that makes a pattern."""

LEAST_FILES = 3

SOURCES: Final = ("workbook", "name", "header", "folder")
"""Where a condition may stand; the first that says it is used."""

SHOWN: Final = {
    "workbook": "the workbook",
    "name": "the name",
    "header": "the header",
    "folder": "the folder's name",
}
_MOST_RECORDS = 200

Values = tuple[float, ...]
"""What one source says of one quantity of one shot; several where it names several species."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quantity:
    """A condition that several sources may say.

    Attributes
    ----------
    said
        Source -> what it says of each shot.
    """

    noun: str
    said: Mapping[str, Sequence[Values]]
    is_same: Callable[[float, float], bool]
    shown: Callable[[float], str]

    def agree(self, first: Values, second: Values) -> bool:
        """Tell whether two sources name one value that is the same."""
        return any(self.is_same(one, other) for one in first for other in second)

    def used(self, at: int) -> str:
        """Return the source whose value is used for a shot."""
        return next(source for source in SOURCES if self.said[source][at])


def check_metadata(
    shots: Sequence[Shot], *, folder: str
) -> tuple[tuple[Shot, ...], tuple[Problem, ...]]:
    """Check the sources of a folder's conditions against each other, and fill what is missing.

    Returns
    -------
    tuple
        The shots, and one finding for each kind of disagreement or filling.
    """
    concentrations, temperatures = _concentrations(shots, folder), _temperatures(shots, folder)
    problems = [
        problem
        for quantity in (concentrations, temperatures)
        for pair in combinations(SOURCES, 2)
        for problem in _compare(shots, quantity, *pair)
    ]
    repeats = [parse_told(_own_name(shot)).repeat for shot in shots]
    shots, filled = _fill_concentrations(shots, concentrations, repeats)
    shots, warmed = _fill_temperatures(shots, temperatures)
    return tuple(shots), (*problems, *filled, *warmed)


def _own_name(shot: Shot) -> str:
    """Return the name that may say something: a column's header, else the file's name."""
    _, bracket, label = shot.file.partition("[")
    return label.removesuffix("]") if bracket else PurePath(shot.file).name


def _records(shot: Shot) -> list[tuple[str, str]]:
    return list(shot.trace.records[:_MOST_RECORDS]) if shot.trace is not None else []


def _concentrations(shots: Sequence[Shot], folder: str) -> _Quantity:
    of_folder = parse_told(folder).concentrations_M
    headers = [
        [value for _, text in _records(shot) for value in parse_told(text).concentrations_M]
        for shot in shots
    ]
    return _Quantity(
        noun="concentration",
        said={
            "workbook": [_or_none(shot.conditions.concentration_M) for shot in shots],
            "name": [parse_told(_own_name(shot)).concentrations_M for shot in shots],
            "header": [tuple(dict.fromkeys(found)) for found in headers],
            "folder": [of_folder for _ in shots],
        },
        is_same=lambda one, other: isclose(one, other, rel_tol=SAME),
        shown=_molar,
    )


def _temperatures(shots: Sequence[Shot], folder: str) -> _Quantity:
    of_folder = parse_told(folder).temperatures_K
    return _Quantity(
        noun="temperature",
        said={
            "workbook": [_or_none(shot.conditions.temperature_K) for shot in shots],
            "name": [parse_told(_own_name(shot)).temperatures_K for shot in shots],
            "header": [_header_temperatures(shot) for shot in shots],
            "folder": [of_folder for _ in shots],
        },
        is_same=lambda one, other: abs(one - other) <= SAME_K,
        shown=_celsius,
    )


def _or_none(value: float | None) -> Values:
    return () if value is None else (value,)


def _compare(shots: Sequence[Shot], quantity: _Quantity, first: str, second: str) -> list[Problem]:
    """Compare two sources of a quantity: one finding a pattern."""
    is_molar = quantity.noun == "concentration"
    both = [
        at for at in range(len(shots)) if quantity.said[first][at] and quantity.said[second][at]
    ]
    if is_molar and _is_of_another(quantity, both, first, second):
        return []
    wrong = [
        at
        for at in both
        if not quantity.agree(quantity.said[first][at], quantity.said[second][at])
        and not (is_molar and _is_of_a_partner(shots[at], quantity.said[second][at], quantity))
    ]
    if not wrong:
        return []
    at = wrong[0]
    pair = (
        f"{quantity.shown(quantity.said[second][at][0])} in {SHOWN[second]} and "
        f"{quantity.shown(quantity.said[first][at][0])} in {SHOWN[first]}"
    )
    used = f"that of {SHOWN[quantity.used(at)]} is used"
    shift = _shift(quantity, first, second) if is_molar and second in ("name", "header") else 0
    ratio = _common_ratio(quantity, both, first, second) if is_molar else None
    if shift:
        where = "the row above" if shift < 0 else "the row below"
        what = {"name": "the names", "header": "the headers"}[second]
        found = (
            f"rows that seem shifted by one against the files: {what} fit {where}, as in "
            f"{pair}{and_more(len(wrong) - 1)}"
        )
        expected = f"each row beside its own file; {used}"
    elif ratio is not None:
        found = (
            f"concentrations in {SHOWN[second]} that are {ratio:.4g} times those of "
            f"{SHOWN[first]}, as in {pair}{and_more(len(wrong) - 1)}"
        )
        expected = (
            f"one of them before mixing and one after? {used[0].upper()}{used[1:]}, as after "
            "mixing; --mixing-ratio divides it"
        )
    else:
        found = f"{pair}{and_more(len(wrong) - 1, 'more like it')}"
        expected = f"the same {quantity.noun} in both; {used}"
    return [_finding(shots[at].file, found, expected)]


def _is_of_another(quantity: _Quantity, both: Sequence[int], first: str, second: str) -> bool:
    """Tell whether one source names the same for every file and the other what was varied.

    The first then speaks of another species, such as the partner that was kept constant.
    """
    one, other = quantity.said[first], quantity.said[second]
    varied = [len({said[at] for at in both}) > 1 for said in (one, other)]
    agreeing = sum(quantity.agree(one[at], other[at]) for at in both)
    return len(both) >= LEAST_FILES and varied[0] != varied[1] and 2 * agreeing < len(both)


def _is_of_a_partner(shot: Shot, values: Values, quantity: _Quantity) -> bool:
    """Tell whether a further column of the workbook holds one of these concentrations."""
    partners = []
    for header, text in shot.conditions.extra.items():
        units = [scale for word in _words(header) if (scale := find_scale(CONCENTRATION, word))]
        try:
            partners += [unit.to_ours(float(text.replace(",", "."))) for unit in units]
        except ValueError:
            partners += parse_told(text).concentrations_M
    return bool(partners) and quantity.agree(values, tuple(partners))


def _words(text: str) -> list[str]:
    plain = "".join(char if char.isalnum() or char in "µμ" else " " for char in text)
    return [word for word in plain.split() if word.endswith("M") and len(word) < 3]


def _shift(quantity: _Quantity, first: str, second: str) -> int:
    """Return -1 or 1 when the files fit the neighbouring rows far better than their own; else 0."""
    rows, files = quantity.said[first], quantity.said[second]

    def share(step: int) -> float:
        pairs = [
            quantity.agree(rows[place + step], files[place])
            for place in range(len(files))
            if files[place] and 0 <= place + step < len(rows) and rows[place + step]
        ]
        return sum(pairs) / len(pairs) if len(pairs) >= LEAST_FILES else 0.0

    if first != "workbook":
        return 0
    changes = sum(one != other for one, other in pairwise(rows))
    best = max((-1, 1), key=share)
    is_pattern = share(best) >= MOSTLY and share(0) < 1 - MOSTLY / 2 and share(best) > share(0)
    return best if is_pattern and changes >= 2 else 0


def _common_ratio(
    quantity: _Quantity, both: Sequence[int], first: str, second: str
) -> float | None:
    """Return the ratio of the second to the first where it is the same, and not 1, for most."""
    pairs = [(quantity.said[first][at], quantity.said[second][at]) for at in both]
    ratios = [two[0] / one[0] for one, two in pairs if len(one) == len(two) == 1 and one[0] > 0]
    if len(ratios) < LEAST_FILES:
        return None
    middle = sorted(ratios)[len(ratios) // 2]
    same = sum(isclose(ratio, middle, rel_tol=SAME) for ratio in ratios)
    is_one = isclose(middle, 1.0, rel_tol=SAME)
    return None if is_one or same < MOSTLY * len(ratios) else middle


def _found_elsewhere(quantity: _Quantity) -> dict[int, tuple[float, str]]:
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


def _fill_concentrations(
    shots: Sequence[Shot], quantity: _Quantity, repeats: Sequence[int | None]
) -> tuple[list[Shot], list[Problem]]:
    """Take concentrations from elsewhere where no workbook gives any."""
    found = _found_elsewhere(quantity)
    if not found:
        return list(shots), []
    filled = list(shots)
    for at, (value, _) in found.items():
        replicate = shots[at].conditions.replicate or repeats[at]
        conditions = replace(shots[at].conditions, concentration_M=value, replicate=replicate)
        filled[at] = replace(shots[at], conditions=conditions)
    expected = "concentrations after mixing; --mixing-ratio 2 where they are those of the syringes"
    differ = len({value for value, _ in found.values()}) > 1
    return filled, [_taken(shots, quantity, found, expected, "warning" if differ else "note")]


def _fill_temperatures(
    shots: Sequence[Shot], quantity: _Quantity
) -> tuple[list[Shot], list[Problem]]:
    """Take temperatures from elsewhere where no workbook gives any."""
    found = _found_elsewhere(quantity)
    if not found:
        return list(shots), []
    filled = list(shots)
    for at, (value, _) in found.items():
        conditions = replace(shots[at].conditions, temperature_K=value)
        filled[at] = replace(shots[at], conditions=conditions)
    return filled, [_taken(shots, quantity, found, "", "note")]


def _taken(
    shots: Sequence[Shot],
    quantity: _Quantity,
    found: Mapping[int, tuple[float, str]],
    expected: str,
    level: Literal["warning", "note"],
) -> Problem:
    """Say what was taken from where."""
    first = min(found)
    value, source = found[first]
    text = f"no {quantity.noun} in a workbook; {quantity.shown(value)} taken from {SHOWN[source]}"
    if len(found) > 1:
        text += f", and likewise for {len(found) - 1} more"
    return Problem(
        experiment="", file=shots[first].file, found=text, expected=expected, level=level
    )


def _header_temperatures(shot: Shot) -> Values:
    """Return the temperatures that the header's records state."""
    found = [
        value
        for key, text in _records(shot)
        if "temp" in f"{key} {text}".casefold()
        for value in parse_told(text).temperatures_K
    ]
    return tuple(dict.fromkeys(found))


def _molar(value: float) -> str:
    for scale, unit in ((1.0, "M"), (1e-3, "mM"), (1e-6, "µM"), (1e-9, "nM")):
        if value >= scale * 0.9999:
            return f"{value / scale:.4g} {unit}"
    return f"{value:.4g} M"


def _celsius(kelvin: float) -> str:
    return f"{kelvin - ZERO_CELSIUS_K:.4g} °C"


def _finding(file: str, found: str, expected: str) -> Problem:
    return Problem(
        experiment="",
        file=file,
        found=found,
        expected=expected,
        level="warning",
        topic="conditions",
    )
