"""How a stepper moves the parameters: one frozen record, checked at construction."""

import math
from dataclasses import dataclass
from numbers import Integral, Real

from stopflow.errors import SettingsError

OPTIMISERS: dict[str, str] = {
    "sgd": "plain gradient descent",
    "momentum": "heavy ball; on factors, on the tangent space (exact in row space)",
    "core-momentum": "heavy ball on the r x r core only (exact in row space)",
    "adam": "Adam; on factors for S, U and V turn along scaled gradients (exact in row space)",
    "muon": 'S of dynamical layers along its orthogonalised momentum, the rest as "adam"',
    "adam-elementwise": "Adam on every element of K, L and S (not exact in row space)",
    "adam-scalar": "one second moment a tensor, turning with any basis (exact in row space)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSettings:
    """What an optimiser step does.

    Attributes
    ----------
    optimiser
        A key of `OPTIMISERS`.
    learning_rate
        Step size at the start; `Stepper.set_learning_rate` changes it.
    momentum
        Heavy-ball coefficient, and Adam's first-moment decay.
    second_decay
        Adam's second-moment decay.
    epsilon
        Added to Adam's root of the second moment.
    clip
        Largest Frobenius norm of the whole network's gradient (of the full m x n matrices, so that
        it means the same for every layer); ``None`` for no clipping.
    weight_decay
        Decoupled: every weight matrix is multiplied by ``1 - learning_rate * weight_decay`` a
        step, biases are not.
    theta
        Rank-adaptive layers drop a tail of singular values up to this part of the Frobenius norm.
    min_rank, max_rank
        Bounds of the adaptive rank; ``None``: up to min(rows, columns).
    cadence
        Rank-adaptive layers change their rank every so many steps.
    delay
        Steps that an ``oialr`` layer trains densely before its bases are frozen.
    absorb_every, cutoff
        An ``oialr`` layer absorbs its core every so many steps after that and drops singular values
        below this part of the largest.
    """

    optimiser: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    second_decay: float = 0.999
    epsilon: float = 1e-8
    clip: float | None = None
    weight_decay: float = 0.0
    theta: float = 0.05
    min_rank: int = 2
    max_rank: int | None = None
    cadence: int = 1
    delay: int = 100
    absorb_every: int = 100
    cutoff: float = 0.1

    def __post_init__(self) -> None:
        if self.optimiser not in OPTIMISERS:
            raise SettingsError("optimiser", self.optimiser, valid=OPTIMISERS)
        require_learning_rate(self.learning_rate)
        require_real("momentum", self.momentum, low=0.0, high=1.0, closed_low=True)
        require_real("second_decay", self.second_decay, low=0.0, high=1.0)
        require_real("epsilon", self.epsilon, low=0.0)
        if self.clip is not None:
            require_real("clip", self.clip, low=0.0)
        require_real("weight_decay", self.weight_decay, low=0.0, closed_low=True)
        require_real("theta", self.theta, low=0.0, high=1.0)
        require_count("min_rank", self.min_rank, low=1)
        if self.max_rank is not None:
            require_count("max_rank", self.max_rank, low=self.min_rank)
        require_count("cadence", self.cadence, low=1)
        require_count("delay", self.delay, low=1)
        require_count("absorb_every", self.absorb_every, low=1)
        require_real("cutoff", self.cutoff, low=0.0, high=1.0)


def require_learning_rate(value: object) -> None:
    """Raise a `SettingsError` unless the learning rate is a positive finite number."""
    require_real("learning_rate", value, low=0.0)


def require_count(name: str, value: object, *, low: int, high: int | None = None) -> int:
    """Return `value`; raise a `SettingsError` unless it is a whole number in [low, high]."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(value) if whole else low - 1  # type: ignore[call-overload]
    if number < low or (high is not None and number > high):
        valid = f"a whole number from {low}" + ("" if high is None else f" to {high}")
        raise SettingsError(name, value, valid=valid)
    return number


def require_settings(settings: StepSettings) -> None:
    """Raise a `SettingsError` unless it is a `StepSettings`."""
    if not isinstance(settings, StepSettings):
        raise SettingsError("settings", settings, valid="StepSettings(...)")


def require_real(
    name: str, value: object, *, low: float, high: float = math.inf, closed_low: bool = False
) -> None:
    """Raise a `SettingsError` unless `value` is a number between `low` and `high`."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    inside = low <= number if closed_low else low < number
    if not inside or not number < high:
        valid = f"a number {'from' if closed_low else 'above'} {low:g}"
        valid += "" if high == math.inf else f" and below {high:g}"
        raise SettingsError(name, value, valid=valid)
