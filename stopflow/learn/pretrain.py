"""Training on simulated traces alone: the models that are shipped.

The network is trained in whitened coordinates z = (Q^T x - mean) W of the features x, which is the
same as training on x itself (`learn.projection`), and exported to full rows at the end: its first
layer U S Vc^T z + b becomes U S' V^T x + b' with V orthonormal again. It has two outputs, log(k T)
and the log of its own standard deviation s, and the loss is the negative log-likelihood
((log kT - o) / s)^2 / 2 + log s, linear beyond three standard deviations.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import huber_loss

from stopflow.errors import ModelError, SettingsError
from stopflow.features import FeatureSpec
from stopflow.io.atomic import replacing_file
from stopflow.learn.prior import Prior
from stopflow.learn.projection import cell_basis
from stopflow.learn.synthetic import GridCounts, TraceBank, build_bank, draw_grids
from stopflow.lowrank.dense import DenseLayer
from stopflow.lowrank.factors import LowRankLayer
from stopflow.lowrank.network import LayerSpec, Network, build_network
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.stepper import Stepper, build_stepper

CENTRE: Final = math.log(60.0)
SPREAD: Final = 2.2
KNEE: Final = 3.0
LOG_SD_BOUNDS: Final = (-9.0, 3.0)
BESIDE_FLOOR: Final = 0.3
WHITENING_TRACES: Final = 32_768
CHECK_TRACES: Final = 16_384
KINDS: Final = ("shape", "blocks")


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings:
    """Everything that decides the outcome of a run.

    Attributes
    ----------
    features
        ``"shape"`` or ``"blocks"``.
    directions
        Coordinates of a trace (shape only).
    whitening_floor
        Directions with a smaller SD than this over the prior are not enlarged further.
    checkpoint_every
        Steps between checkpoints and progress reports.
    """

    features: str = "shape"
    steps: int = 30_000
    seed: int = 0
    batch_size: int = 512
    learning_rate: float = 6e-3
    second_decay: float = 0.99
    warm_up: int = 200
    rank: int = 50
    widths: tuple[int, ...] = (512, 512, 256)
    directions: int = 96
    whitening_floor: float = 1e-2
    checkpoint_every: int = 1000
    prior: Prior = field(default_factory=Prior)
    grids: GridCounts = field(default_factory=GridCounts)

    def __post_init__(self) -> None:
        if self.features not in KINDS:
            raise SettingsError("features", self.features, valid=KINDS)
        for name in ("steps", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise SettingsError(name, getattr(self, name), valid="a whole number, 1 or more")

    def layers(self) -> tuple[LayerSpec, ...]:
        """Low-rank hidden layers, a dense head of two outputs."""
        hidden = (
            LayerSpec(type="dlrt", dim=width, activation="gelu", rank=self.rank)
            for width in self.widths
        )
        return (*hidden, LayerSpec(type="dense", dim=2, activation="linear"))

    def rate_at(self, step: int) -> float:
        """Learning rate: linear warm-up times half a cosine down to zero."""
        warm = min(1.0, (step + 1) / self.warm_up)
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / self.steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainProgress:
    """How far a run is, and its error on simulated traces it does not train on."""

    step: int
    steps: int
    loss: float
    check_loss: float
    median_error: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coordinates:
    """z = (rows - mean) @ whitening of the rows a bank draws."""

    mean: Tensor
    whitening: Tensor

    def apply(self, rows: Tensor) -> Tensor:
        """(B, n) -> (B, q)."""
        return (rows - self.mean) @ self.whitening


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pretrained:
    """A network on full feature rows with outputs (log kT, log SD), and how it came about."""

    network: Network
    spec: FeatureSpec
    settings: PretrainSettings
    history: tuple[PretrainProgress, ...]


def likelihood_loss(outputs: Tensor, log_kt: Tensor) -> Tensor:
    """Negative log-likelihood of log(k T) for the trained (unscaled) outputs.

    Gaussian up to `KNEE` standard deviations and linear beyond, so that no single trace can throw
    the network off its course.
    """
    log_sd = outputs[:, 1].clamp(*LOG_SD_BOUNDS)
    error = (outputs[:, 0] * SPREAD + CENTRE - log_kt) * torch.exp(-log_sd)
    return (
        huber_loss(error, torch.zeros_like(error), delta=KNEE, reduction="none") + log_sd
    ).mean()


def pretrain(
    settings: PretrainSettings,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    on_progress: Callable[[PretrainProgress], None] | None = None,
) -> Pretrained:
    """Train from nothing but the prior; a resumed run ends in the same network.

    Parameters
    ----------
    checkpoint
        File (safetensors) that is replaced every `checkpoint_every` steps; None for none.
    resume
        Go on from `checkpoint` if it exists.

    Raises
    ------
    ModelError
        The checkpoint is of other settings, or not readable.
    """
    spec = FeatureSpec(settings.features)
    basis = cell_basis(spec.kind, spec.pairs, directions=settings.directions)
    numpy_generator = np.random.default_rng(settings.seed)
    grids = draw_grids(settings.prior, settings.grids, generator=numpy_generator)
    bank = build_bank(
        spec,
        basis,
        grids,
        prior=settings.prior,
        long=settings.grids.long,
        generator=numpy_generator,
    )
    generator = torch.Generator().manual_seed(settings.seed)
    coordinates = _whiten(bank, basis.shape[1], settings.whitening_floor, generator=generator)
    network = build_network(coordinates.whitening.shape[1], settings.layers(), generator=generator)
    stepper = build_stepper(
        network,
        StepSettings(
            optimiser="adam-elementwise",
            learning_rate=settings.learning_rate,
            second_decay=settings.second_decay,
        ),
    )
    history: list[PretrainProgress] = []
    if resume and checkpoint is not None and checkpoint.exists():
        history = _load(checkpoint, settings, network, stepper, generator)
    check = bank.draw(CHECK_TRACES, generator=torch.Generator().manual_seed(settings.seed + 1))
    check_inputs = coordinates.apply(check.coordinates)
    began = time.monotonic() - (history[-1].seconds if history else 0.0)
    losses: list[float] = []
    for step in range(history[-1].step if history else 0, settings.steps):
        stepper.set_learning_rate(settings.rate_at(step))
        batch = bank.draw(settings.batch_size, generator=generator)
        inputs = coordinates.apply(batch.coordinates)
        losses.append(stepper.step(inputs, batch.log_kt, loss=likelihood_loss).loss)
        if (step + 1) % settings.checkpoint_every and step + 1 < settings.steps:
            continue
        with torch.no_grad():
            outputs = network(check_inputs)
        error = (outputs[:, 0] * SPREAD + CENTRE - check.log_kt).abs()
        report = PretrainProgress(
            step=step + 1,
            steps=settings.steps,
            loss=float(np.mean(losses)),
            check_loss=float(likelihood_loss(outputs, check.log_kt)),
            median_error=float(error.median()),
            seconds=time.monotonic() - began,
        )
        history.append(report)
        losses.clear()
        if checkpoint is not None:
            _save(checkpoint, settings, network, stepper, generator, history)
        if on_progress is not None:
            on_progress(report)
    exported = export_network(network, coordinates, basis, spec=spec)
    return Pretrained(network=exported, spec=spec, settings=settings, history=tuple(history))


def _whiten(
    bank: TraceBank, signals: int, floor: float, *, generator: torch.Generator
) -> Coordinates:
    """Principal directions of the signal part at unit SD; the part beside it scaled by column."""
    rows = bank.draw(WHITENING_TRACES, generator=generator).coordinates.double()
    mean = rows.mean(dim=0)
    energy, vectors = torch.linalg.eigh(torch.cov(rows[:, :signals].T))
    whitening = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
    whitening[:signals, :signals] = vectors / (energy.clamp(min=0) + floor**2).sqrt()
    if rows.shape[1] > signals:
        beside = 1.0 / (rows[:, signals:].std(dim=0) + BESIDE_FLOOR)
        whitening[signals:, signals:] = torch.diag(beside)
    return Coordinates(mean=mean.float(), whitening=whitening.float())


def export_network(
    network: Network, coordinates: Coordinates, basis: np.ndarray, *, spec: FeatureSpec
) -> Network:
    """Rewrite the first layer for full rows, and the head for log(k T) itself.

    With x_q = B^T x the coordinates of a row x, U S Vc^T (W^T (B^T x - mean)) + b has
    B W Vc = V R (QR) and therefore S' = S R^T, b' = b - U S Vc^T W^T mean.
    """
    places = torch.zeros(spec.n_inputs, len(coordinates.mean), dtype=torch.float64)
    signals = basis.shape[1]
    places[1::2, :signals] = torch.from_numpy(basis)
    if len(coordinates.mean) > signals:
        places[0::2, signals:] = torch.eye(spec.pairs, dtype=torch.float64)
    exported = build_network(spec.n_inputs, network.specs, generator=torch.Generator())
    exported.load_state_dict(
        {
            name: value
            for name, value in network.state_dict().items()
            if not name.startswith("layers.0.")
        }
        | {
            name: value
            for name, value in exported.state_dict().items()
            if name.startswith("layers.0.")
        }
    )
    trained, first, head = network.layers[0], exported.layers[0], exported.layers[-1]
    if not (
        isinstance(trained, LowRankLayer)
        and isinstance(first, LowRankLayer)
        and isinstance(head, DenseLayer)
    ):
        raise SettingsError("layers", network.specs, valid="a low-rank first layer, a dense head")
    looks = coordinates.whitening.double() @ trained.V.data.double()
    basis_v, turn = torch.linalg.qr(places @ looks)
    core = trained.U.data.double() @ trained.S.data.double()
    first.set_factors(
        trained.U.data.clone(),
        (trained.S.data.double() @ turn.T).float(),
        basis_v.float(),
    )
    first.bias.data = (
        trained.bias.data.double() - core @ (looks.T @ coordinates.mean.double())
    ).float()
    with torch.no_grad():
        head.weight[0] *= SPREAD
        head.bias[0] = head.bias[0] * SPREAD + CENTRE
    return exported


def _fingerprint(settings: PretrainSettings) -> str:
    return json.dumps(asdict(settings), sort_keys=True)


def _save(
    path: Path,
    settings: PretrainSettings,
    network: Network,
    stepper: Stepper,
    generator: torch.Generator,
    history: list[PretrainProgress],
) -> None:
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"stepper.{name}": value for name, value in stepper.state_dict().items()}
    tensors["generator"] = generator.get_state()
    metadata = {
        "settings": _fingerprint(settings),
        "history": json.dumps([asdict(report) for report in history]),
    }
    with replacing_file(path) as beside:
        save_file({k: v.contiguous() for k, v in tensors.items()}, beside, metadata=metadata)


def _load(
    path: Path,
    settings: PretrainSettings,
    network: Network,
    stepper: Stepper,
    generator: torch.Generator,
) -> list[PretrainProgress]:
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: this is no checkpoint that can be read: {error}") from error
    if metadata.get("settings") != _fingerprint(settings):
        raise ModelError(f"{path}: the checkpoint is of a run with other settings; expected these")
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "stepper": {}, "generator": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    network.load_state_dict(parts["network"])
    stepper.load_state_dict(parts["stepper"])
    generator.set_state(tensors["generator"])
    return [PretrainProgress(**report) for report in json.loads(metadata["history"])]
