"""What a scheme is fitted to: shots, their mixtures, and which species the detector sees.

The signal of a shot is ``sum_o r_o [o](t) + offset + drift t``: responses r_o of the observed
species, shared by all shots or each shot's own, an offset and, if wanted, a drift for every shot.
All of these enter linearly and are projected out (Golub and Pereyra, SIAM J. Numer. Anal. 10, 413
(1973), 10.1137/0710036), so that only the constants are sought.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stopflow.mechanism.constants import Constants
from stopflow.mechanism.rates import MassAction, build_mass_action
from stopflow.mechanism.scheme import Scheme, SchemeError
from stopflow.mechanism.solve import solve
from stopflow.trace import FloatArray

SEEN = 1e-9
"""An observed species that changes by less than this share of the largest concentration is none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MechanismShot:
    """A trace as the global fit takes it.

    Attributes
    ----------
    name
        As the report calls it.
    time_s
        (n,) since mixing, rising, 0 or later.
    signal
        (n,) in any unit, the same for all shots.
    noise_sd
        Of a point.
    start_M
        Concentrations after mixing, by species; those not named are 0.
    temperature_K
        Used with temperature-dependent constants.
    """

    name: str
    time_s: FloatArray
    signal: FloatArray
    noise_sd: float
    start_M: Mapping[str, float]
    temperature_K: float = 298.15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """A shot in the problem: its mixture, its rows on the common times, its projected signal."""

    mixture: int
    rows: NDArray[np.intp]
    basis: FloatArray
    signal: FloatArray
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Equilibrium:
    """Two forms that were in equilibrium before mixing: numbers of species and constants."""

    first: int
    second: int
    forward: int
    back: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """The problem at one set of free numbers.

    Attributes
    ----------
    squares
        Weighted sum of squared residuals; infinite where the rate equations have no solution.
    residual
        (N,) weighted, all shots behind each other.
    jacobian
        (N, p) of `residual` by the free numbers, the linear parameters following.
    responses
        (o,) shared responses of the observed species; (J, o) where each shot has its own.
    """

    squares: float
    residual: FloatArray
    jacobian: FloatArray
    responses: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A scheme with everything it is fitted to; build it with `build_problem`."""

    scheme: Scheme
    constants: Constants
    observed: tuple[str, ...]
    shared: bool
    shots: tuple[MechanismShot, ...]
    system: MassAction
    starts: FloatArray
    kelvin: FloatArray
    times_s: FloatArray
    windows: tuple[_Window, ...]
    equilibria: tuple[_Equilibrium, ...] = ()

    @property
    def points(self) -> int:
        """How many points all shots have together."""
        return sum(len(window.rows) for window in self.windows)

    @property
    def bounds(self) -> NDArray[np.intp]:
        """Where each shot begins among all points, and where the last one ends: (J + 1,)."""
        return np.cumsum([0, *(len(window.rows) for window in self.windows)])

    @property
    def linear(self) -> int:
        """How many linear parameters are projected out."""
        responses = len(self.observed) * (1 if self.shared else len(self.windows))
        return responses + sum(window.basis.shape[1] for window in self.windows)

    def evaluate(self, theta: FloatArray, *, tolerance: float = 1e-8) -> Point:
        """Evaluate residual and Jacobian at free numbers (p,)."""
        log_k, slopes = self.constants.log_k(theta, self.kelvin)
        k = np.exp(np.clip(log_k, -700, 700))
        dk = (k[:, :, None] * slopes).transpose(0, 2, 1)
        starts, dstart = self._equilibrate(self.starts, log_k, slopes)
        found = solve(
            self.system, starts, k, self.times_s, dk=dk, dstart=dstart, tolerance=tolerance
        )
        if not found.ok:
            nothing = np.zeros((0, len(theta)))
            return Point(
                squares=np.inf, residual=nothing[:, 0], jacobian=nothing, responses=np.zeros(0)
            )
        seen = [self.scheme.species.index(name) for name in self.observed]
        blocks = [
            _project(window, found.c[window.mixture][window.rows][:, seen])
            for window in self.windows
        ]
        moved = [found.dc[window.mixture][window.rows][:, :, seen] for window in self.windows]
        return self._solve_shared(blocks, moved) if self.shared else self._solve_each(blocks, moved)

    def scan(self, thetas: FloatArray, *, tolerance: float) -> FloatArray:
        """Evaluate the sum of squares alone at many sets of free numbers (T, p) at once: (T,).

        Infinite where the rate equations of a set, or of one it was computed with, have no
        solution within the steps allowed.
        """
        sets, mixtures = len(thetas), len(self.starts)
        log_k = np.concatenate([self.constants.log_k(theta, self.kelvin)[0] for theta in thetas])
        starts, _ = self._equilibrate(np.tile(self.starts, (sets, 1)), log_k, None)
        k = np.exp(np.clip(log_k, -700, 700))
        found = solve(self.system, starts, k, self.times_s, tolerance=tolerance)
        if not found.ok:
            return np.full(sets, np.inf)
        seen = [self.scheme.species.index(name) for name in self.observed]
        c = found.c[..., seen].reshape(sets, mixtures, len(self.times_s), len(seen))
        return np.array([self._squares(own) for own in c])

    def _squares(self, c: FloatArray) -> float:
        blocks = [_project(window, c[window.mixture][window.rows]) for window in self.windows]
        signals = [window.signal for window in self.windows]
        if self.shared:
            blocks, signals = [np.concatenate(blocks)], [np.concatenate(signals)]
        rests = [
            signal - columns @ _solve_columns(columns, signal)[1]
            for columns, signal in zip(blocks, signals, strict=True)
        ]
        return float(sum(rest @ rest for rest in rests))

    def concentrations(self, theta: FloatArray) -> FloatArray:
        """Concentrations of all species in every mixture at `times_s`: (M, n, s)."""
        log_k, _ = self.constants.log_k(theta, self.kelvin)
        starts, _ = self._equilibrate(self.starts, log_k, None)
        return solve(self.system, starts, np.exp(log_k), self.times_s).c

    def _equilibrate(
        self, starts: FloatArray, log_k: FloatArray, slopes: FloatArray | None
    ) -> tuple[FloatArray, FloatArray | None]:
        """Share what is in a syringe between forms in equilibrium; derivatives (M, p, s)."""
        if not self.equilibria:
            return starts, None
        starts = starts.copy()
        dstart = (
            None if slopes is None else np.zeros((len(starts), slopes.shape[2], starts.shape[1]))
        )
        for pair in self.equilibria:
            total = starts[:, pair.first] + starts[:, pair.second]
            share = 1 / (1 + np.exp(log_k[:, pair.back] - log_k[:, pair.forward]))
            starts[:, pair.first], starts[:, pair.second] = total * (1 - share), total * share
            if dstart is not None and slopes is not None:
                moved = (total * share * (1 - share))[:, None] * (
                    slopes[:, pair.forward] - slopes[:, pair.back]
                )
                dstart[:, :, pair.first] -= moved
                dstart[:, :, pair.second] += moved
        return starts, dstart

    def _solve_shared(self, blocks: Sequence[FloatArray], moved: Sequence[FloatArray]) -> Point:
        columns, signal = np.concatenate(blocks), np.concatenate([w.signal for w in self.windows])
        basis, responses = _solve_columns(columns, signal)
        residual = signal - columns @ responses
        jacobian = -np.concatenate(
            [_project(w, own @ responses) for w, own in zip(self.windows, moved, strict=True)]
        )
        jacobian -= basis @ (basis.T @ jacobian)
        return Point(
            squares=float(residual @ residual),
            residual=residual,
            jacobian=jacobian,
            responses=responses,
        )

    def _solve_each(self, blocks: Sequence[FloatArray], moved: Sequence[FloatArray]) -> Point:
        residuals, jacobians, found = [], [], []
        for window, columns, own in zip(self.windows, blocks, moved, strict=True):
            basis, responses = _solve_columns(columns, window.signal)
            jacobian = -_project(window, own @ responses)
            jacobians.append(jacobian - basis @ (basis.T @ jacobian))
            residuals.append(window.signal - columns @ responses)
            found.append(responses)
        residual = np.concatenate(residuals)
        return Point(
            squares=float(residual @ residual),
            residual=residual,
            jacobian=np.concatenate(jacobians),
            responses=np.array(found),
        )


def build_problem(
    scheme: Scheme,
    constants: Constants,
    shots: Sequence[MechanismShot],
    *,
    observed: Sequence[str],
    shared: bool = True,
    drift: bool = False,
    pre_equilibrated: Sequence[tuple[str, str]] = (),
) -> Problem:
    """Put shots and scheme together.

    Parameters
    ----------
    observed
        Species that the detector sees.
    shared
        Whether their responses are the same for all shots.
    drift
        Whether every shot has a linear drift besides its offset.
    pre_equilibrated
        Pairs of species that turn into each other and were in equilibrium before mixing; what is
        given of both together is shared between them.

    Raises
    ------
    SchemeError
        When a species has no concentration, or an observed one is not of the scheme.
    """
    _require_species(scheme, shots, observed)
    mixtures: dict[tuple[float, ...], int] = {}
    places = []
    for shot in shots:
        start = tuple(shot.start_M.get(name, 0.0) for name in scheme.species)
        key = (*start, shot.temperature_K if constants.reference_K is not None else 0.0)
        places.append(mixtures.setdefault(key, len(mixtures)))
    kelvin = np.array([key[-1] for key in mixtures])
    times = np.unique(np.concatenate([shot.time_s for shot in shots]))
    return Problem(
        scheme=scheme,
        constants=constants,
        observed=tuple(observed),
        shared=shared,
        shots=tuple(shots),
        system=build_mass_action(scheme),
        starts=np.array([key[:-1] for key in mixtures]),
        kelvin=kelvin,
        times_s=times,
        equilibria=tuple(_equilibrium(scheme, pair) for pair in pre_equilibrated),
        windows=tuple(
            _window(shot, place, times, drift=drift)
            for shot, place in zip(shots, places, strict=True)
        ),
    )


def _equilibrium(scheme: Scheme, pair: tuple[str, str]) -> _Equilibrium:
    steps = {
        (next(iter(step.reactants)), next(iter(step.products))): number
        for number, step in enumerate(scheme.steps)
        if step.order == 1 and sum(step.products.values()) == 1
    }
    first, second = pair
    if (first, second) not in steps or (second, first) not in steps:
        raise SchemeError(f"the scheme has no step {first} <=> {second} to be in equilibrium")
    return _Equilibrium(
        first=scheme.species.index(first),
        second=scheme.species.index(second),
        forward=steps[first, second],
        back=steps[second, first],
    )


def _require_species(
    scheme: Scheme, shots: Sequence[MechanismShot], observed: Sequence[str]
) -> None:
    if not shots:
        raise SchemeError("there is no shot to fit the scheme to")
    known = ", ".join(scheme.species)
    for name in observed:
        if name not in scheme.species:
            raise SchemeError(f"the observed species {name!r} is not of the scheme: {known}")
    if not observed:
        raise SchemeError(f"no species is observed; choose from {known}")
    for shot in shots:
        for name in shot.start_M:
            if name not in scheme.species:
                raise SchemeError(f"{shot.name}: {name!r} is not of the scheme: {known}")
        if not any(value > 0 for value in shot.start_M.values()):
            raise SchemeError(f"{shot.name}: every concentration is 0, so that nothing reacts")
    changing = set().union(*(_changing(scheme, shot) for shot in shots))
    for name in observed:
        if name not in changing:
            raise SchemeError(
                f"the observed species {name} never changes: with these concentrations no step "
                "makes or consumes it; those that change are "
                f"{', '.join(item for item in scheme.species if item in changing) or 'none'}"
            )


def _changing(scheme: Scheme, shot: MechanismShot) -> set[str]:
    """Species that some step changes that can proceed from what the mixture holds."""
    present = {name for name, amount in shot.start_M.items() if amount > 0}
    while True:
        going = [step for step in scheme.steps if present.issuperset(step.reactants)]
        reached = present.union(*(step.products for step in going))
        if reached == present:
            break
        present = reached
    return {
        name
        for step in going
        for name in (*step.reactants, *step.products)
        if step.reactants.get(name, 0) != step.products.get(name, 0)
    }


def _window(shot: MechanismShot, mixture: int, times: FloatArray, *, drift: bool) -> _Window:
    columns = [np.ones_like(shot.time_s)]
    if drift:
        columns.append(shot.time_s - shot.time_s.mean())
    basis = np.linalg.qr(np.stack(columns, axis=1))[0]
    signal = shot.signal / shot.noise_sd
    return _Window(
        mixture=mixture,
        rows=np.searchsorted(times, shot.time_s),
        basis=basis,
        signal=signal - basis @ (basis.T @ signal),
        sd=shot.noise_sd,
    )


def _project(window: _Window, columns: FloatArray) -> FloatArray:
    """Weight columns (n, ...) and take offset and drift out of them."""
    weighted = columns / window.sd
    return np.asarray(weighted - window.basis @ (window.basis.T @ weighted))


def _solve_columns(columns: FloatArray, signal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthonormal basis of the columns that differ, and the coefficients of the signal."""
    left, sizes, right = np.linalg.svd(columns, full_matrices=False)
    kept = sizes > SEEN * max(sizes.max(initial=0.0), 1e-300)
    left, sizes, right = left[:, kept], sizes[kept], right[kept]
    return left, np.asarray(right.T @ ((left.T @ signal) / sizes))
