"""Runs and searches of published rows, each done once and kept in a file of its own."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stopflow import __version__
from stopflow.features import FeatureSpec
from stopflow.io.atomic import write_text
from stopflow.io.json_files import json_ready
from stopflow.learn.published.peak import peak_of
from stopflow.learn.published.reference import AsPublished
from stopflow.learn.published.runs import (
    Truncated,
    VariantRun,
    run_ours,
    run_rates,
    run_reference,
    run_truncated,
)
from stopflow.learn.published.tuning import Tuned, Tuning, tune
from stopflow.learn.settings import TrainSettings
from stopflow.pipeline.progress import Progress
from stopflow.pipeline.published.data import Sources
from stopflow.pipeline.published.rows import SHOTS, Row, Trainable, Variant, describe_variant


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRuns:
    """Finds what is finished, and does and keeps what is not.

    Attributes
    ----------
    folder
        One file for each run, search or measurement, named after everything that decides it.
    """

    folder: Path
    sources: Sources
    report: Progress

    def run(self, row: Row, asked: Trainable, *, seed: int) -> VariantRun:
        """Return a run of a variant with a seed."""
        spec = None
        if row.data == SHOTS and isinstance(asked, TrainSettings):
            spec = asked.feature_spec()
        described = [__version__, self.sources.fingerprint(spec), seed, self.sources.quick]
        described.append(describe_variant(asked))
        epochs = partial(self.report, "epochs")
        return self._kept(
            described,
            name="run",
            parse=_parse_run,
            make=lambda: _run(self.sources, asked, spec, seed=seed, on_epoch=epochs),
        )

    def tuned(self, asked: Variant) -> Trainable:
        """Return a variant at the rate and decay of its search; others are returned as they are."""
        if not isinstance(asked, Tuned):
            return asked
        described = self._described("search", describe_variant(asked.searched), asked.decays)
        epochs = partial(self.report, "epochs")
        quick = self.sources.quick
        found = self._kept(
            described,
            name="search",
            parse=_parse_tuning,
            make=lambda: tune(self.sources.images(), asked, on_epoch=epochs, quick=quick),
        )
        return asked.at(found)

    def peak(self, asked: Trainable) -> float:
        """Return the peak memory of a variant in bytes; NaN for the published implementation."""
        if isinstance(asked, AsPublished):
            return float("nan")
        return self._kept(
            self._described("peak", describe_variant(asked)),
            name="peak",
            parse=lambda value: float("nan") if value is None else float(value),
            make=lambda: peak_of(self.sources.images(), asked),
        )

    def _described(self, *what: Any) -> list[Any]:
        return [__version__, self.sources.fingerprint(None), self.sources.quick, *what]

    def _kept(
        self,
        described: Sequence[Any],
        *,
        name: str,
        parse: Callable[[Any], Any],
        make: Callable[[], Any],
    ) -> Any:
        """Read what is kept, or make and keep it; a file that is none is written again."""
        text = json.dumps(json_ready(described), sort_keys=True)
        key = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        place = self.folder / f"{key}.json"
        try:
            return parse(json.loads(place.read_text(encoding="utf-8"))[name])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        made = make()
        value = made if isinstance(made, float) else asdict(made)
        kept = {"settings": described[-1], name: value}
        write_text(place, json.dumps(json_ready(kept), allow_nan=False))
        return made


def _run(
    sources: Sources,
    asked: Trainable,
    spec: FeatureSpec | None,
    *,
    seed: int,
    on_epoch: Callable[[int, int], None],
) -> VariantRun:
    if isinstance(asked, AsPublished):
        return run_reference(sources.images(), asked, seed=seed, on_epoch=on_epoch)
    if isinstance(asked, Truncated):
        return run_truncated(sources.images(), asked, on_epoch=on_epoch)
    if spec is not None:
        lab, trace = sources.lab(spec)
        return run_rates(lab, asked, trace=trace, on_epoch=on_epoch)
    return run_ours(sources.images(), asked, on_epoch=on_epoch, timed=not sources.quick)


def _parse_run(values: Mapping[str, Any]) -> VariantRun:
    """Undo `asdict`; None stands for NaN."""
    known: dict[str, Any] = _with_nan(values)
    known["history"] = tuple(_with_nan(row) for row in known["history"])
    known["ranks_of_steps"] = tuple(tuple(step) for step in known["ranks_of_steps"])
    return VariantRun(**known)


def _parse_tuning(values: Mapping[str, Any]) -> Tuning:
    tried = tuple(
        tuple(float("nan") if value is None else value for value in row) for row in values["tried"]
    )
    return Tuning(**{**values, "tried": tried})


def _with_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: float("nan") if value is None else value for key, value in values.items()}
