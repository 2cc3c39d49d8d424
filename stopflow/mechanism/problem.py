"""What a scheme is fitted to: shots, their mixtures, and which species the detector sees."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stopflow.mechanism.checks import require_reacting
from stopflow.mechanism.constants import Constants
from stopflow.mechanism.observations import Detector, MechanismShot
from stopflow.mechanism.point import Point
from stopflow.mechanism.rates import MassAction, build_mass_action
from stopflow.mechanism.reach import find_box
from stopflow.mechanism.scheme import Scheme
from stopflow.mechanism.solve import solve
from stopflow.mechanism.start import Ageing, Starts, build_starts
from stopflow.mechanism.trajectory import Trajectory
from stopflow.mechanism.windows import Windows, build_windows, solve_columns
from stopflow.trace import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitProblem:
    """A scheme with everything it is fitted to; build it with `build_problem`."""

    scheme: Scheme
    constants: Constants
    detector: Detector
    pre_equilibrated: tuple[tuple[str, str], ...]
    ageing: Ageing | None
    shots: tuple[MechanismShot, ...]
    system: MassAction
    starts: Starts
    kelvin: FloatArray
    times_s: FloatArray
    windows: Windows
    box: tuple[FloatArray, FloatArray]

    @property
    def observed(self) -> tuple[str, ...]:
        """Species that the detector sees."""
        return self.detector.observed

    @property
    def mixtures(self) -> int:
        """How many different mixtures there are."""
        return len(self.kelvin)

    @property
    def points(self) -> int:
        """How many points all shots have together."""
        return int(self.windows.lengths.sum())

    @property
    def linear(self) -> int:
        """How many linear parameters are projected out."""
        free = len(self.observed) - len(self.detector.fixed)
        return free * len(self.windows.groups) + len(self.shots) * (1 + self.detector.drift)

    def with_shots(self, shots: Sequence[MechanismShot]) -> "FitProblem":
        """Put the same questions to other shots."""
        return build_problem(
            self.scheme,
            self.constants,
            shots,
            detector=self.detector,
            pre_equilibrated=self.pre_equilibrated,
            ageing=self.ageing,
        )

    def evaluate(
        self, theta: FloatArray, *, tolerance: float = 1e-8, near: Trajectory | None = None
    ) -> Point:
        """Evaluate residual and Jacobian at free numbers (p,); `near` is a solution close by."""
        log_k, slopes = self.constants.log_k(theta, self.kelvin)
        k = np.exp(np.clip(log_k, -700, 700))
        starts, dstart = self.starts.evaluate(self.system, log_k, slopes, tolerance=tolerance)
        found = solve(
            self.system,
            starts,
            k,
            self.times_s,
            dk=(k[:, :, None] * slopes).transpose(0, 2, 1),
            dstart=dstart,
            tolerance=tolerance,
            least_M=self.starts.least_M(self.mixtures),
            seen=self._seen,
            near=None if near is None else near.moved_to(theta),
        )
        if not found.ok:
            return Point.nowhere(theta, len(self.observed))
        path = None if found.path is None else replace(found.path, theta=theta)
        return replace(self._solve_responses(theta, found.c, found.dc), path=path)

    def scan(self, thetas: FloatArray, *, tolerance: float) -> FloatArray:
        """Evaluate the sum of squares alone at many sets of free numbers (T, p) at once: (T,).

        Infinite where the rate equations of a set, or of one it was computed with, have no
        solution within the steps allowed.
        """
        sets = len(thetas)
        log_k = np.concatenate([self.constants.log_k(theta, self.kelvin)[0] for theta in thetas])
        starts, _ = self.starts.evaluate(self.system, log_k, None, tolerance=tolerance)
        found = solve(
            self.system,
            starts,
            np.exp(np.clip(log_k, -700, 700)),
            self.times_s,
            tolerance=tolerance,
            least_M=self.starts.least_M(len(starts)),
        )
        if not found.ok:
            return np.full(sets, np.inf)
        windows = self.windows
        c = found.c[..., self._seen].reshape(sets, self.mixtures, len(self.times_s), -1)
        columns = windows.project(windows.pick(c))
        signals = windows.signal - columns @ self._known
        total = np.zeros(sets)
        for members in windows.groups:
            signal = signals[:, members].reshape(sets, -1)
            own = columns[:, members][..., self._free].reshape(*signal.shape, len(self._free))
            basis, _ = solve_columns(own, signal, whole=self.windows.whole)
            along = (basis.swapaxes(1, 2) @ signal[..., None])[..., 0]
            rest = signal - (basis @ along[..., None])[..., 0]
            total += (rest * rest).sum(axis=1)
        return total

    def concentrations(self, theta: FloatArray, near: Trajectory | None = None) -> FloatArray:
        """Concentrations of all species in every mixture at `times_s`: (M, n, s)."""
        log_k, _ = self.constants.log_k(theta, self.kelvin)
        starts, _ = self.starts.evaluate(self.system, log_k, None, tolerance=1e-8)
        return solve(
            self.system,
            starts,
            np.exp(log_k),
            self.times_s,
            least_M=self.starts.least_M(self.mixtures),
            near=near,
        ).c

    def columns(self, point: Point) -> tuple[FloatArray, FloatArray]:
        """Weighted concentrations whose response is sought (J, n, o), and fitted curves (J, n).

        Offsets and drifts are taken out of both; constants and responses are those of the point.
        """
        windows = self.windows
        c = self.concentrations(point.theta, point.path)[..., self._seen]
        columns = windows.project(windows.pick(c))
        each = windows.spread(point.responses)
        return columns[..., self._free], (columns @ each[..., None])[..., 0]

    def find_starts(self, theta: FloatArray) -> FloatArray:
        """Concentrations of all species in every mixture at the time of mixing: (M, s)."""
        log_k, _ = self.constants.log_k(theta, self.kelvin)
        return self.starts.evaluate(self.system, log_k, None, tolerance=1e-8)[0]

    @property
    def _seen(self) -> list[int]:
        return [self.scheme.species.index(name) for name in self.observed]

    @property
    def _free(self) -> list[int]:
        """Places, among the observed species, of those whose response is sought."""
        fixed = self.detector.fixed
        return [place for place, name in enumerate(self.observed) if name not in fixed]

    @property
    def _known(self) -> FloatArray:
        """Responses that are known, 0 for the others: (o,)."""
        return np.array([self.detector.fixed.get(name, 0.0) for name in self.observed])

    def _solve_responses(self, theta: FloatArray, c: FloatArray, dc: FloatArray) -> Point:
        """Project the responses out; c (M, n, o), dc (M, n, p, o)."""
        windows, free = self.windows, self._free
        columns = windows.project(windows.pick(c))
        signals = windows.signal
        if self.detector.fixed:
            signals = signals - columns @ self._known
        responses = self._known[None].repeat(len(windows.groups), axis=0)
        bases = []
        for number, members in enumerate(windows.members):
            signal = signals[members].reshape(-1)
            own = columns[members][..., free].reshape(len(signal), len(free))
            basis, found = solve_columns(own, signal, whole=self.windows.whole)
            responses[number, free] = found
            bases.append(basis)
        each = windows.spread(responses)
        residual = windows.signal - (columns @ each[..., None])[..., 0]
        slopes = windows.pick(dc.reshape(*dc.shape[:2], -1))
        slopes = slopes.reshape(*slopes.shape[:2], *dc.shape[2:])
        jacobian = windows.project((slopes @ each[:, None, :, None])[..., 0])
        for basis, members in zip(bases, windows.members, strict=True):
            part = jacobian[members]
            own = part.reshape(-1, part.shape[2])
            jacobian[members] = (own - basis @ (basis.T @ own)).reshape(part.shape)
        flat = windows.flatten(residual)
        return Point(
            squares=float(flat @ flat),
            residual=flat,
            jacobian=windows.flatten(-jacobian),
            responses=responses,
            theta=theta,
        )


def build_problem(
    scheme: Scheme,
    constants: Constants,
    shots: Sequence[MechanismShot],
    *,
    detector: Detector,
    pre_equilibrated: Sequence[tuple[str, str]] = (),
    ageing: Ageing | None = None,
) -> FitProblem:
    """Put shots and scheme together.

    Parameters
    ----------
    detector
        What is seen.
    pre_equilibrated
        Pairs of species that turn into each other and were in equilibrium before mixing; what is
        given of both together is shared between them.
    ageing
        The first of two mixings; None where mixing is single.

    Raises
    ------
    SchemeError
        When a species has no concentration, or an observed one is not of the scheme.
    """
    require_reacting(scheme, shots, detector.observed)
    mixtures: dict[tuple[float, ...], int] = {}
    places, first = [], []
    for shot in shots:
        start = tuple(shot.start_M.get(name, 0.0) for name in scheme.species)
        kelvin = shot.temperature_K if constants.reference_K is not None else 0.0
        key = (*start, shot.delay_s, kelvin)
        if key not in mixtures:
            first.append(shot)
        places.append(mixtures.setdefault(key, len(mixtures)))
    times = np.unique(np.concatenate([shot.time_s for shot in shots]))
    return FitProblem(
        scheme=scheme,
        constants=constants,
        detector=detector,
        pre_equilibrated=tuple(pre_equilibrated),
        ageing=ageing,
        shots=tuple(shots),
        system=build_mass_action(scheme),
        starts=build_starts(
            scheme,
            [shot.start_M for shot in first],
            delays_s=[shot.delay_s for shot in first],
            pre_equilibrated=pre_equilibrated,
            ageing=ageing,
        ),
        kelvin=np.array([key[-1] for key in mixtures]),
        times_s=times,
        box=find_box(scheme, constants, shots),
        windows=build_windows(
            times_s=[shot.time_s for shot in shots],
            signals=[shot.signal for shot in shots],
            noise_sd=[shot.noise_sd for shot in shots],
            mixture=places,
            common_s=times,
            groups=_group(shots, shared=detector.shared),
            drift=detector.drift,
            largest_M=max(max(shot.start_M.values()) for shot in shots),
        ),
    )


def _group(shots: Sequence[MechanismShot], *, shared: bool) -> list[list[int]]:
    """Put the numbers of the shots together that share their responses."""
    found: dict[object, list[int]] = {}
    for number, shot in enumerate(shots):
        found.setdefault(shot.channel if shared else number, []).append(number)
    return list(found.values())
