"""Learning rate and weight decay of a method, searched by validation and never by the test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from stopflow.learn.classify.data import ClassData
from stopflow.learn.classify.train import split_by_settings, train_classifier
from stopflow.learn.published.runs import Truncated
from stopflow.learn.settings import TrainSettings

TUNING_SEED: Final = 10_000
"""Seed of the split and of every start in a search; no row of a table has it."""

FIRST_RATE: Final = 2e-3
STEP: Final = 2.0
"""Factor between neighbouring rates."""

FARTHEST: Final = 5
"""Most steps of the search away from the first rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A network that is trained at the rate, and with the decay, that a search finds.

    Attributes
    ----------
    asked
        Trained and perhaps truncated; its own rate and decay are not used.
    decays
        Weight decays to try.
    """

    asked: TrainSettings | Truncated
    decays: tuple[float, ...] = (0.0,)

    @property
    def searched(self) -> TrainSettings:
        """What the search trains: the whole budget in one, for a truncated network the dense one.

        Rows that differ in their truncation alone therefore share a search.
        """
        if not isinstance(self.asked, Truncated):
            return replace(self.asked, seed=TUNING_SEED)
        settings, share = self.asked.settings, self.asked.share
        return replace(settings, epochs=settings.epochs + share.finetune, seed=TUNING_SEED)

    def at(self, found: "Tuning") -> TrainSettings | Truncated:
        """Return what is trained once the search is over."""
        used: dict[str, Any] = {"learning_rate": found.learning_rate, "weight_decay": found.decay}
        if isinstance(self.asked, Truncated):
            return replace(self.asked, settings=replace(self.asked.settings, **used))
        return replace(self.asked, **used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The best of a search, and all that was tried: (rate, decay, validation accuracy) each."""

    learning_rate: float
    decay: float
    tried: tuple[tuple[float, float, float], ...]


def climb_in_steps(judged: Callable[[float], float], *, start: float) -> float:
    """Return the best of the rates start * STEP^j, going on while the end of the row is the best.

    A run that diverged may be judged NaN: it is worse than any other.
    """
    found = {j: judged(start * STEP**j) for j in (-1, 0, 1)}

    def best() -> int:
        return max(found, key=lambda j: (np.nan_to_num(found[j], nan=-np.inf), -abs(j)))

    while abs(best()) < FARTHEST and (best() - 1 not in found or best() + 1 not in found):
        further = best() - 1 if best() - 1 not in found else best() + 1
        found[further] = judged(start * STEP**further)
    return start * STEP ** best()


def tune(
    data: ClassData, asked: Tuned, *, on_epoch: Callable[[int, int], None], quick: bool = False
) -> Tuning:
    """Search rates, and at the best one decays, by validation accuracy at its best epoch.

    Parameters
    ----------
    quick
        Try the first rate alone: does it run at all?
    """
    tried: dict[tuple[float, float], float] = {}

    def judged(rate: float, decay: float) -> float:
        key = (rate, decay)
        if key not in tried:
            settings = replace(asked.searched, learning_rate=rate, weight_decay=decay)
            tried[key] = _validated(data, settings, on_epoch=on_epoch)
        return tried[key]

    def found(rate: float, decay: float) -> Tuning:
        rows = tuple((*key, accuracy) for key, accuracy in tried.items())
        return Tuning(learning_rate=rate, decay=decay, tried=rows)

    rate, decay = FIRST_RATE, asked.decays[0]
    if quick:
        judged(rate, decay)
        return found(rate, decay)
    rate = climb_in_steps(lambda one: judged(one, decay), start=rate)
    decay = max(asked.decays, key=lambda one: judged(rate, one))
    if decay != asked.decays[0]:
        rate = climb_in_steps(lambda one: judged(one, decay), start=rate)
    return found(rate, decay)


def _validated(
    data: ClassData, settings: TrainSettings, *, on_epoch: Callable[[int, int], None]
) -> float:
    """Train without the test images; NaN for a run that diverged before it was judged."""
    split = split_by_settings(data, settings)
    blind = replace(split, test=np.empty(0, dtype=np.intp))
    trained = train_classifier(
        data, settings, split=blind, progress=lambda _what, done, total: on_epoch(done, total)
    )
    accuracies: Sequence[float] = [row["validation_accuracy"] for row in trained.history]
    return max(accuracies, default=float("nan"))
