"""The conditions whose rates do not follow the curve of their secondary plot."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stopflow.kinetics.secondary.fit import SecondaryFit
from stopflow.kinetics.settings import QualityThresholds
from stopflow.kinetics.verdicts.rules import RULES, Finding
from stopflow.kinetics.verdicts.series import ExperimentAnalysis


def judge_curves(
    experiments: Sequence[ExperimentAnalysis],
    fits: Sequence[SecondaryFit],
    limits: QualityThresholds,
) -> tuple[ExperimentAnalysis, ...]:
    """Warn of the conditions whose rates do not follow the curve chosen for them.

    Parameters
    ----------
    experiments
        Judged by `judge_series`; their findings are added.
    fits
        Their secondary plots.
    """
    found: dict[tuple[str, int], tuple[Finding, ...]] = {}
    for fit in fits:
        judged = fit.chosen and fit.experiment and fit.members
        of_rates = fit.curve.model.against == "concentration" and fit.curve.model.of == "rate"
        text = _off_curve(fit, limits) if judged and of_rates else None
        if text:
            finding = RULES["off-curve"].finding(text)
            for member in fit.members:
                found[member] = (*found.get(member, ()), finding)
    return tuple(
        replace(
            item,
            conditions=tuple(
                replace(
                    condition,
                    findings=(
                        *condition.findings,
                        *found.get((item.name, condition.index), ()),
                    ),
                )
                for condition in item.conditions
            ),
        )
        for item in experiments
    )


def _off_curve(fit: SecondaryFit, limits: QualityThresholds) -> str | None:
    """Say how far the points lie off; None when they follow, or nothing shows what they should."""
    curve = fit.curve
    off = (fit.y - curve.model.function(fit.x, curve.values)[0]) / fit.y
    typical = float(np.sqrt(off @ off / max(curve.dof, 1)))
    known = curve.error_dof > 0
    if curve.misfit_chance >= limits.misfit_chance or not (known or typical > limits.scatter_share):
        return None
    worst = int(np.argmax(np.abs(off)))
    said = f"chance {curve.misfit_chance:.1g}" if known else "there are no replicates to judge by"
    rate = "k_obs" if fit.phase == "k" else fit.phase
    return (
        f"{rate} against concentration does not follow the {fit.kind}: the points lie "
        f"{typical:.1%} off, that at {fit.x[worst] * 1e3:.4g} mM {off[worst]:+.1%} ({said})"
    )
