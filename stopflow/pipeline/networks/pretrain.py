"""The shipped models, made again: trained on simulated traces, calibrated, with a card."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stopflow.errors import SettingsError
from stopflow.learn.pretraining.pretrain import PretrainProgress, PretrainSettings, pretrain
from stopflow.learn.pretraining.publish import as_model, calibrate, publish
from stopflow.learn.saved import CARD, require_model_place
from stopflow.pipeline.checks import require_name, require_seed
from stopflow.pipeline.networks.measure import measure_model
from stopflow.pipeline.progress import Progress, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedModel:
    """A pretrained model on disk."""

    written: tuple[Path, ...]
    median_relative_error: float
    coverage95: float

    def headline(self) -> str:
        """Say how good it is on simulated traces it never saw."""
        return (
            f"{self.written[0].name}: median error {self.median_relative_error:.2%}, the 95 % "
            f"interval covers {self.coverage95:.1%} of simulated traces it never saw"
        )


def pretrain_model(
    *,
    features: str,
    steps: int | None = None,
    seed: int = 0,
    name: str | None = None,
    models: Path,
    resume: bool = False,
    judged_on: int = 0,
    real: tuple[Path, ...] = (),
    progress: Progress = silent,
) -> PretrainedModel:
    """Train, calibrate, judge and write models/NAME/; the run can be interrupted and resumed.

    Parameters
    ----------
    judged_on
        Simulated labs that the card's figures come from.
    real
        Folders of real shots for the card's figures.
    """
    settings = PretrainSettings(features=features, seed=require_seed(seed))
    if steps is not None:
        settings = replace(settings, steps=steps)
    folder = models / require_name(f"pretrained-{features}" if name is None else name)
    require_model_place(folder, extra=(CARD,))
    checkpoint = models / f"{folder.name}.checkpoint"
    if checkpoint.exists() and not resume:
        raise SettingsError(
            "--name", folder.name, valid=f"another name, or --resume to go on from {checkpoint}"
        )

    def report(done: PretrainProgress) -> None:
        progress("training", done.step, done.steps)

    models.mkdir(parents=True, exist_ok=True)
    made = pretrain(settings, checkpoint=checkpoint, resume=resume, on_progress=report)
    generator = np.random.default_rng(seed + 1)
    model, calibration = calibrate(as_model(made), settings.prior, generator=generator)
    publish(folder, model, made, calibration=calibration)
    figures = measure_model(
        str(folder), models=models, seeds=judged_on, folders=real, progress=progress
    )
    if figures:
        publish(folder, model, made, calibration=calibration, figures=figures)
    checkpoint.unlink(missing_ok=True)
    return PretrainedModel(
        written=(folder,),
        median_relative_error=calibration.median_relative_error,
        coverage95=calibration.coverage95,
    )
