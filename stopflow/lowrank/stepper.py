"""One training step of any mix of layers: forward, backward, and who moves what.

A step runs in torch's inference mode, which spares every operation a part of its overhead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import cast

import torch
from torch import Tensor, nn

from stopflow.errors import SettingsError
from stopflow.lowrank.arguments import describe, require_rows
from stopflow.lowrank.bench.counts import count_parameters
from stopflow.lowrank.forward_cache import Layer, Tape
from stopflow.lowrank.layers import FAMILIES, Integrator
from stopflow.lowrank.losses import Loss, value_and_gradient
from stopflow.lowrank.network import Network, require_network
from stopflow.lowrank.optimisers.plain import PlainOptimiser
from stopflow.lowrank.settings import StepSettings, require_learning_rate, require_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """Loss before the step; where it or its gradient was not finite, nothing has been moved."""

    loss: float
    finite: bool


class Stepper:
    """Trains a network; made by `build_stepper`."""

    def __init__(self, network: Network, settings: StepSettings) -> None:
        self.network, self.settings = network, settings
        self._parameters = list(network.parameters())
        self._rate, self._dtype = settings.learning_rate, self._parameters[0].dtype
        self._largest = 1e-4 * sqrt(torch.finfo(self._dtype).max)
        self._layers = cast(list[Layer], list(network.layers))
        self._activations = network.activations
        self._families = [FAMILIES[spec.type] for spec in network.specs]
        self._groups: dict[str, tuple[list[int], Integrator]] = {}
        for key in dict.fromkeys(spec.type for spec in network.specs):
            integrate = FAMILIES[key].integrate
            if integrate is not None:
                members = [i for i, spec in enumerate(network.specs) if spec.type == key]
                layers = [network.layers[i] for i in members]
                self._groups[key] = members, integrate(layers, settings)
        self._plain = self._plain_optimiser()

    def _plain_optimiser(self) -> PlainOptimiser:
        plain: dict[str, nn.Parameter] = {}
        sizes: list[int] = []
        decayed: set[str] = set()
        width = self.network.n_inputs
        for i, (layer, family) in enumerate(zip(self.network.layers, self._families, strict=True)):
            for name in family.plain:
                parameter = plain[f"{i}.{name}"] = getattr(layer, name)
                full = parameter.numel() // width * cast(int, layer.fan_in)
                sizes.append(full if name == family.wide else parameter.numel())
            decayed |= {f"{i}.{name}" for name in family.decayed}
            width = self.network.specs[i].dim
        return PlainOptimiser(plain, self.settings, sizes=sizes, decayed=decayed)

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
            With ``finite=False`` and nothing moved when the loss or its gradient is not finite, or
            so large that squares of it would not be (1e15 in float32).
        """
        value, tapes = self._sweep(inputs, targets, loss, gram)
        if tapes is None:
            return StepResult(loss=value, finite=False)
        two_pass = [group for group in self._groups.values() if group[1].passes == 2]
        for members, integrator in two_pass:
            integrator.turn_bases([tapes[i] for i in members], learning_rate=self._rate)
        if two_pass:
            _, tapes = self._sweep(inputs, targets, loss, gram)
            if tapes is None:
                for _, integrator in two_pass:
                    integrator.revert()
                return StepResult(loss=value, finite=False)
        gradients, end = self._plain.gradients, 0
        for layer, family, tape in zip(self._layers, self._families, tapes, strict=True):
            start, end = end, end + len(family.plain)
            gradients[start:end] = family.gradients(layer, tape, gradients[start:end])
        for members, integrator in self._groups.values():
            own = [tapes[i] for i in members]
            if integrator.passes == 1:
                integrator.turn_bases(own, learning_rate=self._rate)
            integrator.finish(own, learning_rate=self._rate)
        self._plain.step(learning_rate=self._rate)
        self._outlast()
        return StepResult(loss=value, finite=True)

    def _outlast(self) -> None:
        """Take what inference mode has made out of the parameters: autograd would refuse it."""
        made = [parameter for parameter in self._parameters if parameter.is_inference()]
        if made:
            with torch.inference_mode(mode=False):
                for parameter in made:
                    parameter.data = parameter.data.clone()

    def _sweep(
        self, inputs: Tensor, targets: Tensor, loss: Loss, gram: Tensor | None
    ) -> tuple[float, list[Tape] | None]:
        """Run forward and backward; tapes are ``None`` where something is not finite."""
        tapes: list[Tape] = []
        kept: list[Tensor] = []
        seen: list[Tensor] = []
        x = self._require_inputs(inputs, gram)
        for layer, activation in zip(self._layers, self._activations, strict=True):
            z, tape = layer.run(x)
            if not tapes:  # bounded activations would hide what is not finite
                seen.append(tape.xv if tape.xv.numel() else torch.linalg.vector_norm(z))
            x, needed = activation.keep(z)
            tapes.append(tape)
            kept.append(needed)
        tapes[0].gram = gram
        value, grad = value_and_gradient(loss, x, targets)
        number = float(value)
        if not isfinite(number):
            return number, None
        for i in reversed(range(len(tapes))):
            tapes[i].delta = self._activations[i].backward(grad, kept[i])
            self._layers[i].complete(tapes[i])
            if i > 0:
                grad = self._layers[i].input_gradient(tapes[i])
        seen += [tape.deltau if tape.deltau.numel() else tape.delta for tape in tapes]
        first, *norms = map(float, torch._foreach_norm(seen))
        for tape, norm in zip(tapes, norms, strict=True):
            tape.strength = first * norm
        if not first + sum(norms) < self._largest or not self._clip(tapes):
            return number, None
        return number, tapes

    def _clip(self, tapes: list[Tape]) -> bool:
        """Shorten the gradient to `clip`; tell whether it has a finite length."""
        clip = self.settings.clip
        if clip is None:
            return True
        squares = [tape.gradient_norm_squared() for tape in tapes]
        squares += [tape.delta.sum(dim=0).double().square().sum() for tape in tapes]
        norm = sqrt(float(torch.stack(squares).sum()))
        if norm > clip:
            for tape in tapes:
                tape.delta = tape.delta * (clip / norm)
                tape.deltau = tape.deltau * (clip / norm)
        return isfinite(norm)

    def _require_inputs(self, inputs: Tensor, gram: Tensor | None) -> Tensor:
        require_rows(inputs, width=self.network.n_inputs, dtype=self._dtype)
        if gram is None:
            return inputs
        if not isinstance(gram, Tensor) or gram.shape != (len(inputs), len(inputs)):
            valid = f"a tensor of shape ({len(inputs)}, {len(inputs)})"
            raise SettingsError("gram", describe(gram), valid=valid)
        return inputs

    def stored(self) -> int:
        """Return the number of values in memory between steps, gradients apart."""
        groups = sum(group.stored() for _, group in self._groups.values())
        return count_parameters(self.network) + self._plain.stored() + groups

    def state_dict(self) -> dict[str, Tensor]:
        """Return learning rate and moments as a flat mapping of tensors (not the network's)."""
        state = {"learning_rate": torch.tensor(self._rate, dtype=torch.float64)}
        parts = {"plain": self._plain.state_dict()}
        parts |= {key: group.state_dict() for key, (_, group) in self._groups.items()}
        for part, values in parts.items():
            state |= {f"{part}.{name}": value for name, value in values.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` returned, after the network's own state was loaded."""
        own = self.state_dict()
        if state.keys() != own.keys():
            raise SettingsError("state", sorted(state), valid=sorted(own))
        self._rate = float(state["learning_rate"])
        self._plain.load_state_dict(_part(state, "plain."))
        for key, (_, group) in self._groups.items():
            group.load_state_dict(_part(state, key + "."))


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def build_stepper(network: Network, settings: StepSettings) -> Stepper:
    """Make the stepper of a network that is already on its device and of its dtype.

    A `SettingsError` where one of them is something else.
    """
    require_network(network)
    require_settings(settings)
    return Stepper(network, settings)
