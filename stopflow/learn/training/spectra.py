"""Spectra of weights and gradients as columns of the history."""

from typing import Final

from torch import Tensor

from stopflow.lowrank import Loss, Network, measure_spectra, stable_rank

LEADING: Final = 12
"""Singular values of each matrix that the history has."""


def spectra_columns(
    network: Network, inputs: Tensor, targets: Tensor, *, loss: Loss
) -> dict[str, float]:
    """Return ``weight_stable_rank_1, weight_sigma_1_1, ..., gradient_sigma_1_1, ...``.

    The first number is that of the layer, the second that of the singular value.
    """
    row: dict[str, float] = {}
    for number, spectra in enumerate(measure_spectra(network, inputs, targets, loss=loss), start=1):
        for of, sigma in (("weight", spectra.weight), ("gradient", spectra.gradient)):
            row[f"{of}_stable_rank_{number}"] = stable_rank(sigma)
            values = sigma[:LEADING].tolist()
            row |= {f"{of}_sigma_{number}_{i}": v for i, v in enumerate(values, start=1)}
    return row
