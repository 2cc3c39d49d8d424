"""Which rule moves orthonormal factors for which optimiser."""

from stopflow.lowrank.optimisers.adam import ColumnAdam, ElementAdam
from stopflow.lowrank.optimisers.moments import CoreRule, FactorRule, TangentMomentum
from stopflow.lowrank.optimisers.muon import Muon
from stopflow.lowrank.settings import StepSettings


def choose_rule(settings: StepSettings) -> CoreRule | FactorRule:
    """Return the rule of `settings.optimiser` for orthonormal factors."""
    beta = settings.momentum
    match settings.optimiser:
        case "sgd":
            return CoreRule(settings, keep=0.0, take=1.0, scalar=False)
        case "core-momentum":
            return CoreRule(settings, keep=beta, take=1.0, scalar=False)
        case "adam-scalar":
            return CoreRule(settings, keep=beta, take=1.0 - beta, scalar=True)
        case "momentum":
            return TangentMomentum(settings)
        case "adam-elementwise":
            return ElementAdam(settings)
        case "muon":
            return Muon(settings)
        case _:
            return ColumnAdam(settings)
