"""The decay of an artefact, continued into the noise.

A small artefact hides in the noise but still moves k. So the decay of what was seen of it is
continued to where it is 1/50 of the noise, and the fit starts there.
"""

from collections.abc import Sequence
from math import log, nan

import numpy as np

from stopflow.kinetics.start.detected_start import InitialDeviation
from stopflow.kinetics.start.reasons import StartReason, because
from stopflow.trace import FloatArray

# In standard errors.
SEEN = 3.5
# Over which fall of the artefact its decay is measured, and what of the noise may be left.
MEASURED_FALL = 2.5
NEGLIGIBLE = 1 / 50


def artefact_end(initial: InitialDeviation) -> tuple[float, StartReason]:
    """Find where an artefact is over: (start in seconds, why there)."""
    edges, edge = initial.edge_s, initial.edge
    middle, error = initial.middle_s, initial.error
    first_s, first_ok = float(edges[0]), float(edges[edge])
    size = np.abs(initial.deviation)
    seen = np.flatnonzero(size[:edge] > SEEN * error[:edge])
    if len(seen) == 0:
        return first_ok, because("follows")
    last = int(seen[-1])
    decay = _decay_time(middle, size, size + 2 * error, last=last)
    left = max(log(size[last] / NEGLIGIBLE), 0.0)
    end = float(middle[last]) + decay * left if np.isfinite(decay) else first_ok
    latest = first_s + 2 * (first_ok - first_s)
    end = min(max(end, float(edges[last + 1])), latest)
    seen_ms = 1e3 * float(middle[last])
    if not np.isfinite(decay):
        return end, because("artefact", seen_ms=seen_ms)
    return end, because("falling-artefact", seen_ms=seen_ms, decay_ms=1e3 * decay)


def _decay_time(middle: FloatArray, size: FloatArray, upper: FloatArray, *, last: int) -> float:
    """Time constant of the artefact's envelope around block `last`; NaN when it cannot be seen.

    The smaller of the fall before `last`, from the nearest block that is 2.5 times as high, and
    the fall after it, to the upper limit of the two next blocks.
    """
    envelope = np.maximum.accumulate(size[last::-1])[::-1]
    times = []
    higher = np.flatnonzero(envelope >= MEASURED_FALL * envelope[last])
    if len(higher):
        near = int(higher[-1])
        times.append((middle[last] - middle[near]) / log(envelope[near] / envelope[last]))
    for after in (last + 1, last + 2):
        if after + 1 < len(size):
            limit = max(upper[after], upper[after + 1])
            if limit < size[last]:
                times.append((middle[after] - middle[last]) / log(size[last] / limit))
                break
    return min(times, default=nan)


def pool(deviations: Sequence[InitialDeviation]) -> InitialDeviation:
    """Pool the deviations of shots on one time grid: root mean squares, less those of the errors.

    The artefacts of shots differ in sign and phase; their envelope is that of the instrument.
    """
    count = max(len(item.deviation) for item in deviations)
    longest = next(item for item in deviations if len(item.deviation) == count)

    def mean_square(name: str) -> FloatArray:
        rows = np.full((len(deviations), count), nan)
        for row, item in zip(rows, deviations, strict=True):
            row[: len(item.deviation)] = getattr(item, name) ** 2
        return np.asarray(np.nanmean(rows, axis=0))

    error = mean_square("error")
    return InitialDeviation(
        edge=round(float(np.median([item.edge for item in deviations]))),
        edge_s=longest.edge_s,
        middle_s=longest.middle_s,
        deviation=np.sqrt(np.maximum(mean_square("deviation") - error, 0)),
        error=np.sqrt(error) * (2 / len(deviations)) ** 0.25,
    )
