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
    """A scheme in arrays; R steps, s species, r independent changes.

    Attributes
    ----------
    basis
        (s, r) orthonormal net changes B.
    net
        (R, r) net change of each step in this basis.
    first, second
        (R, s) and (R, s, s): a step proceeds at ``k (first c + c second c / 2)``.
    linear, along, quadratic
        (R, r, r), (s, R r r) and (R, r r r): what each step gives to L at a start of 0, what each
        species of the start adds to that, and what each step gives to H, for a constant of 1.
    """

    basis: FloatArray
    net: FloatArray
    first: FloatArray
    second: FloatArray
    linear: FloatArray
    along: FloatArray
    quadratic: FloatArray

    @property
    def is_linear(self) -> bool:
        """Whether no two concentrations that both change meet: the rate equations are linear.

        Such are schemes of first order, and those of second order in which a partner, a catalyst,
        comes out of every step as it went in.
        """
        return not self.quadratic.any()


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RateEquations:
    """Rate equations to be solved from x = 0 at time 0 to the end of some times.

    Attributes
    ----------
    right, by_free
        The rate equations of M mixtures and their derivatives by the free numbers.
    scale
        (M, 1) absolute error that is allowed.
    times_s
        (n,) rising, that the solution is wanted at.
    tolerance
        `scale` in units of the concentrations.
    """

    right: Quadratic
    by_free: Quadratic
    scale: FloatArray
    times_s: FloatArray
    tolerance: float


def build_mass_action(scheme: Scheme) -> MassAction:
    """Write a scheme in arrays."""
    species, steps = scheme.species, scheme.steps
    first = np.zeros((len(steps), len(species)))
    second = np.zeros((len(steps), len(species), len(species)))
    for number, step in enumerate(steps):
        met = [species.index(name) for name, count in step.reactants.items() for _ in range(count)]
        if len(met) == 1:
            first[number, met[0]] = 1.0
        else:
            second[number, met[0], met[1]] += 1.0
            second[number, met[1], met[0]] += 1.0
    change = scheme.stoichiometry()
    left, sizes, _ = np.linalg.svd(change, full_matrices=False)
    basis = left[:, sizes > 1e-9 * sizes.max()]
    net = change.T @ basis
    bent = np.einsum("jab,ax,by->jxy", second, basis, basis)
    bent[np.abs(bent) < 1e-12] = 0.0
    along = np.einsum("ji,jax->ajix", net, second @ basis)
    return MassAction(
        basis=basis,
        net=net,
        first=first,
        second=second,
        linear=np.einsum("ji,jx->jix", net, first @ basis),
        along=along.reshape(len(species), -1),
        quadratic=np.einsum("ji,jxy->jixy", net, bent).reshape(len(steps), -1),
    )


def build_quadratic(
    system: MassAction, start: FloatArray, k: FloatArray, dk: FloatArray
) -> tuple[Quadratic, Quadratic]:
    """Expand the rate equations about the start.

    Parameters
    ----------
    start
        (M, s) concentrations, mol/L.
    k, dk
        (M, R) constants, and (M, p, R) their derivatives.

    Returns
    -------
    right, by_free
        The right-hand sides, (M, ...), and their derivatives, (M, p, ...).
    """
    rank = system.basis.shape[1]
    mixtures, free, steps = dk.shape
    curved = (start[:, None, None] @ system.second)[:, :, 0]
    proceeds = start @ system.first.T + 0.5 * (curved @ start[:, :, None])[..., 0]
    linear = system.linear.reshape(steps, -1) + (start @ system.along).reshape(mixtures, steps, -1)
    both = np.concatenate((k[:, None], dk), axis=1)
    constant = (both * proceeds[:, None]) @ system.net
    linear = (both @ linear).reshape(mixtures, 1 + free, rank, rank)
    quadratic = (both @ system.quadratic).reshape(mixtures, 1 + free, rank, rank, rank)
    return (
        Quadratic(constant=constant[:, 0], linear=linear[:, 0], quadratic=quadratic[:, 0]),
        Quadratic(constant=constant[:, 1:], linear=linear[:, 1:], quadratic=quadratic[:, 1:]),
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
    along = system.first + np.einsum("jab,mb->mja", system.second, start)
    proceeds = np.einsum("mja,mpa->mpj", along, dstart)
    bent = np.einsum("jab,mpb->mpja", system.second, dstart) @ system.basis
    constant = np.einsum("mj,ji,mpj->mpi", k, system.net, proceeds)
    rank = system.basis.shape[1]
    return Quadratic(
        constant=constant,
        linear=np.einsum("mj,ji,mpjx->mpix", k, system.net, bent),
        quadratic=np.zeros((*constant.shape, rank, rank)),
    )
