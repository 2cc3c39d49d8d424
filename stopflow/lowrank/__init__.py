"""Low-rank training that never forms a weight matrix.

A network is a chain of layers out of `LAYERS`; a stepper trains it, whatever the mix, with one
call a batch:

>>> import torch
>>> from stopflow.lowrank import (
...     MEAN_SQUARE, LayerSpec, StepSettings, build_network, build_stepper)
>>> generator = torch.Generator().manual_seed(1)
>>> x, y = torch.randn(64, 200, generator=generator), torch.randn(64, 1, generator=generator)
>>> specs = [LayerSpec(type="dlrt", dim=32, rank=8),
...          LayerSpec(type="dense", dim=1, activation="linear")]
>>> network = build_network(200, specs, generator=generator)
>>> stepper = build_stepper(network, StepSettings(optimiser="adam", learning_rate=1e-3))
>>> losses = [stepper.step(x, y, loss=MEAN_SQUARE).loss for _ in range(200)]
>>> losses[-1] < 0.1 * losses[0]
True
"""

from stopflow.lowrank.activations import ACTIVATIONS
from stopflow.lowrank.bench.counts import published_count
from stopflow.lowrank.layer.lowrank import InputBasis
from stopflow.lowrank.layers import LAYERS
from stopflow.lowrank.losses import (
    CROSS_ENTROPY,
    MEAN_ABSOLUTE,
    MEAN_SQUARE,
    ClosedLoss,
    Loss,
    huber,
)
from stopflow.lowrank.network import (
    LayerSpec,
    Network,
    build_network,
    count_parameters,
    count_trained,
)
from stopflow.lowrank.optimisers.table import OPTIMISERS
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.spectra import LayerSpectra, measure_spectra, stable_rank
from stopflow.lowrank.status import StepResult, StepStatus
from stopflow.lowrank.stepper import Stepper, build_stepper
from stopflow.lowrank.transfer.compress import Compressed, CompressedLayer, compress
from stopflow.lowrank.transfer.lora import adapt, merge, unmerge
from stopflow.lowrank.transfer.rowspace import RowSpace, RowSpaceDecision, decide_row_space

__all__ = [
    "ACTIVATIONS",
    "CROSS_ENTROPY",
    "LAYERS",
    "MEAN_ABSOLUTE",
    "MEAN_SQUARE",
    "OPTIMISERS",
    "ClosedLoss",
    "Compressed",
    "CompressedLayer",
    "InputBasis",
    "LayerSpec",
    "LayerSpectra",
    "Loss",
    "Network",
    "RowSpace",
    "RowSpaceDecision",
    "StepResult",
    "StepSettings",
    "StepStatus",
    "Stepper",
    "adapt",
    "build_network",
    "build_stepper",
    "compress",
    "count_parameters",
    "count_trained",
    "decide_row_space",
    "huber",
    "measure_spectra",
    "merge",
    "published_count",
    "stable_rank",
    "unmerge",
]
