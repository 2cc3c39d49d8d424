"""A smaller model from a trained one, what it costs, and whether it may be recommended (ARSVD).

A plain share of energy or entropy says nothing of the error: singular values that hold 1 % of the
energy of a weight matrix may carry most of what tells two inputs apart, and a share of entropy
near 0.9 asks of a network trained from random numbers, whose singular values are all of a size,
for nearly its full rank, so that nothing becomes smaller. Without a share the data decide
(`smallest_within_spread`): truncated is what changes the outputs least, as far as the error stays
within its spread.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from torch import Tensor

from stopflow.errors import SettingsError, StopflowError
from stopflow.learn.judge import Judgement, judge
from stopflow.lowrank import Compressed, CompressedLayer, Network, compress, count_parameters
from stopflow.trace import FloatArray

M = TypeVar("M")
N = TypeVar("N", covariant=True)

TAILS: Final = (0.1, 0.05, 0.03, 0.02, 0.015, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6)
"""Shares of the energy of the outputs that are given up, largest first."""

CHOSEN_WITHIN: Final = 0.5
"""Standard errors that the rows of the choice may show: rows that are judged afterwards show
another sample of the same loss, and a choice at the edge of what is allowed would fail there in
every second case.
"""


class NotSmallerError(StopflowError):
    """No smaller network keeps the error; nothing is wrong with the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What is kept: one of the four, or none for as little as the error allows.

    Attributes
    ----------
    energy, entropy
        Shares between 0 and 1.
    rank
        The same for all layers.
    data_aware
        Judge singular values by what they do to the outputs on known rows.
    finetune
        Epochs of training after the truncation.
    """

    energy: float | None = None
    entropy: float | None = None
    rank: int | None = None
    data_aware: bool = False
    finetune: int = 0

    def __post_init__(self) -> None:
        chosen = [self.energy, self.entropy, self.rank]
        if sum(value is not None for value in chosen) > 1:
            raise SettingsError("energy, entropy, rank", chosen, valid="at most one of the three")
        if self.finetune < 0:
            raise SettingsError("finetune", self.finetune, valid="a whole number from 0")

    @property
    def is_open(self) -> bool:
        """Whether the error decides."""
        return self.energy is None and self.entropy is None and self.rank is None


class Subject(Protocol[N]):
    """A trained model of any task, with rows to judge it on."""

    @property
    def what(self) -> str:
        """Name and unit of its error."""

    @property
    def counted(self) -> bool:
        """Whether the error of a row is 0 or 1."""

    @property
    def network(self) -> Network:
        """Its network."""

    def known_inputs(self) -> Tensor | None:
        """Return standardised rows that it may learn from; None without data."""

    def errors(self, network: Network, *, held_out: bool) -> FloatArray | None:
        """Return the error of each row, of those it never saw or of the others."""

    def scores(self, network: Network) -> dict[str, float]:
        """Return what the task judges by, on rows that it never saw; empty without data."""

    def finetuned(self, network: Network, epochs: int) -> Network:
        """Train a network further on the known rows."""

    def model(self, network: Network, share: Share) -> N:
        """Return the model with another network."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompressedModel(Generic[M]):
    """The smaller model, layer by layer, and its error beside that of the model it came from.

    `judgement` is None without data.
    """

    model: M
    layers: tuple[CompressedLayer, ...]
    parameters_before: int
    parameters_after: int
    judgement: Judgement | None

    def rows(self) -> list[dict[str, Any]]:
        """Return the table, one row a layer and a last one for the whole model.

        Columns: ``layer, type, rank_before, rank_after, parameters_before, parameters_after, kept,
        error_before, error_after, note``; the errors stand in the last row.
        """
        found = self.judgement
        rows = [{**asdict(layer), "layer": str(layer.layer + 1)} for layer in self.layers]
        whole = {
            "layer": "all",
            "parameters_before": self.parameters_before,
            "parameters_after": self.parameters_after,
            "error_before": None if found is None else found.before,
            "error_after": None if found is None else found.after,
            "note": "" if found is None else f"{found.what} on {found.n} rows",
        }
        columns = (
            "layer",
            "type",
            "rank_before",
            "rank_after",
            "parameters_before",
            "parameters_after",
            "kept",
            "error_before",
            "error_after",
            "note",
        )
        return [{name: row.get(name) for name in columns} for row in (*rows, whole)]


def compress_subject(subject: Subject[M], share: Share) -> CompressedModel[M]:
    """Truncate a model's layers and judge the result on rows it never saw.

    Raises
    ------
    SettingsError
        A share that is out of range, or one that needs data without any.
    NotSmallerError
        Where the error decides and no smaller network keeps it within its spread.
    """
    found = _truncated(subject, share)
    network = found.network
    if share.finetune:
        if subject.known_inputs() is None:
            raise SettingsError("finetune", share.finetune, valid="0 without a dataset")
        network = subject.finetuned(network, share.finetune)
    network = network.eval()
    before = subject.errors(subject.network, held_out=True)
    after = subject.errors(network, held_out=True)
    judged = None
    if before is not None and after is not None:
        judged = judge(subject.what, before, after, counted=subject.counted)
    return CompressedModel(
        model=subject.model(network, share),
        layers=found.layers,
        parameters_before=count_parameters(subject.network),
        parameters_after=count_parameters(network),
        judgement=judged,
    )


def smallest_within_spread(
    subject: Subject[Any], inputs: Tensor, errors: Callable[[Network], FloatArray]
) -> Compressed:
    """Return the smallest data-aware truncation whose error is not worse, on the rows of `errors`.

    Raises
    ------
    NotSmallerError
        Where there is none; says by how much the mildest one was worse.
    """
    network, what = subject.network, subject.what
    before = errors(network)
    whole = count_parameters(network)
    worst = None
    for tail in TAILS:
        found = compress(network, 1.0 - tail, inputs=inputs)
        judged = judge(what, before, errors(found.network), counted=subject.counted)
        if count_parameters(found.network) >= whole:
            break
        if not judged.is_above(CHOSEN_WITHIN):
            return found
        worst = judged
    if worst is None:
        raise NotSmallerError(
            "no layer becomes smaller by a truncation that keeps nine tenths of what its outputs "
            "do; the model is as small as it can be"
        )
    raise NotSmallerError(
        f"no smaller network keeps the error: the mildest truncation took the {what} from "
        f"{worst.before:.4g} (± {worst.spread:.2g}) to {worst.after:.4g}; nothing was written. "
        "Train longer after it (--finetune EPOCHS), or choose a share (--energy) yourself"
    )


def _truncated(subject: Subject[Any], share: Share) -> Compressed:
    inputs = subject.known_inputs()
    if inputs is None and (share.is_open or share.data_aware):
        name = "data_aware" if share.data_aware else "energy, entropy, rank"
        valid = "a dataset (--dataset, for images --data), or a plain share, e.g. energy = 0.9999"
        raise SettingsError(name, None if share.is_open else share.data_aware, valid=valid)
    if share.is_open and inputs is not None:

        def errors(network: Network) -> FloatArray:
            found = subject.errors(network, held_out=False)
            if found is None:
                raise StopflowError("there are no rows to judge a smaller network on")
            return found

        return smallest_within_spread(subject, inputs, errors)
    return truncated(subject.network, share, inputs=inputs)


def truncated(network: Network, share: Share, *, inputs: Tensor | None) -> Compressed:
    """Truncate a network to a share that is given, with `inputs` for the data-aware form."""
    return compress(
        network,
        share.entropy if share.entropy is not None else share.energy,
        criterion="entropy" if share.entropy is not None else "energy",
        rank=share.rank,
        inputs=inputs if share.data_aware else None,
    )
