"""Shots side by side: conditions, their mean rates, and what only several shots can show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stopflow.kinetics.quality import RULES, Finding, Verdict, verdict_of
from stopflow.kinetics.repeatability import (
    Series,
    as_series,
    drift_of,
    outliers_of,
    pool,
    scatter_of,
)
from stopflow.kinetics.replicates import ReplicateMean, average_replicates
from stopflow.kinetics.settings import AnalysisSettings, QualityThresholds
from stopflow.kinetics.shot import ShotAnalysis
from stopflow.trace import Conditions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedShot:
    """A shot with its verdict.

    Attributes
    ----------
    own, among
        Findings about the shot itself, and about it among its replicates.
    condition
        Index of its condition in the experiment.
    """

    shot: ShotAnalysis
    own: tuple[Finding, ...]
    among: tuple[Finding, ...] = ()
    condition: int

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
        """Whether its rate enters means and secondary plots."""
        return self.shot.result is not None and verdict_of(self.own) is not Verdict.FAIL


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConditionAnalysis:
    """One condition of an experiment.

    Attributes
    ----------
    conditions
        Of its first shot; concentrations as in the workbook.
    concentration_after_mixing_M
        None where the workbook does not say it.
    members
        Indices of its shots in the experiment.
    mean
        Over the usable shots.
    amplitude, signal_to_noise
        Medians over the usable shots.
    findings
        About the condition.
    """

    index: int
    conditions: Conditions
    concentration_after_mixing_M: float | None
    members: tuple[int, ...]
    mean: ReplicateMean
    amplitude: float
    signal_to_noise: float
    findings: tuple[Finding, ...] = ()


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
    shots: tuple[JudgedShot, ...]
    conditions: tuple[ConditionAnalysis, ...]


def group_shots(shots: Sequence[ShotAnalysis]) -> list[list[int]]:
    """Group indices of replicates, in order of their first shot.

    Shots are replicates when their conditions are equal and known: with a concentration, or with
    numbers of repeats that differ. Otherwise every shot stands alone.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, shot in enumerate(shots):
        key = shot.conditions.group_key()
        groups.setdefault((*key, shot.channel), []).append(index)
    found: list[list[int]] = []
    for members in groups.values():
        numbers = [shots[index].conditions.replicate for index in members]
        known = shots[members[0]].conditions.concentration_M is not None
        numbered = None not in numbers and len(set(numbers)) == len(numbers)
        found += [members] if known or numbered else [[index] for index in members]
    return sorted(found)


def build_conditions(
    shots: Sequence[JudgedShot], settings: AnalysisSettings
) -> tuple[ConditionAnalysis, ...]:
    """Average the usable shots of every condition."""
    count = 1 + max((shot.condition for shot in shots), default=-1)
    return tuple(_build_condition(index, shots, settings) for index in range(count))


def _build_condition(
    index: int, shots: Sequence[JudgedShot], settings: AnalysisSettings
) -> ConditionAnalysis:
    members = tuple(i for i, shot in enumerate(shots) if shot.condition == index)
    results = [shots[i].shot.result for i in members if shots[i].usable]
    used = [result for result in results if result is not None]
    conditions = shots[members[0]].shot.conditions
    stated = conditions.concentration_M
    return ConditionAnalysis(
        index=index,
        conditions=conditions,
        concentration_after_mixing_M=None if stated is None else stated / settings.mixing_ratio,
        members=members,
        mean=average_replicates(
            [result.fit.k_per_s for result in used],
            [result.k_stderr_per_s for result in used],
            interval=(used[0].k_low_per_s, used[0].k_high_per_s) if len(used) == 1 else None,
        ),
        amplitude=_median([result.fit.amplitude for result in used]),
        signal_to_noise=_median([result.fit.signal_to_noise for result in used]),
    )


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def judge_series(
    experiments: Sequence[ExperimentAnalysis], settings: AnalysisSettings
) -> tuple[ExperimentAnalysis, ...]:
    """Judge every condition against all others of the lab; replaces earlier such findings."""
    limits = settings.thresholds
    places = [
        (number, condition.index)
        for number, experiment in enumerate(experiments)
        for condition in experiment.conditions
    ]
    members = [_usable_members(experiments[number], index) for number, index in places]
    series = [
        _series(experiments[number], used)
        for (number, _), used in zip(places, members, strict=True)
    ]
    common = pool(series)
    tested = max(sum(len(item) >= 3 for item in series), 1)
    shots_tested = max(sum(len(item) for item in series if len(item) >= 3), 1)
    about_conditions: dict[tuple[int, int], list[Finding]] = {place: [] for place in places}
    about_shots: dict[tuple[int, int], Finding] = {}
    for place, used, item, outliers in zip(
        places, members, series, outliers_of(series), strict=True
    ):
        chance = limits.replicate_chance / tested
        drift, scatter = drift_of(item, common), scatter_of(item, common)
        if drift and drift.chance < chance:
            about_conditions[place].append(
                RULES["replicate-drift"].finding(
                    f"k drifts by {drift.size:+.1%} from the first to the last of {len(item)} "
                    f"replicates (chance {drift.chance:.1g}): temperature not settled, or a "
                    "solution that ages; repeat this series"
                )
            )
        if scatter and scatter.chance < chance:
            about_conditions[place].append(
                RULES["replicate-scatter"].finding(
                    f"the replicates scatter {scatter.size:.1f} times as much as those of the "
                    f"other conditions (chance {scatter.chance:.1g})"
                )
            )
        for index, outlier in zip(used, outliers, strict=True):
            if outlier and outlier.chance < limits.replicate_chance / shots_tested:
                about_shots[place[0], index] = RULES["outlier-shot"].finding(
                    f"k differs by {outlier.size:+.1%} from the other {len(item) - 1} replicates "
                    f"(chance {outlier.chance:.1g})"
                )
    return tuple(
        _with_findings(
            experiment,
            limits,
            about_conditions={
                index: found
                for (place, index), found in about_conditions.items()
                if place == number
            },
            about_shots={
                index: found for (place, index), found in about_shots.items() if place == number
            },
        )
        for number, experiment in enumerate(experiments)
    )


def _usable_members(experiment: ExperimentAnalysis, condition: int) -> list[int]:
    """List the usable shots in the order in which they were made."""
    used = [i for i in experiment.conditions[condition].members if experiment.shots[i].usable]
    return sorted(used, key=lambda i: (experiment.shots[i].shot.conditions.replicate or 0, i))


def _series(experiment: ExperimentAnalysis, used: Sequence[int]) -> Series:
    results = [experiment.shots[i].shot.result for i in used]
    known = [result for result in results if result is not None]
    return as_series(
        np.arange(len(known)),
        [result.fit.k_per_s for result in known],
        [result.k_stderr_per_s for result in known],
    )


def _with_findings(
    experiment: ExperimentAnalysis,
    limits: QualityThresholds,
    *,
    about_conditions: dict[int, list[Finding]],
    about_shots: dict[int, Finding],
) -> ExperimentAnalysis:
    shots = tuple(
        replace(shot, among=(about_shots[i],) if i in about_shots else ())
        for i, shot in enumerate(experiment.shots)
    )
    falling = _falling_amplitudes(experiment.conditions, limits)
    conditions = tuple(
        replace(
            condition,
            findings=(
                *_own_findings(condition, shots, limits),
                *about_conditions.get(condition.index, ()),
                *falling.get(condition.index, ()),
            ),
        )
        for condition in experiment.conditions
    )
    return replace(experiment, shots=shots, conditions=conditions)


def _own_findings(
    condition: ConditionAnalysis, shots: Sequence[JudgedShot], limits: QualityThresholds
) -> list[Finding]:
    members = [shots[i] for i in condition.members]
    if not any(shot.usable for shot in members):
        worst = "; ".join(dict.fromkeys(f.text for shot in members for f in shot.own[:1]))
        return [RULES["none-fitted"].finding(f"no shot can be used: {worst}")]
    findings = []
    mean = condition.mean
    if mean.between_shot_sd_per_s > limits.scatter_share * mean.k_per_s:
        share = mean.between_shot_sd_per_s / mean.k_per_s
        findings.append(RULES["scatter"].finding(f"the shots scatter by {share:.0%} of k"))
    odd = [shot for shot in members if shot.verdict is not Verdict.PASS]
    if odd:
        rules = dict.fromkeys(finding.rule for shot in odd for finding in shot.findings)
        named = [shot.shot.file for shot in odd]
        some = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
        findings.append(
            RULES["shots"].finding(
                f"{len(odd)} of {len(members)} shots with {', '.join(rules)} ({some})"
            )
        )
    return findings


def _falling_amplitudes(
    conditions: Sequence[ConditionAnalysis], limits: QualityThresholds
) -> dict[int, list[Finding]]:
    """Find amplitudes that fall as the concentration rises, everything else being equal."""
    rows: dict[tuple[object, ...], list[tuple[float, ConditionAnalysis]]] = {}
    for item in conditions:
        if item.concentration_after_mixing_M is not None and np.isfinite(item.amplitude):
            given = item.conditions
            key = (given.substrate, given.temperature_K, given.ionic_strength_M)
            rows.setdefault(key, []).append((item.concentration_after_mixing_M, item))
    found: dict[int, list[Finding]] = {}
    for row in rows.values():
        ordered = [item for _, item in sorted(row, key=lambda pair: pair[0])]
        sizes = np.abs([item.amplitude for item in ordered])
        if len(ordered) < 3:
            continue
        top = int(np.argmax(sizes))
        for item, size in zip(ordered[top + 1 :], sizes[top + 1 :], strict=True):
            fall = 1 - size / sizes[top]
            if fall > limits.amplitude_fall:
                text = (
                    f"the amplitude is {fall:.0%} smaller than at lower concentration: part of "
                    "the reaction is over before the first fitted point (dead time and cut)"
                )
                found.setdefault(item.index, []).append(RULES["amplitude-falls"].finding(text))
    return found
