"""What names and headers say of a shot, checked against the workbooks.

A file name such as ``ch1_0.20mM_3`` or ``H2O2 10 uM 25C`` says a concentration, a temperature and a
repeat; so may the folder's name and the header of the file. Where the workbooks say the same
quantity, theirs is used and a disagreement is a finding; where they do not, the names are used, and
that is said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isclose
from pathlib import PurePath
from typing import Literal

from stopflow.errors import and_more
from stopflow.io.workbook.units import CONCENTRATION, find_scale
from stopflow.trace import Problem, Shot

SAME = 0.011
"""Relative difference up to which two concentrations are one, written to different digits."""

SAME_K = 0.6
"""Difference in K up to which a nominal and a measured temperature are one."""

MOSTLY = 0.8
"""Share of files that makes a pattern."""

LEAST_FILES = 3

_CONCENTRATION = re.compile(
    r"(?<![\d.,])(?P<value>\d{1,6}(?:[.,]\d{1,6})?)[ _-]?(?P<unit>[mnpuµμ]?M)(?![A-Za-z0-9])"
)
_CELSIUS = re.compile(
    r"(?<![\d.,A-Za-z])(?P<value>-?\d{1,2}(?:[.,]\d{1,3})?)[ _]?"
    r"(?:°|deg(?:rees)?[ _.]?|º)?C(?![A-Za-z0-9])"
)
_KELVIN = re.compile(r"(?<![\d.,A-Za-z])(?P<value>[23]\d\d(?:[.,]\d{1,3})?)[ _]?K(?![A-Za-z0-9])")
_REPEAT = re.compile(
    r"(?:^|[ _-])(?:rep(?:licate|eat)?|run|shot|r|n|#)?[ _-]?(?P<value>\d{1,3})$", re.IGNORECASE
)
_ZERO_CELSIUS_K = 273.15
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a text says: concentrations in mol/L, temperatures in K, and a repeat's number."""

    concentrations_M: tuple[float, ...] = ()
    temperatures_K: tuple[float, ...] = ()
    repeat: int | None = None


def parse_told(text: str) -> Told:
    """Find concentrations, temperatures and the number of a repeat in a name or a comment."""
    plain = text[:_LONGEST]
    stem = re.sub(r"\.[A-Za-z]\w{1,4}$", "", plain)
    concentrations = [
        scale.to_ours(_number(match["value"]))
        for match in _CONCENTRATION.finditer(stem)
        if (scale := find_scale(CONCENTRATION, match["unit"])) is not None
    ]
    celsius = [_number(match["value"]) + _ZERO_CELSIUS_K for match in _CELSIUS.finditer(stem)]
    kelvin = [_number(match["value"]) for match in _KELVIN.finditer(stem)]
    repeat = _REPEAT.search(stem)
    return Told(
        concentrations_M=tuple(dict.fromkeys(concentrations)),
        temperatures_K=tuple(dict.fromkeys([*celsius, *kelvin])),
        repeat=int(repeat["value"]) if repeat and (concentrations or celsius) else None,
    )


def check_metadata(
    shots: Sequence[Shot], *, folder: str
) -> tuple[tuple[Shot, ...], tuple[Problem, ...]]:
    """Check the conditions of a folder's shots against names and headers, and fill what is missing.

    Returns
    -------
    tuple
        The shots, and one finding for each kind of disagreement or filling.
    """
    told = [parse_told(_own_name(shot)) for shot in shots]
    problems = [
        *_check_concentrations(shots, told),
        *_check_temperatures(shots, told, folder=folder),
    ]
    shots, filled = _fill_concentrations(shots, told)
    shots, warmed = _fill_temperatures(shots, told, folder=folder)
    return tuple(shots), (*problems, *filled, *warmed)


def _own_name(shot: Shot) -> str:
    """Return the name that may say something: a column's header, else the file's name."""
    _, bracket, label = shot.file.partition("[")
    return label.removesuffix("]") if bracket else PurePath(shot.file).name


def _check_concentrations(shots: Sequence[Shot], told: Sequence[Told]) -> list[Problem]:
    """Compare the workbooks' concentrations with those in the names: one finding a pattern."""
    compared = [
        (shot, item.concentrations_M, shot.conditions.concentration_M)
        for shot, item in zip(shots, told, strict=True)
        if item.concentrations_M and shot.conditions.concentration_M is not None
    ]
    wrong = [(shot, names, sheet) for shot, names, sheet in compared if not _agrees(sheet, names)]
    if not wrong:
        return []
    shift = _shift(shots, told)
    if shift:
        where = "the row above" if shift < 0 else "the row below"
        found = (
            f"rows that seem shifted by one against the files: the names fit {where}, as in "
            f"{_pair(wrong[0])}{and_more(len(wrong) - 1)}"
        )
        expected = "each row beside its own file; the workbook's values are used"
        return [_finding(wrong[0][0].file, found, expected)]
    ratio = _common_ratio(compared)
    if ratio is not None:
        found = (
            f"concentrations in the names that are {ratio:.4g} times those of the workbook, as in "
            f"{_pair(wrong[0])}{and_more(len(wrong) - 1)}"
        )
        expected = (
            "one of them before mixing and one after? The workbook's are used, as after mixing; "
            "--mixing-ratio divides them"
        )
        return [_finding(wrong[0][0].file, found, expected)]
    found = f"{_pair(wrong[0])}{and_more(len(wrong) - 1, 'more like it')}"
    expected = "the same concentration in both; the workbook's is used"
    return [_finding(wrong[0][0].file, found, expected)]


def _pair(item: tuple[Shot, Sequence[float], float]) -> str:
    _, names, sheet = item
    return f"{_molar(names[0])} in the name and {_molar(sheet)} in the workbook"


def _agrees(value: float, names: Sequence[float]) -> bool:
    return any(isclose(value, other, rel_tol=SAME) for other in names)


def _shift(shots: Sequence[Shot], told: Sequence[Told]) -> int:
    """Return -1 or 1 when the names fit the neighbouring rows far better than their own; else 0."""
    sheet = [shot.conditions.concentration_M for shot in shots]
    names = [item.concentrations_M for item in told]

    def share(step: int) -> float:
        pairs = [
            _agrees(sheet[place + step] or 0.0, names[place])
            for place in range(len(shots))
            if names[place] and 0 <= place + step < len(shots) and sheet[place + step] is not None
        ]
        return sum(pairs) / len(pairs) if len(pairs) >= LEAST_FILES else 0.0

    changes = sum(first != second for first, second in pairwise(sheet))
    best = max((-1, 1), key=share)
    is_pattern = share(best) >= MOSTLY and share(0) < 1 - MOSTLY / 2 and share(best) > share(0)
    return best if is_pattern and changes >= 2 else 0


def _common_ratio(compared: Sequence[tuple[Shot, Sequence[float], float]]) -> float | None:
    """Return the ratio of names to workbook where it is the same, and not 1, for nearly all."""
    ratios = [names[0] / sheet for _, names, sheet in compared if sheet > 0 and len(names) == 1]
    if len(ratios) < LEAST_FILES:
        return None
    middle = sorted(ratios)[len(ratios) // 2]
    same = sum(isclose(ratio, middle, rel_tol=SAME) for ratio in ratios)
    is_one = isclose(middle, 1.0, rel_tol=SAME)
    return None if is_one or same < MOSTLY * len(ratios) else middle


def _fill_concentrations(
    shots: Sequence[Shot], told: Sequence[Told]
) -> tuple[list[Shot], list[Problem]]:
    """Take concentrations from the names where no workbook gives any."""
    known = any(shot.conditions.concentration_M is not None for shot in shots)
    several = any(len(item.concentrations_M) > 1 for item in told)
    given = [at for at, item in enumerate(told) if len(item.concentrations_M) == 1]
    if known or several or not given:
        return list(shots), []
    filled = list(shots)
    for at in given:
        conditions = replace(
            shots[at].conditions,
            concentration_M=told[at].concentrations_M[0],
            replicate=shots[at].conditions.replicate or told[at].repeat,
        )
        filled[at] = replace(shots[at], conditions=conditions)
    first = given[0]
    found = (
        f"no concentration in a workbook; {_molar(told[first].concentrations_M[0])} taken from the "
        f"name, and likewise for {len(given) - 1} more"
    )
    expected = "concentrations after mixing; --mixing-ratio 2 where they are those of the syringes"
    differ = len({told[at].concentrations_M for at in given}) > 1
    level: Literal["warning", "note"] = "warning" if differ else "note"
    return filled, [_finding(shots[first].file, found, expected, level=level)]


def _check_temperatures(
    shots: Sequence[Shot], told: Sequence[Told], *, folder: str
) -> list[Problem]:
    of_folder = parse_told(folder).temperatures_K
    wrong = []
    for shot, item in zip(shots, told, strict=True):
        sheet, names = shot.conditions.temperature_K, item.temperatures_K or of_folder
        if sheet is not None and names and all(abs(sheet - name) > SAME_K for name in names):
            wrong.append((shot, names[0], sheet))
    if not wrong:
        return []
    shot, name, sheet = wrong[0]
    found = (
        f"{_celsius(name)} in the name and {_celsius(sheet)} in the workbook"
        f"{and_more(len(wrong) - 1, 'more like it')}"
    )
    expected = "the same temperature in both; the workbook's is used"
    return [_finding(shot.file, found, expected)]


def _fill_temperatures(
    shots: Sequence[Shot], told: Sequence[Told], *, folder: str
) -> tuple[list[Shot], list[Problem]]:
    """Take temperatures from names, the folder or headers where no workbook gives any."""
    if any(shot.conditions.temperature_K is not None for shot in shots):
        return list(shots), []
    of_folder = parse_told(folder).temperatures_K
    found: dict[int, tuple[float, str]] = {}
    for at, (shot, item) in enumerate(zip(shots, told, strict=True)):
        for kelvin, source in (
            (item.temperatures_K, "the file's name"),
            (of_folder, "the folder's name"),
            (_header_temperatures(shot), "the file's header"),
        ):
            if len(kelvin) == 1:
                found[at] = (kelvin[0], source)
                break
    if not found:
        return list(shots), []
    filled = [
        replace(shot, conditions=replace(shot.conditions, temperature_K=found[at][0]))
        if at in found
        else shot
        for at, shot in enumerate(shots)
    ]
    first = min(found)
    known, source = found[first]
    text = (
        f"no temperature in a workbook; {_celsius(known)} taken from {source}, and likewise for "
        f"{len(found) - 1} more"
    )
    return filled, [_finding(shots[first].file, text, "", level="note")]


def _header_temperatures(shot: Shot) -> tuple[float, ...]:
    """Return the temperatures that the header's records state."""
    records = shot.trace.records if shot.trace is not None else ()
    found = [
        value
        for key, text in records[:200]
        if "temp" in f"{key} {text}".casefold()
        for value in parse_told(text).temperatures_K
    ]
    return tuple(dict.fromkeys(found))


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _molar(value: float) -> str:
    for scale, unit in ((1.0, "M"), (1e-3, "mM"), (1e-6, "µM"), (1e-9, "nM")):
        if value >= scale * 0.9999:
            return f"{value / scale:.4g} {unit}"
    return f"{value:.4g} M"


def _celsius(kelvin: float) -> str:
    return f"{kelvin - _ZERO_CELSIUS_K:.4g} °C"


def _finding(
    file: str, found: str, expected: str, *, level: Literal["warning", "note"] = "warning"
) -> Problem:
    return Problem(experiment="", file=file, found=found, expected=expected, level=level)
