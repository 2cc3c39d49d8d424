"""The table of optimisers: what each does to tensors and to orthonormal factors."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from stopflow.lowrank.hyperparameters import Hyperparameters
from stopflow.lowrank.optimisers import euclidean
from stopflow.lowrank.optimisers.adam import ColumnAdam, ElementRule
from stopflow.lowrank.optimisers.euclidean import EuclideanRule, squares_only
from stopflow.lowrank.optimisers.moments import CoreRule, FactorRule, TangentMomentum
from stopflow.lowrank.optimisers.muon import Muon
from stopflow.lowrank.optimisers.second_moment import ADAGRAD, ADAM, RMSPROP


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Optimiser:
    """One optimiser.

    Attributes
    ----------
    description
        What it is, in one phrase.
    tensors
        The rule of biases, dense weights, vanilla factors and adapters.
    factors
        Makes the rule of orthonormal factors.
    equivariant_tensors, equivariant_factors
        Whether a rotation of the input space rotates its steps on either (exact in row space).
    trial_rate
        A learning rate at which it makes quick and steady progress on inputs of size 1: where a
        search for a better one begins, and what the laws are tested at.
    dynamical_only
        Whether it needs a layer with orthonormal factors, being another optimiser without one.
    """

    description: str
    tensors: EuclideanRule
    factors: Callable[[Hyperparameters], FactorRule]
    trial_rate: float = 1e-2
    equivariant_tensors: bool = False
    equivariant_factors: bool = False
    dynamical_only: bool = False

    def __str__(self) -> str:
        return self.description


_everywhere = partial(Optimiser, equivariant_tensors=True, equivariant_factors=True)

OPTIMISERS: dict[str, Optimiser] = {
    "sgd": _everywhere(
        description="plain gradient descent",
        tensors=euclidean.DESCENT,
        factors=lambda settings: CoreRule(settings, kept=0.0, taken=1.0),
    ),
    "momentum": _everywhere(
        description="heavy ball; on factors, on the tangent space (exact in row space)",
        tensors=euclidean.HEAVY_BALL,
        factors=TangentMomentum,
    ),
    "core-momentum": _everywhere(
        description="heavy ball on the r x r core of dynamical layers, the rest as momentum "
        "(exact in row space)",
        tensors=euclidean.HEAVY_BALL,
        factors=lambda settings: CoreRule(settings, kept=settings.momentum, taken=1.0),
        dynamical_only=True,
    ),
    "adam": Optimiser(
        description="Adam; on factors for S, with U and V along scaled gradients (exact in row "
        "space for dynamical layers)",
        tensors=euclidean.ADAM,
        factors=partial(ColumnAdam, second=ADAM, core_share=2.0, basis_share=0.3),
        equivariant_factors=True,
    ),
    "muon": Optimiser(
        description='S of dynamical layers along its orthogonalised momentum, the rest as "adam"',
        tensors=euclidean.ADAM,
        factors=partial(Muon, second=ADAM, core_share=2.0, basis_share=0.1),
        equivariant_factors=True,
        dynamical_only=True,
    ),
    "adam-elementwise": Optimiser(
        description="Adam on every element of K, L and S (not exact in row space)",
        tensors=euclidean.ADAM,
        factors=lambda settings: ElementRule(settings, second=ADAM, momentum=settings.momentum),
        dynamical_only=True,
    ),
    "adam-scalar": _everywhere(
        description="Adam with one second moment a tensor (exact in row space)",
        tensors=euclidean.SCALAR_ADAM,
        factors=lambda settings: CoreRule(
            settings, kept=settings.momentum, taken=1.0 - settings.momentum, scalar=True
        ),
        trial_rate=3e-4,
    ),
    "rmsprop": Optimiser(
        description="RMSprop; on factors, on every element of K, L and S (not exact in row space)",
        tensors=squares_only(RMSPROP),
        factors=partial(ElementRule, second=RMSPROP, momentum=0.0),
        trial_rate=2e-3,
    ),
    "adagrad": Optimiser(
        description="AdaGrad; on factors, on every element of K, L and S (not exact in row space)",
        tensors=squares_only(ADAGRAD),
        factors=partial(ElementRule, second=ADAGRAD, momentum=0.0),
    ),
}
"""All optimisers, by name."""
