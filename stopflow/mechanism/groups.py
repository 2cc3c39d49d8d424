"""Shots that differ in something the scheme does not know are fitted apart, or it is said.

Ionic strength, pH or another substrate change the constants, and a scheme has no place for them.
Where mixtures of the same composition differ in such a thing, there is a group of shots for each of
its values, with constants of its own. Where it goes with the composition, so that every mixture has
only one value of it, groups would take the concentrations apart that the constants are found from:
then the shots stay together and the difference is named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stopflow.io.units import say_celsius
from stopflow.kinetics.verdicts.workbook_columns import telling_columns
from stopflow.mechanism.observations import MechanismShot
from stopflow.trace import Conditions

SAME_TEMPERATURE_K = 0.5
"""Temperatures that lie closer together are one."""
IONIC_STRENGTH, TEMPERATURE, SUBSTRATE = "ionic strength", "temperature", "substrate"
NOT_GIVEN = "not given"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredShot:
    """A shot as the global fit takes it, beside its conditions in the workbook."""

    shot: MechanismShot
    conditions: Conditions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotGroup:
    """Shots that a scheme can describe with the same constants.

    Attributes
    ----------
    label
        What they share that others do not, such as ``"ionic strength 0.086 M"``; empty where there
        is one group.
    """

    label: str
    shots: tuple[MechanismShot, ...]


def divide_shots(
    measured: Sequence[MeasuredShot], *, used_columns: Sequence[str], eyring: bool
) -> tuple[list[ShotGroup], list[str]]:
    """Divide shots by what the scheme does not know.

    Parameters
    ----------
    used_columns
        Further columns of the workbook that give concentrations of the scheme.
    eyring
        Whether constants depend on temperature, so that the scheme knows it.

    Returns
    -------
    groups
        In the order in which they first occur.
    remarks
        What differs within a group, in sentences.
    """
    differences = _differences(measured, used_columns=used_columns, eyring=eyring)
    mixtures = [_mixture(item.shot, eyring=eyring) for item in measured]
    apart = [name for name, values in differences.items() if _tells_apart(values, mixtures)]
    remarks = [
        f"the {name} differs between mixtures ({_listed(values)}), and the scheme does not know "
        "it: its constants are those of all of them together"
        for name, values in differences.items()
        if name not in apart
    ]
    groups: dict[tuple[str, ...], list[MechanismShot]] = {}
    for number, item in enumerate(measured):
        key = tuple(differences[name][number] for name in apart)
        groups.setdefault(key, []).append(item.shot)
    return [
        ShotGroup(
            label=", ".join(f"{name} {value}" for name, value in zip(apart, key, strict=True)),
            shots=tuple(shots),
        )
        for key, shots in groups.items()
    ], remarks


def _differences(
    measured: Sequence[MeasuredShot], *, used_columns: Sequence[str], eyring: bool
) -> dict[str, list[str]]:
    """List, for each quantity that differs, its value at every shot in words."""
    conditions = [item.conditions for item in measured]
    found = {
        SUBSTRATE: [item.substrate or NOT_GIVEN for item in conditions],
        IONIC_STRENGTH: [_molar(item.ionic_strength_M) for item in conditions],
    }
    if not eyring:
        found[TEMPERATURE] = _temperatures([item.shot.temperature_K for item in measured])
    for column in telling_columns(conditions):
        if column not in used_columns:
            found[column] = [item.extra.get(column, "") or NOT_GIVEN for item in conditions]
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def _molar(value: float | None) -> str:
    return NOT_GIVEN if value is None else f"{value:.4g} M"


def _temperatures(kelvin: Sequence[float]) -> list[str]:
    """Name each temperature by the mean of those that are the same."""
    order = np.argsort(kelvin, kind="stable")
    rising = np.asarray(kelvin)[order]
    cluster = np.concatenate(([0], np.cumsum(np.diff(rising) > SAME_TEMPERATURE_K)))
    means = [float(rising[cluster == number].mean()) for number in range(cluster[-1] + 1)]
    named = [""] * len(rising)
    for place, number in zip(order, cluster, strict=True):
        named[place] = say_celsius(means[number])
    return named


def _mixture(shot: MechanismShot, *, eyring: bool) -> tuple[object, ...]:
    kelvin = shot.temperature_K if eyring else None
    return (*sorted(shot.start_M.items()), shot.delay_s, shot.channel, kelvin)


def _tells_apart(values: Sequence[str], mixtures: Sequence[tuple[object, ...]]) -> bool:
    """Whether one and the same mixture occurs with several values."""
    seen: Mapping[tuple[object, ...], str] = dict(zip(mixtures, values, strict=True))
    return any(seen[mixture] != value for mixture, value in zip(mixtures, values, strict=True))


def _listed(values: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(values))
    shown = ", ".join(distinct[:5])
    return shown if len(distinct) <= 5 else f"{shown} and {len(distinct) - 5} more"
