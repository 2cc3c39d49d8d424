"""How a network is trained: one frozen record, checked at construction, saved with the model."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, Self

import numpy as np

from stopflow.errors import SettingsError
from stopflow.features import FEATURES, FeatureSpec
from stopflow.learn.loss import CLASS_LOSSES, LOSSES
from stopflow.lowrank import ACTIVATIONS, LAYERS, LayerSpec, StepSettings

WARMUP_SHARE: Final = 0.02
LABELS: Final = ("fit", "workbook")


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

CLASS_OPTIMISER: Final = "adam-elementwise"
"""Of dynamical layers in classifiers. Chosen by validation accuracy on MNIST (784-256-128-10, rank
20, 5 epochs in batches of 128), each optimiser at its best rate: 97.9 %, against 97.2 % of
``"adam"`` and 96.6 % of ``"muon"`` (`stopflow reproduce comparison`).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Everything that decides a training run, apart from the data.

    Attributes
    ----------
    layer, rank, hidden, activation
        The network: hidden layers of one kind and a dense linear output of one number. A layer
        too small for the rank has its full one; at least one layer must have room for it.
    layers
        The hidden layers one by one, or with a last linear one the whole network; wins over
        `layer`, `rank`, `hidden` and `activation`.
    inputs
        Inputs that `layers` were written for; 0: as many as the data have.
    features, pairs
        Kind of row, and its pairs (0: the kind's own number).
    labels
        ``"fit"`` or ``"workbook"``: which rates are learned.
    standardise
        Scale columns and target by what the training rows say; without it both stay as they are.
    directions
        With `row_space` ``"auto"`` and dimensionless features the first layer works in at most so
        many directions in which rates show (`learn.signal_space`); folded back into the inputs
        when training is done. 0: off.
    whitening
        How far those directions are brought to equal size: 0 as they are, 1 equal.
    augmentations
        Re-cut copies of each training trace (later start, earlier end, same k), of which one is
        seen in each epoch. 0: the rows alone.
    drift
        Largest slope that is added to a row, in units of its SD over the window; the rate does not
        depend on it. 0: none.
    shift
        Pixels by which an image is moved at random, up or down and sideways, each time it is
        seen. 0: none.
    row_space
        ``"auto"``; ``"on"`` or ``"off"``: train in the row space of the training rows; both
        switch `directions` off.
    epochs, batch_size, schedule
        Passes over the training rows, rows a step, a key of `SCHEDULES`.
    learning_rate
        Peak step size; None: what is best for layers, optimiser and length.
    optimiser
        A key of `lowrank.OPTIMISERS`; None: ``"muon"`` where a layer is dynamical
        (`CLASS_OPTIMISER` in a classifier), else ``"adam"``.
    momentum, clip
        As in `lowrank.StepSettings`.
    weight_decay
        As there; None: 0, and in long runs of Muon up to `MUON_DECAY`.
    loss
        A key of `LOSSES` for rates, of `CLASS_LOSSES` for classes.
    theta, min_rank, max_rank, cadence
        Of rank-adaptive layers.
    delay, absorb_every, cutoff, absorb_share
        Of OIALR layers, as in `lowrank.StepSettings` (nu, beta and alpha of the paper); delay
        None: a third of all steps, 0: low rank from the start.
    patience
        Stop when the validation error has not improved for so many epochs; 0: never.
    track_spectra
        Put singular values and stable ranks of weights and gradients into the history.
    test_experiments, test_count, validation_experiments, validation_count
        As in `split_by_experiment`; `patience` needs at least one validation experiment and takes
        one if none is asked for.
    seed, device
        Same seed and device, same result.
    """

    layer: str = "dlrt"
    rank: int = 50
    hidden: tuple[int, ...] = (512, 512, 256)
    activation: str = "gelu"
    layers: tuple[LayerSpec, ...] = ()
    inputs: int = 0
    features: str = "shape"
    pairs: int = 0
    labels: Literal["fit", "workbook"] = "fit"
    standardise: bool = True
    directions: int = 64
    whitening: float = 0.3
    augmentations: int = 6
    drift: float = 0.1
    shift: int = 0
    row_space: Literal["auto", "on", "off"] = "auto"
    epochs: int = 300
    batch_size: int = 128
    learning_rate: float | None = None
    schedule: str = "cosine"
    optimiser: str | None = None
    momentum: float = 0.9
    clip: float | None = None
    weight_decay: float | None = None
    loss: str = "smooth-l1"
    theta: float = 0.05
    min_rank: int = 2
    max_rank: int | None = None
    cadence: int = 10
    delay: int | None = None
    absorb_every: int = 100
    cutoff: float = 0.1
    absorb_share: float | None = None
    patience: int = 0
    track_spectra: bool = False
    test_experiments: tuple[str, ...] = ()
    test_count: int = 3
    validation_experiments: tuple[str, ...] = ()
    validation_count: int = 0
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        _require_key("layer", self.layer, LAYERS)
        _require_key("activation", self.activation, ACTIVATIONS)
        _require_key("features", self.features, FEATURES)
        _require_key("labels", self.labels, LABELS)
        _require_key("schedule", self.schedule, SCHEDULES)
        _require_key("loss", self.loss, (*LOSSES, *CLASS_LOSSES))
        _require_key("row_space", self.row_space, ("auto", "on", "off"))
        for name in ("rank", "epochs", "batch_size", "test_count"):
            _require_whole(name, getattr(self, name), low=1)
        for name in (
            "directions",
            "augmentations",
            "patience",
            "validation_count",
            "seed",
            "pairs",
            "inputs",
            "shift",
        ):
            _require_whole(name, getattr(self, name), low=0)
        if not self.hidden and not self.layers:
            raise SettingsError("hidden", self.hidden, valid="one hidden layer or more")
        for dim in self.hidden:
            _require_whole("hidden", dim, low=1)
        self._require_rank()
        if not 0 <= self.whitening <= 1:
            raise SettingsError("whitening", self.whitening, valid="a number from 0 to 1")
        if not 0 <= self.drift < np.inf:
            raise SettingsError("drift", self.drift, valid="a number from 0")
        self.step_settings()

    def _require_rank(self) -> None:
        """Refuse a rank that no layer can have."""
        if self.layers or not LAYERS[self.layer].ranked:
            return
        widths = (self.feature_spec().n_inputs, *self.hidden)
        most = max(map(min, zip(widths, self.hidden, strict=False)))
        if self.rank > most:
            raise SettingsError("rank", self.rank, valid=f"1 to {most} in layers of {self.hidden}")

    def feature_spec(self) -> FeatureSpec:
        """Features the network takes."""
        return FeatureSpec(self.features, self.pairs)

    def require_inputs(self, n_inputs: int) -> None:
        """Raise a `SettingsError` where `layers` were written for rows of another length."""
        if self.layers and self.inputs not in (0, n_inputs):
            raise SettingsError(
                "inputs of layer 1", self.inputs, valid=f"{n_inputs}, as many as a row has"
            )

    def network_specs(self, n_inputs: int, *, n_outputs: int = 1) -> tuple[LayerSpec, ...]:
        """Layers from input to output for rows of `n_inputs` values.

        A dense linear output is added where the last of `layers` is a hidden one.

        Raises
        ------
        SettingsError
            A layer of `layers` whose rank is above what its size allows, or a last one whose dim
            is another than the `n_outputs` of the task.
        """
        specs = list(self.layers) or _hidden(self, n_inputs)
        width = n_inputs
        for number, spec in enumerate(specs, start=1):
            most = min(width, spec.dim)
            if LAYERS[spec.type].ranked and spec.rank is not None and spec.rank > most:
                raise SettingsError(f"rank of layer {number}", spec.rank, valid=f"1 to {most}")
            width = spec.dim
        linear = specs[-1].activation == "linear"
        if linear and specs[-1].dim != n_outputs:
            why = "one k" if n_outputs == 1 else f"one of {n_outputs} classes"
            raise SettingsError(
                "dim of the last layer",
                specs[-1].dim,
                valid=f"{n_outputs}: the network predicts {why}",
            )
        if not linear and (n_outputs == 1 or specs[-1].dim != n_outputs):
            specs.append(LayerSpec(type="dense", dim=n_outputs, activation="linear"))
        return tuple(specs)

    @property
    def peak_rate(self) -> float:
        """Step size at the top of the schedule."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self.loss in CLASS_LOSSES:
            return CLASS_RATE
        if self.chosen_optimiser in ("adam", "muon"):
            rate = min(SMALLER_RATES.get(name, ADAM_RATE) for name in self._types)
        else:
            rate = OTHER_RATE
        return rate * self._shortening

    @property
    def decay(self) -> float:
        """Weight decay that is used."""
        if self.weight_decay is not None:
            return self.weight_decay
        return MUON_DECAY * (1.0 - self._shortening) if self.chosen_optimiser == "muon" else 0.0

    @property
    def _shortening(self) -> float:
        """Factor of the rates of a run longer than those they were chosen for."""
        return min(1.0, float(np.sqrt(RATED_EPOCHS / self.epochs)))

    @property
    def set_aside(self) -> int:
        """Experiments to choose for validation; early stopping needs one."""
        return max(self.validation_count, 1 if self.patience else 0)

    @property
    def chosen_optimiser(self) -> str:
        """Key of `lowrank.OPTIMISERS`."""
        if self.optimiser is not None:
            return self.optimiser
        if not any(LAYERS[name].dynamical for name in self._types):
            return "adam"
        return CLASS_OPTIMISER if self.loss in CLASS_LOSSES else "muon"

    @property
    def _types(self) -> set[str]:
        return {spec.type for spec in self.layers} or {self.layer}

    def to_record(self) -> dict[str, Any]:
        """Return all settings, with the optimiser, rate and decay that are used."""
        used = {
            "optimiser": self.chosen_optimiser,
            "learning_rate": self.peak_rate,
            "weight_decay": self.decay,
        }
        return asdict(self) | used

    def step_settings(self, steps: int = 300) -> StepSettings:
        """Return what a stepper of so many steps needs; errors name what is out of range."""
        return StepSettings(
            optimiser=self.chosen_optimiser,
            learning_rate=self.peak_rate,
            momentum=self.momentum,
            clip=self.clip,
            weight_decay=self.decay,
            theta=self.theta,
            min_rank=self.min_rank,
            max_rank=self.max_rank,
            cadence=self.cadence,
            delay=max(steps // 3, 1) if self.delay is None else self.delay,
            absorb_every=self.absorb_every,
            cutoff=self.cutoff,
            absorb_share=self.absorb_share,
        )

    def published(self) -> Self:
        """Return the published recipe with the same split, epochs, batches, seed and device."""
        return replace(self, **PUBLISHED)  # type: ignore[arg-type]


PUBLISHED: Final[Mapping[str, object]] = {
    "layer": "dense",
    "layers": (),
    "inputs": 0,
    "hidden": (512, 512, 256),
    "features": "raw",
    "pairs": 0,
    "activation": "relu",
    "standardise": False,
    "directions": 0,
    "augmentations": 0,
    "drift": 0.0,
    "loss": "mse",
    "schedule": "constant",
    "learning_rate": 1e-4,
}
"""Dense layers on raw unscaled rows, k itself, mean square, Adam at 1e-4."""


def _hidden(settings: TrainSettings, n_inputs: int) -> list[LayerSpec]:
    ranked = LAYERS[settings.layer].ranked
    widths = (n_inputs, *settings.hidden)
    return [
        LayerSpec(
            type=settings.layer,
            dim=dim,
            activation=settings.activation,
            rank=min(settings.rank, width, dim) if ranked else None,
        )
        for width, dim in zip(widths, settings.hidden, strict=False)
    ]


def _require_key(name: str, value: object, valid: Mapping[str, object] | tuple[str, ...]) -> None:
    if value not in valid:
        raise SettingsError(name, value, valid=valid)


def _require_whole(name: str, value: object, *, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise SettingsError(name, value, valid=f"a whole number from {low}")
