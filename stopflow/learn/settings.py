"""The settings of a training run: one frozen record, checked when it is made."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, Self

import numpy as np

from stopflow.errors import SettingsError, require_key
from stopflow.features import FEATURES, FeatureSpec
from stopflow.learn.learning_rates import SCHEDULES, choose_decay, choose_rate
from stopflow.learn.loss import CLASS_LOSSES, LOSSES
from stopflow.learn.network_specs import build_hidden, complete_specs
from stopflow.lowrank import ACTIVATIONS, LAYERS, LayerSpec, StepSettings

LABELS: Final = ("fit", "workbook")


CLASS_OPTIMISER: Final = "adam-elementwise"
"""Of dynamical layers in classifiers. Chosen by validation accuracy on MNIST (784-256-128-10, rank
20, 5 epochs in batches of 128), each optimiser at its best rate: 97.9 %, against 97.2 % of
``"adam"`` and 96.6 % of ``"muon"`` (`stopflow reproduce comparison`).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Everything that determines a training run, apart from the data.

    Attributes
    ----------
    layer, rank, hidden, activation
        The network: hidden layers of one kind and a dense linear output of one number. A layer
        too small for the rank has full rank; at least one layer must be large enough for it.
    layers
        The hidden layers one by one or, if the last is linear, the whole network. They take the
        place of `layer`, `rank`, `hidden` and `activation`.
    inputs
        The number of inputs that `layers` were written for; 0: as many as the data have.
    features, pairs
        The kind of row, and its number of pairs (0: the default of the kind).
    labels
        ``"fit"`` or ``"workbook"``: which rates are learned.
    initial_decay
        Factor by which each initial singular value of a low-rank layer lies below the one before
        it, at the same Frobenius norm; 1: equal singular values.
    standardise
        Whether columns and target are scaled by the statistics of the training rows.
    directions
        With `row_space` ``"auto"`` and dimensionless features, the largest number of directions in
        which rates show (`learn.training.signal_space`) that the first layer works in; they are
        folded back into the inputs after training. 0: off.
    whitening
        How far these directions are scaled to equal size: 0 not at all, 1 fully.
    augmentations
        Number of re-cut copies of each training trace (later start, earlier end, same k); each
        epoch takes one of them or the trace itself. 0: the traces alone.
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
        Passes over the training rows, rows a step, a key of `learning_rates.SCHEDULES`.
    learning_rate
        Peak step size; None: what is best for layers, optimiser and length.
    optimiser
        A key of `lowrank.OPTIMISERS`; None: ``"muon"`` where a layer is dynamical
        (`CLASS_OPTIMISER` in a classifier), else ``"adam"``.
    momentum, clip
        As in `lowrank.StepSettings`.
    weight_decay
        As there; None: 0, and in long runs of Muon up to `learning_rates.MUON_DECAY`.
    loss
        A key of `LOSSES` for rates, of `CLASS_LOSSES` for classes.
    theta, min_rank, max_rank, cadence
        Of rank-adaptive layers.
    delay, absorb_every, cutoff, absorb_share
        Of OIALR layers, as in `lowrank.StepSettings` (nu, beta and alpha of the paper); delay
        None: a third of all steps, 0: low rank from the start.
    patience
        Number of epochs without a smaller validation error after which the run stops; 0: never.
    track_spectra
        Put singular values and stable ranks of weights and gradients into the history.
    test_experiments, test_count, validation_experiments, validation_count
        As in `split_by_experiment`. `patience` needs a validation experiment; one is set aside if
        none is asked for.
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
    initial_decay: float = 1.0
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
        require_key("layer", self.layer, LAYERS)
        require_key("activation", self.activation, ACTIVATIONS)
        require_key("features", self.features, FEATURES)
        require_key("labels", self.labels, LABELS)
        require_key("schedule", self.schedule, SCHEDULES)
        require_key("loss", self.loss, (*LOSSES, *CLASS_LOSSES))
        require_key("row_space", self.row_space, ("auto", "on", "off"))
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
        if not 1 <= self.initial_decay < np.inf:
            raise SettingsError("initial_decay", self.initial_decay, valid="a number from 1")
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
        """Return the features that the network takes."""
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
        specs = self.layers or build_hidden(
            self.layer, self.hidden, n_inputs=n_inputs, rank=self.rank, activation=self.activation
        )
        return complete_specs(specs, n_inputs=n_inputs, n_outputs=n_outputs)

    @property
    def peak_rate(self) -> float:
        """Step size at the top of the schedule."""
        if self.learning_rate is not None:
            return self.learning_rate
        return choose_rate(
            self.chosen_optimiser,
            self._types,
            epochs=self.epochs,
            classes=self.loss in CLASS_LOSSES,
        )

    @property
    def decay(self) -> float:
        """The weight decay that is used."""
        if self.weight_decay is not None:
            return self.weight_decay
        return choose_decay(self.chosen_optimiser, epochs=self.epochs)

    @property
    def set_aside(self) -> int:
        """Number of experiments to set aside for validation; early stopping needs one."""
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
        """Return the settings of a stepper for so many steps; errors name what is out of range."""
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


def _require_whole(name: str, value: object, *, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise SettingsError(name, value, valid=f"a whole number from {low}")
