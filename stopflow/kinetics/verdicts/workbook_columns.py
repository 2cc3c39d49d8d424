"""What further workbook columns say of a mixture: which tell conditions apart, which are reagents.

The workbook's own words decide: ``pH``, ``Buffer`` or ``Enzyme`` describe a mixture; ``Comment`` or
a column whose entries differ from shot to shot is a result or a remark. A column of unknown meaning
whose every entry stands at several shots tells conditions apart, too: to average different things
is worse than to report one thing twice.
"""

import re
from collections import Counter
from collections.abc import Sequence
from math import nan

from stopflow.io.units import CONCENTRATION, find_scale, parse_quantity
from stopflow.io.workbook.headers import molar_unit
from stopflow.trace import Conditions

_CONDITION = re.compile(
    r"(?<![a-z])(?:p[HD]|buffer|puffer|tampon|enzym\w*|protein|mutant|variant|ligand|inhibitor|"
    r"activator|metal|solvent|salt|additive|catalyst|viscosity|pressure|wavelength)(?![a-z])",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"(?<![a-z])(?:notes?|remarks?|comments?|bemerkung\w*|kommentar\w*|operator)(?![a-z])",
    re.IGNORECASE,
)
_PARTNER = re.compile(r"enzym|protein|receptor|partner|catalyst|\[E\]|\(E\)|^E\b", re.IGNORECASE)
_BACKGROUND = re.compile(
    r"buffer|puffer|tampon|salt|ionic|Na|K\+|KCl|Cl\b|Mg|Ca|EDTA|Tris|HEPES|MES|MOPS|phosph|acet|"
    r"DTT|glycerol|inhibitor|activator"
)
_PH = re.compile(r"^\s*p[HD]\b")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_LARGEST_SHARE = 2.0
"""An unnamed reagent above this multiple of the largest concentration is taken for a buffer."""


def telling_columns(shots: Sequence[Conditions]) -> tuple[str, ...]:
    """Name the further columns by which shots of otherwise equal conditions are told apart.

    Parameters
    ----------
    shots
        Conditions of all shots of an experiment.
    """
    names = dict.fromkeys(name for shot in shots for name in shot.extra)
    return tuple(name for name in names if _tells(name, shots))


def describe_mixture(conditions: Conditions, telling: Sequence[str]) -> str:
    """Write what the telling columns say, such as ``"pH 7, Buffer Tris"``."""
    said = [(name, conditions.extra.get(name, "")) for name in telling]
    return ", ".join(f"{name} {text}" for name, text in said if text)


def _tells(name: str, shots: Sequence[Conditions]) -> bool:
    if _REMARK.search(name):
        return False
    groups: dict[tuple[object, ...], list[str]] = {}
    for shot in shots:
        groups.setdefault(shot.group_key(), []).append(shot.extra.get(name, ""))
    varying = [texts for texts in groups.values() if len(set(texts)) > 1]
    if not varying:
        return False
    repeated = all(min(Counter(texts).values()) > 1 for texts in varying)
    return repeated or bool(_CONDITION.search(name))


def is_ph(header: str) -> bool:
    """Whether a column of the workbook is the pH."""
    return bool(_PH.match(header))


def ph_of(conditions: Conditions) -> float | None:
    """Read the pH that the workbook gives; None without one."""
    found = (_NUMBER.search(text) for name, text in conditions.extra.items() if is_ph(name))
    return next((float(match[0].replace(",", ".")) for match in found if match), None)


def partner_of(conditions: Conditions, *, largest_M: float) -> tuple[str, float, bool] | None:
    """Find the reagent that the varied one reacts with: (column, mol/L, whether it is named so).

    Parameters
    ----------
    conditions
        Of a shot.
    largest_M
        Highest concentration of the varied reagent in the experiment, mol/L.

    Returns
    -------
    tuple
        None when no column, or more than one of unknown meaning, can be meant.
    """
    found = [
        (name, amount)
        for name, text in conditions.extra.items()
        if (amount := _molar(name, text)) is not None
    ]
    named = [item for item in found if _PARTNER.search(item[0])]
    if len(named) == 1:
        return (*named[0], True)
    unknown = [
        item
        for item in found
        if not _BACKGROUND.search(item[0]) and item[1] <= _LARGEST_SHARE * largest_M
    ]
    return (*unknown[0], False) if len(unknown) == 1 and not named else None


def stated_ratio(conditions: Conditions) -> float:
    """Smaller over larger concentration of the two reagents; NaN where not both are given."""
    varied = conditions.concentration_M
    partner = partner_of(conditions, largest_M=varied) if varied else None
    if not varied or partner is None:
        return nan
    return min(varied / partner[1], partner[1] / varied)


def _molar(header: str, text: str) -> float | None:
    """Read a concentration in mol/L; None where the column has no molar unit or no number."""
    unit = molar_unit(header)
    read = parse_quantity(text) if unit else None
    scale = find_scale(CONCENTRATION, (read[1] if read else "") or unit) if unit else None
    if read is None or scale is None or not read[0] > 0:
        return None
    return scale.to_ours(read[0])
