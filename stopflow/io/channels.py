"""Which signals of a recording are fitted, and the mention of those that are not."""

from collections.abc import Sequence
from math import isfinite
from typing import Final, Literal

import numpy as np

from stopflow.errors import SettingsError
from stopflow.trace import FloatArray, Problem, Recording, note_of, warning_of

ALL: Final = "all"
Channels = int | Literal["all"] | None
"""A channel from 1, all of them, or None: the first, of a diode array the liveliest."""

FEW = 4
"""Signals with wavelengths up to this number are channels; more are a spectrum."""

_BLOCKS = 24


def parse_channel(text: str | int | None) -> Channels:
    """Turn ``"2"`` or ``"all"`` into a choice of channels.

    Raises
    ------
    SettingsError
        For anything else.
    """
    if text is None or (isinstance(text, int) and not isinstance(text, bool) and text >= 1):
        return text
    plain = str(text).strip().casefold()
    if plain == ALL:
        return ALL
    if plain.isascii() and plain.isdigit() and len(plain) < 7 and int(plain) >= 1:
        return int(plain)
    raise SettingsError("--channel", text, valid="a number from 1, or all")


def liveliest(recordings: Sequence[Recording]) -> int:
    """Return the channel whose signal changes most against its noise, over all recordings.

    Recordings must have the same wavelengths, so that replicates are read at the same one.
    """
    total = np.zeros(recordings[0].channels)
    for recording in recordings:
        scores = np.array([_liveliness(signal) for signal in recording.signals])
        best = scores.max()
        total += scores / best if best > 0 else scores
    return int(np.argmax(total)) + 1


def choose_channels(
    recording: Recording, *, channel: Channels, wavelength_nm: float | None, usual: int
) -> tuple[list[int], list[Problem]]:
    """Return the channels to fit and a mention of the others.

    Parameters
    ----------
    usual
        What is taken where neither a channel nor a wavelength is wanted.

    Raises
    ------
    FormatError
        When the wanted wavelength is not there.
    """
    count = recording.channels
    if channel == ALL:
        return list(range(1, count + 1)), []
    if wavelength_nm is not None:
        chosen = recording.channel_at(wavelength_nm)
        at = recording.wavelengths_nm[chosen - 1]
        if abs(at - wavelength_nm) < 1e-9:
            return [chosen], []
        found = f"no signal at exactly {wavelength_nm:g} nm; that at {at:g} nm is fitted"
        return [chosen], [note_of(recording.name, found, rule="nearest-wavelength")]
    if channel is not None or count == 1:
        return [channel or 1], []
    others = "--channel 2 or --channel all for the others"
    if _is_spectrum(recording):
        known = [value for value in recording.wavelengths_nm if isfinite(value)]
        at = recording.wavelengths_nm[usual - 1]
        found = (
            f"{count} wavelengths, {min(known):g} to {max(known):g} nm; that at {at:g} nm is "
            "fitted, where the signal changes most"
        )
        others = "--wavelength, or --channel all, for others"
        return [usual], [warning_of(recording.name, found, expected=others, rule="one-wavelength")]
    named = [recording.describe_channel(number) for number in range(1, min(count, 6) + 1)]
    more = ", ..." if count > 6 else ""
    found = f"{count} signals: {', '.join(named)}{more}; the first is fitted"
    return [1], [warning_of(recording.name, found, expected=others, rule="one-signal")]


def usual_channels(recordings: Sequence[Recording]) -> dict[str, int]:
    """Return the channel to take of each recording, by name, where nothing is asked for."""
    groups: dict[tuple[float, ...], list[Recording]] = {}
    for recording in recordings:
        if _is_spectrum(recording):
            groups.setdefault(recording.wavelengths_nm, []).append(recording)
    return {
        member.name: channel
        for members in groups.values()
        for channel in (liveliest(members),)
        for member in members
    }


def _is_spectrum(recording: Recording) -> bool:
    return sum(map(isfinite, recording.wavelengths_nm)) > FEW


def _liveliness(signal: FloatArray) -> float:
    """Return the change of a signal over blocks against its noise; 0 for a constant one."""
    values = signal[np.isfinite(signal)]
    if len(values) < 2 * _BLOCKS:
        return float(np.ptp(values)) if len(values) else 0.0
    means = np.array([block.mean() for block in np.array_split(values, _BLOCKS)])
    noise = float(np.median(np.abs(np.diff(values)))) / 0.954
    change = float(means.std())
    floor = float(np.abs(values).max()) * 1e-6
    return change**2 / (noise + floor) if noise + floor > 0 else 0.0
