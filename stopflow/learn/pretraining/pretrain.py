"""Training on simulated traces alone, which gives the shipped models.

The network is trained in whitened coordinates z = (Q^T x - mean) A of the features x, which is the
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
from torch import Tensor
from torch.nn.functional import huber_loss

from stopflow.errors import SettingsError, require_key
from stopflow.features import FeatureSpec
from stopflow.learn.pretraining.prior import Prior
from stopflow.learn.pretraining.synthetic import GridCounts, TraceBank, build_bank, draw_grids
from stopflow.learn.pretraining.whitening import CENTRE, SPREAD, Whitening, export_network, whiten
from stopflow.learn.projection import bin_basis
from stopflow.learn.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stopflow.lowrank.network import LayerSpec, Network, build_network
from stopflow.lowrank.settings import StepSettings
from stopflow.lowrank.stepper import Stepper, build_stepper

KNEE: Final = 3.0
LOG_SD_BOUNDS: Final = (-9.0, 3.0)
CHECK_TRACES: Final = 16_384
KINDS: Final = ("shape", "blocks")


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings:
    """Everything that determines the outcome of a run.

    Attributes
    ----------
    features
        ``"shape"`` or ``"blocks"``.
    pairs
        Pairs of a row; 0 for the kind's own number.
    polish_share, polish_rate
        The share of the steps at the end for which the schedule starts again, and the share of
        `learning_rate` that it starts from.
    directions
        Number of coordinates of a trace.
    whitening_floor
        Directions whose SD over the prior is smaller than this are not enlarged any further.
    checkpoint_every
        Steps between checkpoints and progress reports.
    """

    features: str = "shape"
    pairs: int = 0
    steps: int = 80_000
    seed: int = 0
    batch_size: int = 512
    learning_rate: float = 6e-3
    second_decay: float = 0.99
    warm_up: int = 200
    polish_share: float = 0.25
    polish_rate: float = 1 / 3
    rank: int = 50
    widths: tuple[int, ...] = (512, 512, 256)
    directions: int = 96
    whitening_floor: float = 1e-2
    checkpoint_every: int = 1000
    prior: Prior = field(default_factory=Prior)
    grids: GridCounts = field(default_factory=GridCounts)

    def __post_init__(self) -> None:
        require_key("features", self.features, KINDS)
        for name in ("steps", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise SettingsError(name, getattr(self, name), valid="a whole number, 1 or more")

    def layers(self) -> tuple[LayerSpec, ...]:
        """Return low-rank hidden layers and a dense head of two outputs."""
        hidden = (
            LayerSpec(type="dlrt", dim=width, activation="gelu", rank=self.rank)
            for width in self.widths
        )
        return (*hidden, LayerSpec(type="dense", dim=2, activation="linear"))

    def rate_at(self, step: int) -> float:
        """Return the learning rate: a warm-up, half a cosine to zero, then a lower half cosine."""
        main = round(self.steps * (1 - self.polish_share))
        if step >= main:
            peak = self.learning_rate * self.polish_rate
            return peak * _half_cosine((step - main) / (self.steps - main))
        warm = min(1.0, (step + 1) / self.warm_up)
        return self.learning_rate * warm * _half_cosine(step / main)


def _half_cosine(place: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * place))


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainProgress:
    """How far a run has come, and its error on simulated traces that it does not train on."""

    step: int
    steps: int
    loss: float
    check_loss: float
    median_error: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pretrained:
    """A network on full feature rows with the outputs (log kT, log SD), and how it was trained."""

    network: Network
    spec: FeatureSpec
    settings: PretrainSettings
    history: tuple[PretrainProgress, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """What changes while training."""

    network: Network
    stepper: Stepper
    generator: torch.Generator
    history: list[PretrainProgress]


def likelihood_loss(outputs: Tensor, log_kt: Tensor) -> Tensor:
    """Negative log-likelihood of log(k T) for the trained (unscaled) outputs.

    It is Gaussian up to `KNEE` standard deviations and linear beyond, so that no single trace has
    an undue influence.
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
    """Train on traces drawn from the prior; a resumed run gives the same network.

    Parameters
    ----------
    checkpoint
        File (safetensors) that is replaced every `checkpoint_every` steps; None for none.
    resume
        Go on from `checkpoint` if it exists.

    Raises
    ------
    ModelError
        When the checkpoint was made with other settings or cannot be read.
    """
    spec = FeatureSpec(settings.features, settings.pairs)
    basis = bin_basis(spec.kind, spec.pairs, directions=settings.directions)
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
    whitening = whiten(bank, settings.whitening_floor, generator=generator)
    run = _start(settings, whitening, generator=generator)
    if resume and checkpoint is not None and checkpoint.exists():
        _load(checkpoint, run, settings)
    _train(run, bank, whitening, settings, checkpoint=checkpoint, on_progress=on_progress)
    exported = export_network(run.network, whitening, basis, spec=spec)
    return Pretrained(network=exported, spec=spec, settings=settings, history=tuple(run.history))


def _start(settings: PretrainSettings, whitening: Whitening, *, generator: torch.Generator) -> _Run:
    network = build_network(whitening.matrix.shape[1], settings.layers(), generator=generator)
    optimiser = StepSettings(
        optimiser="adam-elementwise",
        learning_rate=settings.learning_rate,
        second_decay=settings.second_decay,
    )
    return _Run(
        network=network, stepper=build_stepper(network, optimiser), generator=generator, history=[]
    )


def _train(
    run: _Run,
    bank: TraceBank,
    whitening: Whitening,
    settings: PretrainSettings,
    *,
    checkpoint: Path | None,
    on_progress: Callable[[PretrainProgress], None] | None,
) -> None:
    check = bank.draw(CHECK_TRACES, generator=torch.Generator().manual_seed(settings.seed + 1))
    check_inputs = whitening.apply(check.coordinates)
    done = run.history[-1] if run.history else None
    began = time.monotonic() - (done.seconds if done else 0.0)
    losses: list[float] = []
    for step in range(done.step if done else 0, settings.steps):
        run.stepper.set_learning_rate(settings.rate_at(step))
        batch = bank.draw(settings.batch_size, generator=run.generator)
        inputs = whitening.apply(batch.coordinates)
        losses.append(run.stepper.step(inputs, batch.log_kt, loss=likelihood_loss).loss)
        if (step + 1) % settings.checkpoint_every and step + 1 < settings.steps:
            continue
        with torch.no_grad():
            outputs = run.network(check_inputs)
        error = (outputs[:, 0] * SPREAD + CENTRE - check.log_kt).abs()
        report = PretrainProgress(
            step=step + 1,
            steps=settings.steps,
            loss=float(np.mean(losses)),
            check_loss=float(likelihood_loss(outputs, check.log_kt)),
            median_error=float(error.median()),
            seconds=time.monotonic() - began,
        )
        run.history.append(report)
        losses.clear()
        if checkpoint is not None:
            _save(checkpoint, run, settings)
        if on_progress is not None:
            on_progress(report)


def _fingerprint(settings: PretrainSettings) -> str:
    return json.dumps(asdict(settings), sort_keys=True)


def _save(path: Path, run: _Run, settings: PretrainSettings) -> None:
    tensors = {f"network.{name}": value for name, value in run.network.state_dict().items()}
    tensors |= {f"stepper.{name}": value for name, value in run.stepper.state_dict().items()}
    tensors["generator.state"] = run.generator.get_state()
    checkpoint = Checkpoint(
        tensors=tensors, values={"history": [asdict(report) for report in run.history]}
    )
    save_checkpoint(path, checkpoint, fingerprint=_fingerprint(settings))


def _load(path: Path, run: _Run, settings: PretrainSettings) -> None:
    checkpoint = load_checkpoint(path, fingerprint=_fingerprint(settings))

    def part(prefix: str) -> dict[str, Tensor]:
        found = checkpoint.tensors.items()
        return {n.removeprefix(prefix): v for n, v in found if n.startswith(prefix)}

    run.network.load_state_dict(part("network."))
    run.stepper.load_state_dict(part("stepper."))
    run.generator.set_state(checkpoint.tensors["generator.state"])
    run.history.extend(PretrainProgress(**report) for report in checkpoint.values["history"])
