"""What a truncation costs against how much is kept: error, scores, size and latency as curves."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from stopflow.errors import SettingsError
from stopflow.learn.compress import Share, Subject, truncated
from stopflow.lowrank import Network, count_parameters

PARTS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Shares of entropy and energy."""

RANKS: Final = (1, 2, 3, 5, 8, 12, 16, 20, 30, 40, 60, 80, 120, 160)
"""Of the fixed-rank baseline; those above the full rank of every layer are left out."""

LATENCY_ROWS: Final = 64
LATENCY_ROUNDS: Final = 9
LATENCY_CALLS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One truncated network.

    Attributes
    ----------
    criterion
        ``"entropy"``, ``"energy"`` or ``"rank"``; ``"none"`` for the network as it was.
    data_aware
        Whether the singular values are those of the outputs.
    kept
        The share that is kept, or the rank.
    parameters, share
        Values of the network, and their share of those before.
    error
        Mean error on rows that the model never saw.
    scores
        What else the task judges by.
    latency_s, latency_ratio
        Time of a batch of `LATENCY_ROWS` rows, and over that of the network as it was, taken in
        turns.
    """

    criterion: str
    data_aware: bool
    kept: float
    parameters: int
    share: float
    error: float
    scores: Mapping[str, float]
    latency_s: float
    latency_ratio: float

    def row(self) -> dict[str, Any]:
        """Return a row of a table."""
        values = asdict(self)
        return {**values, **values.pop("scores")}


def compress_curve(subject: Subject[Any]) -> tuple[CurvePoint, ...]:
    """Truncate a model to every share and rank, plain and data-aware; the first point is itself.

    Raises
    ------
    SettingsError
        Without data to judge on.
    """
    inputs = subject.known_inputs()
    if inputs is None:
        valid = "what to judge on: --dataset for rates, --data for classes of images"
        raise SettingsError("--dataset or --data", None, valid=valid)
    kinds: list[tuple[str, bool, float]] = [("none", False, 1.0)]
    networks: list[Network] = [subject.network]
    for criterion, kept in _asked(subject.network):
        for data_aware in (False, True):
            kinds.append((criterion, data_aware, kept))
            share = Share(**{criterion: kept}, data_aware=data_aware)  # type: ignore[arg-type]
            networks.append(truncated(subject.network, share, inputs=inputs).network.eval())
    latencies = _latencies(networks, inputs[:LATENCY_ROWS])
    whole = count_parameters(subject.network)
    points = []
    for (criterion, data_aware, kept), network, latency_s in zip(
        kinds, networks, latencies, strict=True
    ):
        errors = subject.errors(network, held_out=True)
        parameters = count_parameters(network)
        points.append(
            CurvePoint(
                criterion=criterion,
                data_aware=data_aware,
                kept=kept,
                parameters=parameters,
                share=parameters / whole,
                error=float("nan") if errors is None else float(np.mean(errors)),
                scores=subject.scores(network),
                latency_s=latency_s,
                latency_ratio=latency_s / latencies[0],
            )
        )
    return tuple(points)


def _asked(network: Network) -> list[tuple[str, float]]:
    widths = (network.n_inputs, *(spec.dim for spec in network.specs))
    most = max(map(min, pairwise(widths)))
    shares = [(criterion, part) for criterion in ("entropy", "energy") for part in PARTS]
    return shares + [("rank", rank) for rank in RANKS if rank <= most]


@torch.no_grad()
def _latencies(networks: Sequence[Network], rows: Tensor) -> list[float]:
    """Return the median time of a batch through each network, all timed in turns."""
    times = np.empty((LATENCY_ROUNDS + 1, len(networks)))
    for taken in times:
        for place, network in enumerate(networks):
            started = time.perf_counter()
            for _ in range(LATENCY_CALLS):
                network(rows)
            taken[place] = (time.perf_counter() - started) / LATENCY_CALLS
    return [float(value) for value in np.median(times[1:], axis=0)]
