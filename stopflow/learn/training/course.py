"""The course of a run: epoch after epoch, its state saved now and then, from which it goes on."""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stopflow.learn.device import one_thread
from stopflow.learn.settings import TrainSettings
from stopflow.learn.training.checkpoint import save_checkpoint
from stopflow.learn.training.run import Run

Progress = Callable[[str, int, int], None]
"""(what is being done, steps done, steps in all)."""

OnEpoch = Callable[[Mapping[str, float]], None]
"""Called with each new row of the history."""

CHECKPOINT_EVERY_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruptible:
    """Where a run saves its state, and whether it resumes from there.

    Attributes
    ----------
    path
        File in which the state is saved every `every_s`; it is removed once the model is saved.
    resume
        Continue from it; the result is that of an uninterrupted run.
    fingerprint
        Hash of everything that determines the run.
    """

    path: Path
    resume: bool
    fingerprint: str
    every_s: float


def run_through(
    run: Run,
    settings: TrainSettings,
    *,
    started: float,
    kept: Interruptible | None,
    progress: Progress | None,
    on_epoch: OnEpoch | None,
) -> None:
    """Visit the epochs that are left, and save the state of the run now and then."""
    saved_at = time.perf_counter()
    with nullcontext() if run.is_large else one_thread():
        while not run.is_over:
            judged = len(run.history)
            run.epoch(since=started)
            if progress is not None:
                progress("training", run.done, settings.epochs)
            if on_epoch is not None and len(run.history) > judged:
                on_epoch(run.history[-1])
            if kept is not None and time.perf_counter() - saved_at >= kept.every_s:
                save_checkpoint(kept.path, run.state(since=started), fingerprint=kept.fingerprint)
                saved_at = time.perf_counter()
