"""How a stepper moves the parameters: one frozen record, checked at construction."""

from dataclasses import dataclass

from stopflow.errors import SettingsError, require_key
from stopflow.lowrank.arguments import require_count, require_real
from stopflow.lowrank.hyperparameters import Hyperparameters
from stopflow.lowrank.optimisers.table import OPTIMISERS


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSettings(Hyperparameters):
    """What a training step does.

    Attributes
    ----------
    optimiser
        A key of `OPTIMISERS`.
    clip
        Largest Frobenius norm of the whole network's gradient (of the full m x n matrices, so that
        it means the same for every layer); ``None`` for no clipping.
    theta
        Rank-adaptive layers drop a tail of singular values up to this part of the Frobenius norm.
    min_rank, max_rank
        Bounds of the adaptive rank; ``None``: up to min(rows, columns).
    cadence
        Rank-adaptive layers change their rank every so many steps.
    delay
        Steps that an ``oialr`` layer trains densely before its bases are frozen; 0 for a low-rank
        start.
    absorb_every, cutoff
        An ``oialr`` layer absorbs its core every so many steps after that and drops singular values
        below this part of the largest (nu and beta of the paper).
    absorb_share
        At the u-th absorption the last ``ceil(u absorb_share L)`` of the L ``oialr`` layers take
        part (alpha of the paper); ``None``: one layer more each time.
    """

    optimiser: str = "adam"
    clip: float | None = None
    theta: float = 0.05
    min_rank: int = 2
    max_rank: int | None = None
    cadence: int = 1
    delay: int = 100
    absorb_every: int = 100
    cutoff: float = 0.1
    absorb_share: float | None = None

    def __post_init__(self) -> None:
        require_key("optimiser", self.optimiser, OPTIMISERS)
        Hyperparameters.__post_init__(self)
        if self.clip is not None:
            require_real("clip", self.clip, low=0.0)
        require_real("theta", self.theta, low=0.0, high=1.0)
        require_count("min_rank", self.min_rank, low=1)
        if self.max_rank is not None:
            require_count("max_rank", self.max_rank, low=self.min_rank)
        require_count("cadence", self.cadence, low=1)
        require_count("delay", self.delay, low=0)
        require_count("absorb_every", self.absorb_every, low=1)
        require_real("cutoff", self.cutoff, low=0.0, high=1.0)
        if self.absorb_share is not None:
            require_real("absorb_share", self.absorb_share, low=0.0)


def require_settings(settings: StepSettings) -> None:
    """Raise a `SettingsError` unless it is a `StepSettings`."""
    if not isinstance(settings, StepSettings):
        raise SettingsError("settings", settings, valid="StepSettings(...)")
