"""Mass action as quadratic equations, for many mixtures at once.

Steps of first and second order make ``dc/dt`` a polynomial of degree 2 in the concentrations, and
whatever the steps do, c stays on ``c = c(0) + B x`` with the columns of B spanning the net changes
of the steps: conserved sums (total enzyme, total ligand) never have to be integrated. So

``dx/dt = a + L x + (H x) x / 2``

with a (M, r), L (M, r, r) and H (M, r, r, r), symmetric in its last two places; all three are
linear in the constants, which gives their derivatives by the free numbers without differences.
"""

from dataclasses import dataclass

import numpy as np

from stopflow.mechanism.scheme import Scheme
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MassAction:
    """A scheme in arrays.

    Attributes
    ----------
    basis
        (s, r) orthonormal net changes B.
    net
        (R, r) net change of each step in this basis.
    linear, quadratic
        (R, s) and (R, s, s): a step proceeds at ``k (linear c + c quadratic c / 2)``.
    """

    basis: FloatArray
    net: FloatArray
    linear: FloatArray
    quadratic: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quadratic:
    """The right-hand sides ``a + L x + (H x) x / 2``; leading axes are free."""

    constant: FloatArray
    linear: FloatArray
    quadratic: FloatArray

    def __add__(self, other: "Quadratic") -> "Quadratic":
        return Quadratic(
            constant=self.constant + other.constant,
            linear=self.linear + other.linear,
            quadratic=self.quadratic + other.quadratic,
        )


def build_mass_action(scheme: Scheme) -> MassAction:
    """Write a scheme in arrays."""
    species, steps = scheme.species, scheme.steps
    linear = np.zeros((len(steps), len(species)))
    quadratic = np.zeros((len(steps), len(species), len(species)))
    for number, step in enumerate(steps):
        met = [species.index(name) for name, count in step.reactants.items() for _ in range(count)]
        if len(met) == 1:
            linear[number, met[0]] = 1.0
        else:
            quadratic[number, met[0], met[1]] += 1.0
            quadratic[number, met[1], met[0]] += 1.0
    change = scheme.stoichiometry()
    left, sizes, _ = np.linalg.svd(change, full_matrices=False)
    basis = left[:, sizes > 1e-9 * sizes.max()]
    return MassAction(basis=basis, net=change.T @ basis, linear=linear, quadratic=quadratic)


def build_quadratic(system: MassAction, start: FloatArray, k: FloatArray) -> Quadratic:
    """Expand the rate equations about the start.

    Parameters
    ----------
    start
        (..., s) concentrations, mol/L.
    k
        (..., R) constants, or their derivatives.
    """
    curved = np.einsum("jab,...b->...ja", system.quadratic, start)
    proceeds = np.einsum("ja,...a->...j", system.linear, start) + 0.5 * np.einsum(
        "...ja,...a->...j", curved, start
    )
    along = (curved + system.linear) @ system.basis
    bent = np.einsum("jab,ax,by->jxy", system.quadratic, system.basis, system.basis)
    weights = k[..., :, None] * system.net
    return Quadratic(
        constant=np.einsum("...ji,...j->...i", weights, proceeds),
        linear=np.einsum("...ji,...jx->...ix", weights, along),
        quadratic=np.einsum("...ji,jxy->...ixy", weights, bent),
    )


def differentiate_by_start(
    system: MassAction, start: FloatArray, k: FloatArray, dstart: FloatArray
) -> Quadratic:
    """Differentiate `build_quadratic` by free numbers that the start depends on.

    Parameters
    ----------
    start, k
        (M, s) and (M, R).
    dstart
        (M, p, s) derivatives of the start.
    """
    along = system.linear + np.einsum("jab,mb->mja", system.quadratic, start)
    proceeds = np.einsum("mja,mpa->mpj", along, dstart)
    bent = np.einsum("jab,mpb->mpja", system.quadratic, dstart) @ system.basis
    constant = np.einsum("mj,ji,mpj->mpi", k, system.net, proceeds)
    rank = system.basis.shape[1]
    return Quadratic(
        constant=constant,
        linear=np.einsum("mj,ji,mpjx->mpix", k, system.net, bent),
        quadratic=np.zeros((*constant.shape, rank, rank)),
    )
