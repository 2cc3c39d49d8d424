"""A simulated lab on disk: folders of .bka files, two workbooks in each, and the true values.

::

    OUT/
      truth.csv                      one row a shot: the values of `ShotTruth`
      01_HRP_H2O2_25C/
        H2O2_1uM_1.bka  ...          time in ms, signal in Volt
        start_values.XLSX            Filename, x_start (ms)
        Extended_Dataset.XLSX        Filename, Rate, conditions, the lab's fitted parameters

The same seed and the same spec give the same bytes.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from stopflow.io.atomic import Owned, write_text
from stopflow.io.bka.format import write_bka
from stopflow.io.switch import replacing_folder
from stopflow.io.workbook.workbook import BOOKS, TRUTH
from stopflow.io.workbook.writer import write_workbooks
from stopflow.simulate.lab import ShotTruth, SimulatedExperiment, simulate_lab
from stopflow.simulate.plan import LabSpec
from stopflow.trace import Shot

_NAMED = {"k_per_s": "k_true_per_s", "start_s": "start_true_s"}
"""Fields of `ShotTruth` that have another name in truth.csv."""
TRUTH_COLUMNS = (
    *("experiment", "file"),
    *(_NAMED.get(item.name, item.name) for item in fields(ShotTruth)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLab:
    """The result of `write_lab`: numbers of folders and shots, and the path of truth.csv."""

    folders: int
    shots: int
    truth: Path


def write_lab(
    out: Path, *, spec: LabSpec, seed: int, progress: Callable[[str, int, int], None] | None = None
) -> WrittenLab:
    """Write a lab to the folder `out`; after an error nothing is left there.

    Parameters
    ----------
    out
        New, empty, or an earlier simulated lab to which nothing was added; it is replaced.
    progress
        Called with ("simulate", folders done, folders) after each folder.

    Raises
    ------
    SettingsError
        When `out` holds anything that is not an earlier simulated lab.
    """
    rows: list[tuple[str, ...]] = []
    with replacing_folder(out, owned=REPLACEABLE) as partial:
        lab = simulate_lab(spec, generator=np.random.default_rng(seed))
        for done, simulated in enumerate(lab, start=1):
            rows += _write_experiment(partial, simulated)
            if progress is not None:
                progress("simulate", done, spec.folders)
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([TRUTH_COLUMNS, *rows])
        write_text(partial / TRUTH, table.getvalue())
    return WrittenLab(folders=spec.folders, shots=len(rows), truth=out / TRUTH)


def _write_experiment(root: Path, simulated: SimulatedExperiment) -> list[tuple[str, ...]]:
    experiment = simulated.experiment
    folder = root / experiment.name
    folder.mkdir()
    for shot in experiment.shots:
        if shot.trace is not None:
            write_bka(
                folder / shot.file,
                time=np.round(shot.trace.time_s * 1e3, 6),
                signals=shot.trace.signal,
                signal_units=(shot.trace.signal_unit,),
                comments=[text for key, text in shot.trace.records if key == "_COMMENT"],
            )
    write_workbooks(
        folder, experiment.shots, concentration_header="Concentration after mixing (µM)"
    )
    return [
        _truth_row(shot, truth)
        for shot, truth in zip(experiment.shots, simulated.truths, strict=True)
    ]


def _truth_row(shot: Shot, truth: ShotTruth) -> tuple[str, ...]:
    *numbers, disturbance = astuple(truth)
    return (shot.experiment, shot.file, *(f"{number:.9g}" for number in numbers), disturbance)


def _listed(out: Path) -> set[str]:
    """List the files of the lab that truth.csv in `out` describes; empty without truth.csv."""
    if not (out / TRUTH).is_file():
        return set()
    with (out / TRUTH).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle))
    if not rows or tuple(rows[0]) != TRUTH_COLUMNS:
        return set()
    folders = {row[0] for row in rows[1:]}
    books = {f"{folder}/{book.name}" for folder in folders for book in BOOKS}
    return {TRUTH} | folders | books | {f"{row[0]}/{row[1]}" for row in rows[1:]}


REPLACEABLE = Owned(option="OUT", what="an earlier simulated lab", files=_listed)
