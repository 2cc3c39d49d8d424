"""Datasets joined: every folder as it was done, compared anew with those of all the others.

What a dataset keeps of its folders (`stopflow.pipeline.lab.kept`) is enough to make its tables
again, so that nothing is read or fitted a second time. What comes out is what an ingest of all the
folders in one lab gives: the verdicts and the secondary plots know every experiment.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from stopflow.errors import StopflowError
from stopflow.io.results import Lab, join_labs
from stopflow.io.switch import switching
from stopflow.pipeline.lab.gather import (
    build_provenance,
    compare_folders,
    gather_folders,
    list_notes,
    list_problems,
)
from stopflow.pipeline.lab.kept import kept_results, kept_settings
from stopflow.pipeline.lab.reading import FolderReading, FolderResult
from stopflow.pipeline.progress import Progress, silent
from stopflow.store import REPLACEABLE, Dataset, lab_of, load_dataset, writing_into
from stopflow.trace import Problem

OF_NO_RESULT: Final = frozenset({"workers"})
"""Settings that no result depends on."""
MERGED: Final = "merged"
"""Where the provenance lists the datasets that were joined."""


def merge_datasets(
    folders: Sequence[Path], *, out: Path, command: str = "", progress: Progress = silent
) -> Dataset:
    """Join datasets into one in `out`, in the order given.

    As in an ingest the traces and the results of one folder are in memory at a time.

    Raises
    ------
    StopflowError
        When there are not two or more, when they were made with different settings, and when two
        hold an experiment of the same name.
    StoreError
        When one is no dataset, is damaged, or was made by another version of the program.
    """
    if len({folder.resolve() for folder in folders}) < max(len(folders), 2):
        raise StopflowError("give two or more datasets to merge, each of them once")
    datasets = [load_dataset(folder) for folder in folders]
    _require_joinable(datasets)
    with switching() as switch:
        lab = _lab(datasets)
        place = switch.folder(out, owned=REPLACEABLE, lab=lab, lab_of=lab_of)
        described = None if lab is None else lab.record(out)
        _write(datasets, place, lab=described, command=command, progress=progress)
        datasets.clear()  # nothing may stay open of a dataset that is replaced
    return load_dataset(out)


def _require_joinable(datasets: Sequence[Dataset]) -> None:
    first = datasets[0]
    for other in datasets[1:]:
        differ = _differing(_settings(first), _settings(other))
        if differ:
            raise StopflowError(
                f"{first.folder} and {other.folder} were made with different settings "
                f"({', '.join(differ)}); ingest one of them again with those of the other"
            )
    held = Counter(name for one in datasets for name in one.shots["experiment"].unique())
    twice = [name for name, times in held.items() if times > 1]
    if twice:
        raise StopflowError(
            f"several of the datasets hold an experiment '{twice[0]}'; rename the folder of one "
            "and ingest it again"
        )


def _settings(dataset: Dataset) -> dict[str, Any]:
    settings = dataset.provenance["settings"]
    return {name: value for name, value in settings.items() if name not in OF_NO_RESULT}


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*one, *other])
    return [name for name in names if one.get(name) != other.get(name)]


def _lab(datasets: Sequence[Dataset]) -> Lab | None:
    """Return the labs of the datasets as one; None where one does not say."""
    labs = [dataset.lab for dataset in datasets]
    known = [lab for lab in labs if lab is not None]
    return join_labs(known) if len(known) == len(labs) else None


def _write(
    datasets: Sequence[Dataset],
    place: Path,
    *,
    lab: Mapping[str, Any] | None,
    command: str,
    progress: Progress,
) -> None:
    settings = kept_settings(datasets[0].folder)

    def readings() -> Iterator[FolderReading]:
        for done, dataset in enumerate(datasets, start=1):
            yield from kept_results(dataset)
            progress("merging", done, len(datasets))

    with writing_into(place) as writer:
        gathered = gather_folders(readings(), writer, place, settings, done=lambda _result: None)
        compare_folders(
            gathered,
            writer,
            place,
            settings,
            true=_true_rates(datasets),
            further=_of_no_folder(datasets, gathered.results),
        )
        made = build_provenance(
            gathered.results, datasets[0].provenance["settings"], command=command, lab=lab
        )
        made[MERGED] = [dataset.digest for dataset in datasets]
        writer.describe(made)


def _true_rates(datasets: Sequence[Dataset]) -> dict[tuple[str, str], float]:
    return {
        (experiment, file): float(k_per_s)
        for dataset in datasets
        for experiment, file, k_per_s in dataset.shots[
            ["experiment", "file", "k_true_per_s"]
        ].itertuples(index=False)
        if not np.isnan(k_per_s)
    }


def _of_no_folder(datasets: Sequence[Dataset], results: Sequence[FolderResult]) -> list[Problem]:
    """Return the problems of the datasets that belong to none of the results."""
    own = (*list_problems(results), *list_notes(results))
    known = Counter(tuple(asdict(problem).values()) for problem in own)
    further = []
    for dataset in datasets:
        for row in dataset.problems.to_dict("records"):
            problem = Problem(**{str(name): value for name, value in row.items()})
            values = tuple(asdict(problem).values())
            if known[values] > 0:
                known[values] -= 1
            else:
                further.append(problem)
    return further
