"""A model that was made from another: what it is worth, and how it is written down."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from stopflow.errors import SettingsError
from stopflow.learn.compare.results import predict_lab, prediction_rows
from stopflow.learn.data import LabData
from stopflow.learn.judge import Judgement
from stopflow.learn.model import Model
from stopflow.learn.saved import require_model_place
from stopflow.learn.split import Split
from stopflow.lowrank import Network
from stopflow.pipeline.checks import require_name
from stopflow.pipeline.networks.train import layer_rows
from stopflow.report.paper.rounding import format_digits, format_percent

WAYS_TO_WRITE: Final[Mapping[str, Callable[[float], str]]] = {
    "median_relative_error": format_percent,
    "p95_relative_error": format_percent,
    "learning_rate": "{:g}".format,
}
"""Columns of numbers that are not written to three digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """A new model's table, ready to print, and where the model is."""

    rows: list[dict[str, Any]]
    columns: Mapping[str, str]
    written: tuple[Path, ...]
    judgement: Judgement | None
    use: str

    @property
    def finished(self) -> bool:
        """Whether the new model may be recommended, as far as can be told."""
        return self.judgement is None or not self.judgement.worse

    def headline(self) -> str:
        """Say in a line what the new model is worth, and how to use it."""
        name, found = self.written[0].name, self.judgement
        if found is None:
            return f"{name} was not judged: there were no data to judge it on; {self.use}"
        errors = (
            f"{found.what} {format_digits(found.after, 3)}, before "
            f"{format_digits(found.before, 3)} ± {format_digits(found.spread, 2)}"
        )
        if found.worse:
            return f"{name} IS WORSE THAN THE MODEL IT CAME FROM AND SHOULD NOT BE USED: {errors}"
        return f"the new model is {name} ({errors}); {self.use}"

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        return tuple(self.columns.values()), [
            [_text(name, row.get(name)) for name in self.columns] for row in self.rows
        ]


def new_place(name: str, models: Path, source: Path) -> Path:
    """Return the folder of a new model, which must not be that of the model it is made from."""
    target = models / require_name(name)
    if target.exists() and target.samefile(source):
        raise SettingsError("--name", name, valid=f"another name than that of the model {source}")
    require_model_place(target)
    return target


def judged_predictions(model: Model, lab: LabData) -> list[dict[str, Any]]:
    """Return rows of predictions.csv; shots count as tested unless the model learned from them.

    A lab that holds none of the model's test experiments is one that it never saw.
    """
    named = model.record.get("split", {}).get("test_experiments", [])
    tested = np.isin(lab.experiment, named)
    if not tested.any():
        tested[:] = True
    split = Split(
        train=np.flatnonzero(~tested),
        validation=np.empty(0, dtype=np.intp),
        test=np.flatnonzero(tested),
        test_experiments=tuple(named),
        validation_experiments=(),
    )
    return prediction_rows(predict_lab(model, lab), lab, split)


def describe_network(
    network: Network, parameters: int, *, table: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what metrics.json says of a network that was made from another."""
    return {"parameters": parameters, "layers": layer_rows(network), "table": table}


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return WAYS_TO_WRITE.get(name, partial(format_digits, digits=3))(value)
