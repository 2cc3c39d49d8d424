"""One training step of any mix of layers: forward, backward, and who moves what.

A step runs in torch's inference mode, which spares it a twentieth of its time.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import nan

import torch
from torch import Tensor, nn

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import describe, require_rows
from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.hyperparameters import require_learning_rate
from stopflow.lowrank.integrators.oialr import Stability
from stopflow.lowrank.layers import FAMILIES, Integrator
from stopflow.lowrank.losses import Loss
from stopflow.lowrank.network import Network, count_parameters, require_network
from stopflow.lowrank.optimisers.euclidean import EuclideanOptimiser
from stopflow.lowrank.optimisers.table import OPTIMISERS
from stopflow.lowrank.settings import StepSettings, require_settings
from stopflow.lowrank.status import StepFailure, StepResult
from stopflow.lowrank.sweep import sweep


class Stepper:
    """Trains a network; made by `build_stepper`."""

    def __init__(self, network: Network, settings: StepSettings) -> None:
        self.network, self.settings = network, settings
        self._parameters = list(network.parameters())
        self._rate, self._dtype = settings.learning_rate, self._parameters[0].dtype
        self._layers, self._families = network.chain, network.families
        self._sweep = partial(sweep, self._layers, network.activations, clip=settings.clip)
        self._count = 0
        self._groups: dict[str, tuple[list[int], Integrator]] = {}
        for key in dict.fromkeys(spec.type for spec in network.specs):
            integrate = FAMILIES[key].integrate
            if integrate is not None:
                members = [i for i, spec in enumerate(network.specs) if spec.type == key]
                layers = [self._layers[i] for i in members]
                self._groups[key] = members, integrate(layers, settings)
        self._euclidean = self._euclidean_optimiser()

    def _euclidean_optimiser(self) -> EuclideanOptimiser:
        parameters: dict[str, nn.Parameter] = {}
        sizes: list[int] = []
        decayed: set[str] = set()
        width = self.network.n_inputs
        for i, (layer, family) in enumerate(zip(self._layers, self._families, strict=True)):
            for name in family.euclidean:
                parameter = parameters[f"{i}.{name}"] = getattr(layer, name)
                full = parameter.numel() // width * layer.fan_in
                sizes.append(full if name == family.wide else parameter.numel())
            decayed |= {f"{i}.{name}" for name in family.decayed}
            width = self.network.specs[i].dim
        rule = OPTIMISERS[self.settings.optimiser].tensors
        return EuclideanOptimiser(parameters, rule, self.settings, sizes=sizes, decayed=decayed)

    @property
    def learning_rate(self) -> float:
        """Present step size."""
        return self._rate

    def set_learning_rate(self, value: float) -> None:
        """Use another step size from the next step on."""
        require_learning_rate(value)
        self._rate = float(value)

    def ranks(self) -> tuple[int | None, ...]:
        """Return the present rank of each layer, as `Network.ranks`."""
        return self.network.ranks()

    @torch.inference_mode()
    def step(
        self, inputs: Tensor, targets: Tensor, *, loss: Loss, gram: Tensor | None = None
    ) -> StepResult:
        """Take one step on one batch.

        Parameters
        ----------
        inputs
            (batch, n).
        targets
            Whatever `loss` takes as its second argument.
        loss
            ``(outputs, targets) -> scalar``, differentiable; a `ClosedLoss` needs no autograd.
        gram
            inputs inputs^T, if it is at hand (rows and columns of the training set's Gram matrix).

        Returns
        -------
        StepResult
            Its status says whether the parameters were moved. They are not where anything is not
            finite, or so large that squares of it would not be (1e15 in float32).
        """
        self._require_inputs(inputs, gram)
        groups = self._groups.values()
        run = partial(self._sweep, inputs, targets, loss=loss, gram=gram)
        value = nan
        try:
            value, caches = run()
            two_pass = [group for group in groups if group[1].passes == 2]
            for members, integrator in two_pass:
                self._call(integrator.update_bases, members, caches)
            if two_pass:
                _, caches = run()
            for members, integrator in groups:
                if integrator.passes == 1:
                    self._call(integrator.update_bases, members, caches)
                self._call(integrator.finish, members, caches)
        except StepFailure as failure:
            for _, integrator in groups:
                integrator.revert()
            return failure.result(step=self._count + 1, loss=value)
        self._find_gradients(caches)
        for _, integrator in groups:
            integrator.commit()
        self._euclidean.step(learning_rate=self._rate)
        self._outlast()
        self._count += 1
        return StepResult(loss=value, step=self._count)

    def _outlast(self) -> None:
        """Make plain tensors of what inference mode left in the parameters, for autograd."""
        made = [parameter for parameter in self._parameters if parameter.is_inference()]
        if made:
            with torch.inference_mode(mode=False):
                for parameter in made:
                    parameter.data = parameter.data.clone()

    def _call(
        self, part: Callable[..., None], members: list[int], caches: list[ForwardCache]
    ) -> None:
        """Let an integrator do a part of the step; a failure is that of a layer of the network."""
        try:
            part([caches[i] for i in members], learning_rate=self._rate)
        except StepFailure as failure:
            raise failure.at(members) from None

    def _find_gradients(self, caches: list[ForwardCache]) -> None:
        """Find the gradients of all Euclidean tensors."""
        gradients, end = self._euclidean.gradients, 0
        for layer, family, cache in zip(self._layers, self._families, caches, strict=True):
            start, end = end, end + len(family.euclidean)
            gradients[start:end] = family.gradients(layer, cache, gradients[start:end])

    def _require_inputs(self, inputs: Tensor, gram: Tensor | None) -> None:
        require_rows(inputs, width=self.network.n_inputs, dtype=self._dtype)
        if gram is None:
            return
        if not isinstance(gram, Tensor) or gram.shape != (len(inputs), len(inputs)):
            valid = f"a tensor of shape ({len(inputs)}, {len(inputs)})"
            raise SettingsError("gram", describe(gram), valid=valid)

    def stored(self) -> int:
        """Return the number of values in memory between steps, without the gradients."""
        groups = sum(group.stored() for _, group in self._groups.values())
        return count_parameters(self.network) + self._euclidean.stored() + groups

    def stabilities(self) -> tuple[tuple[int, Stability], ...]:
        """Return what ``oialr`` layers recorded, each with its layer's position in the network."""
        found = [
            (members[record.layer], record)
            for members, group in self._groups.values()
            for record in getattr(group, "stabilities", ())
        ]
        return tuple(found)

    def state_dict(self) -> dict[str, Tensor]:
        """Return learning rate and moments as a flat mapping of tensors (not the network's)."""
        state = {
            "learning_rate": torch.tensor(self._rate, dtype=torch.float64),
            "step": torch.tensor(self._count),
        }
        parts = {"euclidean": self._euclidean.state_dict()}
        parts |= {key: group.state_dict() for key, (_, group) in self._groups.items()}
        for part, values in parts.items():
            state |= {f"{part}.{name}": value for name, value in values.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned, after the network's own state was loaded.

        A `SettingsError` names an entry that is missing, not expected, not finite, or so large that
        no step can have left it.
        """
        own = self.state_dict()
        if state.keys() != own.keys():
            raise SettingsError("state", sorted(state), valid=sorted(own))
        largest = 1e-8 * torch.finfo(self._dtype).max
        for name, value in state.items():
            if not bool((value.abs() < largest).all()):
                valid = f"finite numbers below {largest:.0e}; load an earlier checkpoint"
                raise SettingsError(f"state[{name!r}]", "holds others", valid=valid)
        self._rate, self._count = float(state["learning_rate"]), int(state["step"])
        self._euclidean.load_state_dict(_part(state, "euclidean."))
        for key, (_, group) in self._groups.items():
            group.load_state_dict(_part(state, key + "."))


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def build_stepper(network: Network, settings: StepSettings) -> Stepper:
    """Make the stepper of a network that is already on its device and of its dtype.

    A `SettingsError` where one of them is something else, or where the optimiser would be another
    one on all of the network's layers.
    """
    require_network(network)
    require_settings(settings)
    usable = {name for family in network.families for name in family.optimisers}
    if settings.optimiser not in usable:
        kinds = ", ".join(dict.fromkeys(spec.type for spec in network.specs))
        found = f"{settings.optimiser} with layers of type {kinds}"
        raise SettingsError("optimiser", found, valid=[o for o in OPTIMISERS if o in usable])
    return Stepper(network, settings)
