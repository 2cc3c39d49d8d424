"""From shots with conditions to what the global fit takes: mixtures, windows, noise.

A concentration of a species is given as a number with a unit (``"1.5 mM"``), as the concentration
that the workbook varies (``"concentration"``), or as a further column (``"column SCN- (mM)"``).
Species that are not given take the workbook's concentration where its substrate bears their name,
and a column of a molar unit whose header begins with their name.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stopflow.io.units import CONCENTRATION, TIME, find_scale, fold_unit, parse_quantity
from stopflow.io.workbook.headers import molar_unit
from stopflow.kinetics.uncertainty.noise import estimate_noise
from stopflow.mechanism.observations import MechanismShot
from stopflow.mechanism.scheme import Scheme, SchemeError
from stopflow.trace import Conditions, FloatArray, Shot

VARIED, COLUMN = "concentration", "column "
FEWEST_POINTS = 10
FEWEST_FOR_NOISE = 64
DENSEST_M = 100.0
"""More than any liquid holds of anything: water is 55.5 M in itself."""
CHANGES = (1e-100, 1e100)
"""Between which a signal has to change so that its squares are numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureSettings:
    """Where concentrations and times come from.

    Attributes
    ----------
    initial
        Species to a number with unit, ``"concentration"`` or ``"column NAME"``.
    mixing_ratio
        What concentrations of the workbook are divided by.
    dead_time_s
        Age of the mixture when the record begins, s; None: as the workbook says, or 0.
    delay
        How long the species of the first of two mixings age: ``"50 ms"`` or ``"column NAME"``.
    channel_column
        Column of the workbook whose value shots share their responses by.
    eyring
        Whether constants depend on temperature, which every shot then has to have.
    """

    initial: Mapping[str, str]
    mixing_ratio: float = 1.0
    dead_time_s: float | None = None
    delay: str = ""
    channel_column: str = ""
    eyring: bool = False


def build_shot(
    shot: Shot, start_s: float, scheme: Scheme, settings: MixtureSettings
) -> MechanismShot:
    """Turn a shot into one of the global fit.

    Parameters
    ----------
    start_s
        Where the fit begins, in the trace's own time.

    Raises
    ------
    SchemeError
        When a species that only the workbook can give has no concentration, when Eyring's law has
        no temperature, or few points are left.
    """
    trace = shot.until_end
    if trace is None:
        raise SchemeError(f"{shot.file}: {shot.refusal}")
    used = (trace.time_s >= start_s) & np.isfinite(trace.signal)
    if int(used.sum()) < FEWEST_POINTS:
        raise SchemeError(f"{shot.file}: {int(used.sum())} points are left after the start")
    kelvin = shot.conditions.temperature_K
    if kelvin is None and settings.eyring:
        raise SchemeError(
            f"{shot.file}: the workbook has no temperature, which Eyring's law needs; give it in a "
            'column such as "Temperature (°C)", or leave Eyring\'s law out'
        )
    dead_time_s = settings.dead_time_s
    if dead_time_s is None:
        dead_time_s = shot.conditions.dead_time_s or 0.0
    return MechanismShot(
        name=shot.file,
        time_s=np.maximum(trace.time_s[used] + dead_time_s, 0.0),
        signal=trace.signal[used],
        noise_sd=_noise(trace.signal[used], shot.file),
        start_M={
            name: amount
            for name in scheme.species
            if (amount := find_concentration(name, shot, scheme, settings)) is not None
        },
        temperature_K=298.15 if kelvin is None else kelvin,
        delay_s=_find_delay(shot, settings.delay),
        channel=_find_channel(shot, settings.channel_column),
    )


def _find_delay(shot: Shot, given: str) -> float:
    """Read how long the first mixture ages, s; 0 where mixing is single."""
    if not given:
        return 0.0
    text, unit = given, ""
    if given.startswith(COLUMN):
        header = find_header(given.removeprefix(COLUMN), shot.conditions) or ""
        text = shot.conditions.extra.get(header, "")
        unit = re.split(r"[\s(\[/]+", header.rstrip(")]"))[-1]
    read = parse_quantity(text)
    scale = None if read is None else find_scale(TIME, read[1] or unit)
    if read is None or scale is None or not 0 <= scale.to_ours(read[0]) < math.inf:
        columns = ", ".join(shot.conditions.extra) or "none"
        raise SchemeError(
            f"{shot.file}: the delay {given!r} gives no time; expected one such as 50 ms, or "
            f"{COLUMN}NAME with a unit in its header (further columns: {columns})"
        )
    return scale.to_ours(read[0])


def _find_channel(shot: Shot, column: str) -> str:
    if not column:
        return ""
    header = find_header(column, shot.conditions)
    if header is None:
        columns = ", ".join(shot.conditions.extra) or "none"
        raise SchemeError(
            f"{shot.file}: no column {column!r} to share responses by; further columns: {columns}"
        )
    return shot.conditions.extra[header]


def find_header(typed: str, conditions: Conditions) -> str | None:
    """Find the further column of the workbook that a user names; None where none or several do.

    The header as it stands comes first; else signs that look alike are one (both characters for
    micro and the letter u, hyphens and minus signs, raised figures), as are capitals and spaces.
    """
    if typed.strip() in conditions.extra:
        return typed.strip()
    alike = [header for header in conditions.extra if fold_unit(header) == fold_unit(typed)]
    return alike[0] if len(alike) == 1 else None


def find_concentration(
    species: str, shot: Shot, scheme: Scheme, settings: MixtureSettings
) -> float | None:
    """Find the concentration of a species after mixing, mol/L; None for one that is only made."""
    given = settings.initial.get(species)
    if given is not None:
        return _possible(_given(species, given, shot, settings), species, given, shot)
    found = _by_name(species, shot.conditions)
    if found is not None:
        return _possible(found / settings.mixing_ratio, species, "the workbook", shot)
    if species in _only_consumed(scheme):
        columns = ", ".join(shot.conditions.extra) or "none"
        raise SchemeError(
            f"{shot.file}: the species {species} has no concentration; give one with --initial "
            f'"{species}=1.5 mM", "{species}=concentration" or "{species}=column NAME" '
            f"(further columns: {columns})"
        )
    return None


def _possible(amount: float, species: str, source: str, shot: Shot) -> float:
    if amount > DENSEST_M:
        raise SchemeError(
            f"{shot.file}: {species} would be {amount:.3g} M (from {source}), more than any liquid "
            f"holds, such as water with 55.5 M; expected at most {DENSEST_M:g} M. Check the unit: "
            "M, mM, µM or nM"
        )
    return amount


def _given(species: str, given: str, shot: Shot, settings: MixtureSettings) -> float:
    if given == VARIED:
        stated = shot.conditions.concentration_M
        if stated is None:
            raise SchemeError(
                f"{shot.file}: the workbook has no concentration for {species}; expected one in a "
                'column such as "[S] after mixing (µM)", or another way of --initial: '
                f'"{species}=1.5 mM" or "{species}=column NAME" (further columns: '
                f"{', '.join(shot.conditions.extra) or 'none'})"
            )
        return stated / settings.mixing_ratio
    if given.startswith(COLUMN):
        header = given.removeprefix(COLUMN).strip()
        found = find_header(header, shot.conditions)
        amount = None if found is None else _molar(shot.conditions.extra[found], molar_unit(found))
        if amount is None:
            columns = ", ".join(shot.conditions.extra) or "none"
            raise SchemeError(
                f"{shot.file}: no concentration of {species} in a column {header!r}; further "
                f"columns: {columns}"
            )
        return amount / settings.mixing_ratio
    amount = _molar(given, "")
    if amount is None:
        raise SchemeError(
            f"the concentration {given!r} of {species} is none; expected a number of 0 or more "
            f"with a unit such as 1.5 mM, {VARIED}, or {COLUMN}NAME"
        )
    return amount


def _by_name(species: str, conditions: Conditions) -> float | None:
    if _same_name(species, conditions.substrate or ""):
        return conditions.concentration_M
    header = _column_named(species, conditions)
    return None if header is None else _molar(conditions.extra[header], molar_unit(header))


def _column_named(species: str, conditions: Conditions) -> str | None:
    for header in conditions.extra:
        first = re.split(r"[\s(\[]+", header.lstrip("[("))[0].rstrip(")]")
        if molar_unit(header) and _same_name(species, first):
            return header
    return None


def find_used_columns(
    scheme: Scheme, settings: MixtureSettings, conditions: Sequence[Conditions]
) -> tuple[str, ...]:
    """Name the further columns of the workbook that the scheme or the detector knows of."""
    given = [
        text.removeprefix(COLUMN)
        for text in (*settings.initial.values(), settings.delay)
        if text.startswith(COLUMN)
    ]
    given += [settings.channel_column] if settings.channel_column else []
    unnamed = [species for species in scheme.species if species not in settings.initial]
    headers = [find_header(text, item) for item in conditions for text in given]
    headers += [_column_named(species, item) for item in conditions for species in unnamed]
    return tuple(dict.fromkeys(header for header in headers if header is not None))


def _same_name(species: str, text: str) -> bool:
    """Compare names without charges, which schemes do not write."""
    return bool(text) and re.sub(r"[\d⁰-⁹]*[+\-−⁺⁻]+$", "", text).casefold() == species.casefold()


def _only_consumed(scheme: Scheme) -> set[str]:
    """Species that no step makes from others: those of the first side of a chain, mostly."""
    made = {
        name
        for step in scheme.steps
        if not step.is_back
        for name in step.products
        if name not in step.reactants
    }
    consumed = {name for step in scheme.steps for name in step.reactants}
    first = set(scheme.steps[0].reactants)
    return (consumed - made) | first


def _molar(text: str, unit: str) -> float | None:
    read = parse_quantity(text)
    if read is None or not read[0] >= 0:
        return None
    scale = find_scale(CONCENTRATION, read[1] or unit) if (read[1] or unit) else None
    if scale is None:
        return 0.0 if read[0] == 0 else None
    return scale.to_ours(read[0])


def measure_change(signal: FloatArray, file: str) -> float:
    """Measure by how much a signal (n,) changes, points that are no numbers aside.

    Raises
    ------
    SchemeError
        When its squares would be no numbers.
    """
    finite = signal[np.isfinite(signal)]
    change = float(finite.max() - finite.min()) if len(finite) else 0.0
    if change and not CHANGES[0] < change < CHANGES[1]:
        raise SchemeError(
            f"{file}: the signal changes by {change:.3g}, in a unit that is out of all measure; "
            f"expected {CHANGES[0]:g} to {CHANGES[1]:g}"
        )
    return change


def _noise(signal: FloatArray, file: str) -> float:
    """Estimate the noise of a point without a model; widened where neighbours are correlated."""
    change = measure_change(signal, file)
    if len(signal) >= FEWEST_FOR_NOISE:
        noise = estimate_noise(signal)
        sd = noise.sd * noise.inflation
    else:
        sd = float(np.std(np.diff(signal, n=2)) / np.sqrt(6))
    if not sd > 0:
        sd = 1e-6 * change
    if not sd > 0:
        raise SchemeError(f"{file}: the signal does not change")
    return sd
