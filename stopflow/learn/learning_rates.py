"""Step sizes and weight decays that a run gets where none is asked for, and how they fall."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

WARMUP_SHARE: Final = 0.02


def _cosine(done: float) -> float:
    return 0.5 * (1.0 + float(np.cos(np.pi * done)))


SCHEDULES: Final[Mapping[str, Callable[[float], float]]] = {
    "cosine": lambda done: min(1.0, (done + 1e-3) / WARMUP_SHARE) * max(_cosine(done), 1e-4),
    "linear": lambda done: max(1.0 - done, 1e-4),
    "constant": lambda _done: 1.0,
}
"""Share of the run that is done, 0 to 1 -> factor of the learning rate."""


ADAM_RATE: Final = 4e-3
"""Peak rate of Adam and Muon for dense, vanilla and dynamical layers: each kind's best of those
tried on held-out experiments of a simulated lab made for that alone.
"""

SMALLER_RATES: Final[Mapping[str, float]] = {"oialr": 2e-3, "dlrt-two-pass": 1e-3}
"""The same for layers that want less."""

OTHER_RATE: Final = 2e-3
"""Of other optimisers."""

CLASS_RATE: Final = 2e-3
"""Of classifiers. On MNIST (784-256-128-10) dense and vanilla layers were tried at this rate only,
dynamical ones at 2e-3 and 5e-3.
"""

RATED_EPOCHS: Final = 300
"""The length at which these rates were chosen. In longer runs they fall with the root of the
length, as the best constant step of a stochastic descent does (Nemirovski et al. 2009,
doi:10.1137/070704277); on the lab made for tuning dense, vanilla and dynamical layers gained by it.
"""

MUON_DECAY: Final = 0.15
"""What the weight decay of Muon goes to in endless runs; 0 up to `RATED_EPOCHS`. Its steps follow
noise as far as anything else, and long runs want a decay for it (Liu et al. 2025,
arXiv:2502.16982). On the lab made for tuning, 2000 epochs, seven runs, it took half of what they
were worse than dense ones.
"""


def shorten(epochs: int) -> float:
    """Return the factor of the rates of a run longer than those they were chosen for."""
    return min(1.0, float(np.sqrt(RATED_EPOCHS / epochs)))


def choose_rate(optimiser: str, layers: Iterable[str], *, epochs: int, classes: bool) -> float:
    """Return the peak step size that is best, as far as is known.

    Parameters
    ----------
    optimiser
        A key of `lowrank.OPTIMISERS`.
    layers
        The kinds of layer of the network, keys of `lowrank.LAYERS`.
    epochs
        Length of the run.
    classes
        Whether the network is a classifier.
    """
    if classes:
        return CLASS_RATE
    known = optimiser in ("adam", "muon")
    rate = min(SMALLER_RATES.get(name, ADAM_RATE) for name in layers) if known else OTHER_RATE
    return rate * shorten(epochs)


def choose_decay(optimiser: str, *, epochs: int) -> float:
    """Return the weight decay that is best, as far as is known."""
    return MUON_DECAY * (1.0 - shorten(epochs)) if optimiser == "muon" else 0.0
