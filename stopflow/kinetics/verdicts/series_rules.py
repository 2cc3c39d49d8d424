"""What only several shots can show: drift, scatter, outliers, falling amplitudes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stopflow.kinetics.laws import find_law
from stopflow.kinetics.settings import QualityThresholds
from stopflow.kinetics.verdicts.awaiting_comparison import with_findings
from stopflow.kinetics.verdicts.findings import Finding, Verdict
from stopflow.kinetics.verdicts.repeatability import (
    FEWEST_SHOTS,
    Deviation,
    Repeatability,
    drift_of,
    outliers_of,
    pool,
    scatter_of,
)
from stopflow.kinetics.verdicts.rules import RULES
from stopflow.kinetics.verdicts.series import ConditionAnalysis, ExperimentAnalysis, JudgedShot
from stopflow.kinetics.verdicts.workbook_columns import partner_of

FEWEST_CONCENTRATIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    """The probability below which a test gives an alarm, for all tests of the lab (Bonferroni)."""

    common: Repeatability
    condition: float
    shot: float


def judge_series(
    experiments: Sequence[ExperimentAnalysis], limits: QualityThresholds
) -> tuple[ExperimentAnalysis, ...]:
    """Judge every condition against all others of the lab; replaces earlier such findings."""
    runs = [condition.run for item in experiments for condition in item.conditions]
    sizes = [len(run) for run in runs if len(run) >= FEWEST_SHOTS]
    bar = _Bar(
        common=pool(runs),
        condition=limits.replicate_chance / max(len(sizes), 1),
        shot=limits.replicate_chance / max(sum(sizes), 1),
    )
    outliers = iter(outliers_of(runs))
    return tuple(
        _judge_experiment(item, limits, bar, outliers=[next(outliers) for _ in item.conditions])
        for item in experiments
    )


def _judge_experiment(
    experiment: ExperimentAnalysis,
    limits: QualityThresholds,
    bar: _Bar,
    *,
    outliers: Sequence[Sequence[Deviation | None]],
) -> ExperimentAnalysis:
    among = {
        index: (_outlier_finding(deviation, replicates=len(condition.run) - 1),)
        for condition, deviations in zip(experiment.conditions, outliers, strict=True)
        for index, deviation in zip(condition.run_members, deviations, strict=True)
        if deviation and deviation.chance < bar.shot
    } | {
        index: (_left_out_finding(shot.left_out, experiment.conditions[shot.condition]),)
        for index, shot in enumerate(experiment.shots)
        if shot.left_out is not None
    }
    shots = with_findings(experiment.shots, among)
    falling = _falling_amplitudes(experiment.conditions, limits)
    stated = (item.conditions.concentration_M or 0.0 for item in experiment.conditions)
    largest = max(stated, default=0.0)
    conditions = tuple(
        replace(
            condition,
            findings=(
                *_own_findings(condition, [shots[i] for i in condition.members], limits),
                *_run_findings(condition, bar),
                *falling.get(condition.index, ()),
                *(
                    _excess_findings(condition, limits, largest_M=largest)
                    if find_law(experiment.law).pseudo_first_order
                    else ()
                ),
            ),
        )
        for condition in experiment.conditions
    )
    return replace(experiment, shots=shots, conditions=conditions)


def _outlier_finding(deviation: Deviation, *, replicates: int) -> Finding:
    return RULES["outlier-shot"].finding(
        size=deviation.size, replicates=replicates, chance=deviation.chance
    )


def _left_out_finding(deviation: Deviation, condition: ConditionAnalysis) -> Finding:
    return RULES["left-out"].finding(
        size=deviation.size, replicates=condition.each.shots, chance=deviation.chance
    )


def _without_outliers(condition: ConditionAnalysis, members: Sequence[JudgedShot]) -> list[Finding]:
    """Say which shots the mean leaves out, and what it would be with them."""
    files = tuple(shot.shot.file for shot in members if shot.left_out is not None)
    if not files:
        return []
    found = RULES["without-outliers"].finding(
        files=files,
        of=len(members),
        k_per_s=condition.each.k_per_s,
        k_stderr_per_s=condition.each.k_stderr_per_s,
        with_per_s=condition.everyone.k_per_s,
        with_stderr_per_s=condition.everyone.k_stderr_per_s,
    )
    return [found]


def _run_findings(condition: ConditionAnalysis, bar: _Bar) -> list[Finding]:
    findings = []
    drift, scatter = drift_of(condition.run, bar.common), scatter_of(condition.run, bar.common)
    if drift and drift.chance < bar.condition:
        found = RULES["replicate-drift"].finding(
            size=drift.size, replicates=len(condition.run), chance=drift.chance
        )
        findings.append(found)
    if scatter and scatter.chance < bar.condition:
        found = RULES["replicate-scatter"].finding(size=scatter.size, chance=scatter.chance)
        findings.append(found)
    return findings


def _own_findings(
    condition: ConditionAnalysis, members: Sequence[JudgedShot], limits: QualityThresholds
) -> list[Finding]:
    if not any(shot.usable for shot in members):
        fatal = (
            next((item for item in shot.findings if item.verdict is Verdict.FAIL), None)
            for shot in members
        )
        because = tuple(item for item in fatal if item is not None)
        return [replace(RULES["none-fitted"].finding(), because=because)]
    findings = list(condition.together.findings) if condition.together else []
    findings += _without_outliers(condition, members)
    mean = condition.mean
    if mean.between_shot_sd_per_s > limits.scatter_share * mean.k_per_s:
        share = mean.between_shot_sd_per_s / mean.k_per_s
        findings.append(RULES["scatter"].finding(share=share))
    averaged = [shot for shot in members if shot.left_out is None]
    odd = [shot for shot in averaged if shot.own]
    if odd:
        found = RULES["shots"].finding(
            of=len(members),
            rules=tuple(dict.fromkeys(item.rule for shot in odd for item in shot.own)),
            files=tuple(shot.shot.file for shot in odd),
        )
        findings.append(found)
    findings += [replace(item, about=shot.shot.file) for shot in averaged for item in shot.among]
    return findings


def _excess_findings(
    condition: ConditionAnalysis, limits: QualityThresholds, *, largest_M: float
) -> list[Finding]:
    """Compare the concentrations of the two reagents, where the workbook gives both."""
    varied = condition.conditions.concentration_M
    found = partner_of(condition.conditions, largest_M=largest_M) if varied else None
    if not varied or found is None:
        return []
    column, partner, named = found
    excess = max(varied / partner, partner / varied)
    if excess >= limits.excess_warn:
        return []
    rule = "no-excess" if named and excess < limits.excess_fail else "little-excess"
    factor, unit = (1e3, "mM") if min(varied, partner) >= 1e-3 else (1e6, "µM")
    finding = RULES[rule].finding(
        excess=excess,
        partner=factor * partner,
        varied=factor * varied,
        unit=unit,
        column=column,
        least=limits.excess_warn,
    )
    return [finding]


def _whole_amplitude(condition: ConditionAnalysis) -> float:
    """Change of all phases together, which does not depend on which of them is called the first."""
    further = [phase.amplitude for phase in condition.further]
    return condition.amplitude + sum(size for size in further if np.isfinite(size))


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
        if len(row) < FEWEST_CONCENTRATIONS:
            continue
        ordered = [item for _, item in sorted(row, key=lambda pair: pair[0])]
        sizes = np.abs([_whole_amplitude(item) for item in ordered])
        top = int(np.argmax(sizes))
        for item, size in zip(ordered[top + 1 :], sizes[top + 1 :], strict=True):
            fall = 1 - float(size / sizes[top])
            if fall > limits.amplitude_fall:
                found.setdefault(item.index, []).append(RULES["amplitude-falls"].finding(fall=fall))
    return found
