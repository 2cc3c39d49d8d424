"""Shots side by side: which ones are replicates, and the mean rate of each condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from sys import intern
from typing import Final

import numpy as np

from stopflow.kinetics.laws.phases import AMPLITUDES, FIRST_RATE
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.kinetics.verdicts.condition_fit import ConditionFit
from stopflow.kinetics.verdicts.findings import Finding, Verdict, verdict_of
from stopflow.kinetics.verdicts.repeatability import Deviation, Series, as_series
from stopflow.kinetics.verdicts.replicates import ReplicateMean, average_replicates
from stopflow.kinetics.verdicts.series_phases import (
    PhaseMean,
    amplitude_sizes,
    average_phases,
    take_together,
)
from stopflow.kinetics.verdicts.shot import ShotAnalysis, ShotResult
from stopflow.kinetics.verdicts.workbook_columns import describe_mixture, telling_columns
from stopflow.trace import Conditions

VARIES: Final = "\0varies"
"""Stands for the text of a replicate in a column in which replicates differ."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedShot:
    """A shot with its verdict.

    Attributes
    ----------
    own, among
        Findings about the shot itself, and about it among its replicates.
    condition
        Index of its condition in the experiment.
    left_out
        How far its rate is from those of its replicates, where it is left out of their mean.
    """

    shot: ShotAnalysis
    own: tuple[Finding, ...]
    among: tuple[Finding, ...] = ()
    condition: int
    left_out: Deviation | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings."""
        return self.own + self.among

    @property
    def verdict(self) -> Verdict:
        """Worst of all findings."""
        return verdict_of(self.findings)

    @property
    def usable(self) -> bool:
        """Whether its rate is one to trust."""
        return self.shot.refusal is None and verdict_of(self.own) is not Verdict.FAIL

    @property
    def averaged(self) -> bool:
        """Whether its rate enters means and secondary plots."""
        return self.usable and self.left_out is None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConditionAnalysis:
    """One condition of an experiment.

    Attributes
    ----------
    conditions
        Of its first shot; concentrations as in the workbook.
    concentration_after_mixing_M
        None where the workbook does not say it.
    mixture
        What further columns of the workbook tell it from the others by, such as ``"pH 7"``.
    members
        Indices of its shots in the experiment.
    run, run_members
        ln k of the averaged shots in the order in which they were made, and their indices.
    mean
        The rate of the condition: the mean over the averaged shots, or of one fit of all of them.
    each
        Mean over the rates of the averaged shots, whatever `mean` is.
    everyone
        The same over all usable shots, also those that are left out of the other means.
    together
        The one fit of all averaged shots, where it was asked for and there are two or more.
    amplitude, signal_to_noise
        Medians over the averaged shots.
    half_life_times_k
        The rate law's own multiple of 1/k, the median over the shots with a rate.
    sizes
        ln of the size of the amplitudes, in the order of `run`; NaN where the rate law has none.
    further
        Its slower phases, where the rate law has them.
    findings
        About the condition.
    """

    index: int
    conditions: Conditions
    concentration_after_mixing_M: float | None
    mixture: str
    members: tuple[int, ...]
    run: Series
    run_members: tuple[int, ...]
    mean: ReplicateMean
    each: ReplicateMean
    everyone: ReplicateMean
    together: ConditionFit | None = None
    amplitude: float
    sizes: Series
    signal_to_noise: float
    half_life_times_k: float
    further: tuple[PhaseMean, ...] = ()
    findings: tuple[Finding, ...] = ()

    def phase(self, rate: str) -> PhaseMean | None:
        """Return the phase of a rate, a column such as ``"k2_per_s"``; None where there is none."""
        if rate == FIRST_RATE:
            return PhaseMean(
                rate=rate, run=self.run, mean=self.mean, amplitude=self.amplitude, sizes=self.sizes
            )
        return next((item for item in self.further if item.rate == rate), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExperimentAnalysis:
    """An experiment analysed; light enough to send between processes (no traces).

    Attributes
    ----------
    law
        Key of the law fitted.
    notes
        What was decided on the way, e.g. by ``auto``.
    """

    name: str
    law: str
    notes: tuple[str, ...]
    shots: Sequence[JudgedShot]
    conditions: tuple[ConditionAnalysis, ...]

    def without_fits(self) -> "ExperimentAnalysis":
        """Keep what the comparison with other experiments needs: some hundred bytes a shot."""
        described: dict[tuple[tuple[str, str], ...], Conditions] = {}
        varying = self._varying_columns()
        first = {condition.members[0] for condition in self.conditions if condition.members}

        def told_apart(place: int, given: Conditions) -> Conditions:
            # Of a column that varies among replicates nothing else counts.
            extra = {
                name: text if name not in varying or place in first else VARIES
                for name, text in given.extra.items()
            }
            return described.setdefault(tuple(extra.items()), Conditions(extra=extra))

        shots = tuple(
            replace(
                judged,
                shot=ShotAnalysis(
                    experiment=self.name,
                    file=judged.shot.file,
                    channel=judged.shot.channel,
                    conditions=told_apart(place, judged.shot.conditions),
                    workbook_rate_per_s=None,
                    signal_unit=intern(judged.shot.signal_unit),
                    refusal=judged.shot.refusal,
                    law=self.law,
                ),
            )
            for place, judged in enumerate(self.shots)
        )
        return replace(self, shots=shots)

    def _varying_columns(self) -> set[str]:
        """Name the further columns of the workbook that differ among replicates."""
        varying: set[str] = set()
        for condition in self.conditions:
            extras = [self.shots[place].shot.conditions.extra for place in condition.members]
            names = {name for extra in extras for name in extra} - varying
            varying |= {n for n in names if len({extra.get(n, "") for extra in extras}) > 1}
        return varying


def group_shots(shots: Sequence[ShotAnalysis]) -> list[list[int]]:
    """Group indices of replicates, in order of their first shot.

    Shots are replicates when their conditions are equal and known: with a concentration, or with
    numbers of repeats that differ. Otherwise every shot stands alone. Further columns of the
    workbook, such as pH, count where they tell conditions apart (`telling_columns`).
    """
    telling = telling_columns([shot.conditions for shot in shots])
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, shot in enumerate(shots):
        further = tuple(shot.conditions.extra.get(name, "") for name in telling)
        key = (*shot.conditions.group_key(), *further, shot.channel)
        groups.setdefault(key, []).append(index)
    found: list[list[int]] = []
    for members in groups.values():
        numbers = [shots[index].conditions.replicate for index in members]
        known = shots[members[0]].conditions.concentration_M is not None
        numbered = None not in numbers and len(set(numbers)) == len(numbers)
        found += [members] if known or numbered else [[index] for index in members]
    return sorted(found)


def build_conditions(
    shots: Sequence[JudgedShot],
    settings: AnalysisSettings,
    together: Mapping[int, ConditionFit | None],
) -> tuple[ConditionAnalysis, ...]:
    """Average the shots of every condition.

    Parameters
    ----------
    together
        Fits of all averaged shots of a condition, by its index; those there are go before averages.
    """
    count = 1 + max((shot.condition for shot in shots), default=-1)
    telling = telling_columns([shot.shot.conditions for shot in shots])
    return tuple(
        _build_condition(index, shots, settings, telling, together=together.get(index))
        for index in range(count)
    )


def _build_condition(
    index: int,
    shots: Sequence[JudgedShot],
    settings: AnalysisSettings,
    telling: Sequence[str],
    *,
    together: ConditionFit | None,
) -> ConditionAnalysis:
    members = tuple(i for i, shot in enumerate(shots) if shot.condition == index)
    order = sorted(members, key=lambda i: (shots[i].shot.conditions.replicate or 0, i))
    usable = [
        (i, result)
        for i in order
        if shots[i].usable and (result := shots[i].shot.result) is not None
    ]
    used = [(i, result) for i, result in usable if shots[i].averaged]
    k = [result.fit.k_per_s for _, result in used]
    errors = [result.k_stderr_per_s for _, result in used]
    conditions = shots[members[0]].shot.conditions
    stated = conditions.concentration_M
    each = _average([result for _, result in used])
    amplitude = _median([result.fit.amplitude for _, result in used])
    return ConditionAnalysis(
        index=index,
        conditions=conditions,
        concentration_after_mixing_M=None if stated is None else stated / settings.mixing_ratio,
        mixture=describe_mixture(conditions, telling),
        members=members,
        run=as_series(np.arange(len(used)), k, errors),
        run_members=tuple(i for i, _ in used),
        mean=take_together(each, together, FIRST_RATE),
        each=each,
        everyone=_average([result for _, result in usable]),
        together=together,
        amplitude=together.amplitudes.get("amplitude", amplitude) if together else amplitude,
        sizes=amplitude_sizes([result for _, result in used], AMPLITUDES[FIRST_RATE]),
        half_life_times_k=_median(
            [
                result.half_life_s * result.fit.k_per_s
                for i in members
                if (result := shots[i].shot.result) is not None
            ]
        ),
        signal_to_noise=_median([result.fit.signal_to_noise for _, result in used]),
        further=average_phases([result for _, result in used], together),
    )


def _average(results: Sequence[ShotResult]) -> ReplicateMean:
    only = results[0] if len(results) == 1 else None
    return average_replicates(
        [result.fit.k_per_s for result in results],
        [result.k_stderr_per_s for result in results],
        interval=only.intervals["k_per_s"] if only else None,
    )


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")
