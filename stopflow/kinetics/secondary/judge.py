"""The conditions whose rates do not follow the curve of their secondary plot."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stopflow.kinetics.secondary.fit import SecondaryFit
from stopflow.kinetics.settings import QualityThresholds
from stopflow.kinetics.verdicts.findings import Finding, Values
from stopflow.kinetics.verdicts.rules import RULES
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
        values = _off_curve(fit, limits) if judged and of_rates else None
        if values is not None:
            finding = RULES["off-curve"].finding(**values)
            for member in fit.members:
                found[member] = (*found.get(member, ()), finding)
    return tuple(
        replace(
            item,
            conditions=tuple(
                replace(
                    condition,
                    findings=(*condition.findings, *found.get((item.name, condition.index), ())),
                )
                for condition in item.conditions
            ),
        )
        for item in experiments
    )


def _off_curve(fit: SecondaryFit, limits: QualityThresholds) -> Values | None:
    """Find how far the points lie off; None when they follow, or nothing shows what they should."""
    curve = fit.curve
    off = (fit.y - curve.model.function(fit.x, curve.values)[0]) / fit.y
    typical = float(np.sqrt(off @ off / max(curve.dof, 1)))
    known = curve.error_dof > 0
    if curve.misfit_chance >= limits.misfit_chance or not (known or typical > limits.scatter_share):
        return None
    worst = int(np.argmax(np.abs(off)))
    return {
        "rate": "k_obs" if fit.phase == "k" else fit.phase,
        "kind": fit.kind,
        "typical": typical,
        "worst_mM": float(fit.x[worst]) * 1e3,
        "worst": float(off[worst]),
        **({"chance": curve.misfit_chance} if known else {}),
    }
