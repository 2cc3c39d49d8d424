"""An experiment while it waits to be compared with all others: some hundred bytes a shot.

A shot that passes is told from the others by its file, its condition and its workbook columns
alone. It is kept as these and made anew when it is asked for; a shot with findings stays as it is.
Of the conditions, what many have in common is kept once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from sys import intern
from typing import overload

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.verdicts.findings import Finding
from stopflow.kinetics.verdicts.repeatability import Series
from stopflow.kinetics.verdicts.series import ConditionAnalysis, ExperimentAnalysis, JudgedShot
from stopflow.kinetics.verdicts.shot import ShotAnalysis
from stopflow.trace import Conditions, FloatArray, frozen_array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightShots(Sequence[JudgedShot]):
    """The judged shots of an experiment, without their fits.

    Attributes
    ----------
    files, ends
        Names of the files, one after the other, and where (n,) each ends.
    conditions, kinds
        (n,) of each shot: its condition, and its place among `alike`.
    alike
        Shots without findings, but for the file and the condition: one for many.
    own
        The other shots, by their place.
    """

    files: str
    ends: NDArray[np.int32]
    conditions: NDArray[np.int32]
    kinds: NDArray[np.int32]
    alike: tuple[ShotAnalysis, ...]
    own: Mapping[int, JudgedShot]

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> JudgedShot: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[JudgedShot]: ...

    def __getitem__(self, index: int | slice) -> JudgedShot | Sequence[JudgedShot]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        if place in self.own:
            return self.own[place]
        first = int(self.ends[place - 1]) if place else 0
        shot = replace(self.alike[self.kinds[place]], file=self.files[first : self.ends[place]])
        return JudgedShot(shot=shot, own=(), condition=int(self.conditions[place]))


def with_findings(
    shots: Sequence[JudgedShot], among: Mapping[int, tuple[Finding, ...]]
) -> Sequence[JudgedShot]:
    """Put findings about shots among their replicates, by place, in the place of earlier ones."""
    if isinstance(shots, LightShots):
        own = {**shots.own, **{place: shots[place] for place in among}}
        judged = {place: replace(shot, among=among.get(place, ())) for place, shot in own.items()}
        return replace(shots, own=judged)
    return tuple(replace(shot, among=among.get(place, ())) for place, shot in enumerate(shots))


def lighten(analysis: ExperimentAnalysis) -> ExperimentAnalysis:
    """Keep what the comparison needs of an experiment that is `without_fits` already."""
    alike: dict[tuple[object, ...], tuple[int, ShotAnalysis]] = {}
    given: dict[tuple[tuple[str, str], ...], Conditions] = {}
    own: dict[int, JudgedShot] = {}
    kinds = np.zeros(len(analysis.shots), dtype=np.int32)
    for place, judged in enumerate(analysis.shots):
        shot, extra = judged.shot, tuple(judged.shot.conditions.extra.items())
        if extra not in given:
            given[extra] = _shared_texts(shot.conditions)
        if judged.findings or judged.left_out is not None or shot.refusal is not None:
            own[place] = replace(judged, shot=replace(shot, conditions=given[extra]))
            continue
        key = (shot.channel, shot.signal_unit, *extra)
        if key not in alike:
            alike[key] = len(alike), replace(shot, file="", conditions=given[extra])
        kinds[place], _ = alike[key]
    shots = LightShots(
        files="".join(judged.shot.file for judged in analysis.shots),
        ends=np.cumsum([len(judged.shot.file) for judged in analysis.shots], dtype=np.int32),
        conditions=np.array([judged.condition for judged in analysis.shots], dtype=np.int32),
        kinds=kinds,
        alike=tuple(shot for _, shot in alike.values()),
        own=own,
    )
    conditions = tuple(_light_condition(condition) for condition in analysis.conditions)
    return replace(analysis, shots=shots, conditions=conditions)


def _shared_texts(conditions: Conditions) -> Conditions:
    extra = {intern(name): intern(text) for name, text in conditions.extra.items()}
    substrate = conditions.substrate
    return replace(conditions, extra=extra, substrate=substrate and intern(substrate))


def _light_condition(condition: ConditionAnalysis) -> ConditionAnalysis:
    each = condition.mean if condition.each == condition.mean else condition.each
    return replace(
        condition,
        conditions=_shared_texts(condition.conditions),
        each=each,
        everyone=each if condition.everyone == each else condition.everyone,
        run=_shared_order(condition.run),
        sizes=_shared_order(condition.sizes),
    )


def _shared_order(series: Series) -> Series:
    usual = _counting(len(series))
    return replace(series, order=usual) if np.array_equal(series.order, usual) else series


@lru_cache(maxsize=64)
def _counting(count: int) -> FloatArray:
    return frozen_array(np.arange(count, dtype=np.float64))
