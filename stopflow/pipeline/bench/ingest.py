"""The speed of a whole ingest against the plain script, in turns on one simulated lab.

Every measurement has a process of its own, so that its peak of memory is its own, and its
imports, but for those of the reports, are done before the clock starts. The ingest with reports
runs as the command does, where the process beside loads while others read and fit. Processor time
includes that of the processes that it starts. The ratios are medians over rounds, each of which
runs every case once.
"""

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.io.truth import read_truth
from stopflow.kinetics.analysis import analyse_experiment
from stopflow.kinetics.plain_script import fit_lab
from stopflow.memory import peak_bytes
from stopflow.pipeline.lab.ingest import Execution, IngestSettings, ingest
from stopflow.pipeline.progress import Progress, silent
from stopflow.pipeline.reports import write_reports
from stopflow.pipeline.run import process_lab
from stopflow.report.beside import working_beside
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import write_lab
from stopflow.store import Dataset, load_dataset
from stopflow.trace import FloatArray
from stopflow.workers import one_blas_thread, worker_processes

PEER, INGEST, REPORT = "plain script", "ingest without reports", "reports"
WITH_REPORT, ALONE = "ingest with reports", "ingest on one core"
AGAIN = "again, one folder changed"
READING, ANALYSIS = "phase: read", "phase: read and fit"
MEGABYTE = 1e6
DATASET = "dataset"
Rates = Mapping[tuple[str, str], float]
"""k in 1/s by (experiment, file)."""
Work = Callable[[Path, Path, int], Rates]
"""What is measured; takes the lab, the place of the dataset, and the number of processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a case took: processor and wall time in s, peak of memory in bytes; and its errors.

    `log_errors` holds ``|ln(k / k_true)|`` of the shots that have a rate; empty where a case
    gives none.
    """

    cpu_s: float
    wall_s: float
    peak_bytes: float
    log_errors: FloatArray


def bench_ingest(
    spec: LabSpec, *, workers: int, rounds: int, progress: Progress = silent
) -> list[dict[str, Any]]:
    """Measure the plain script, the ingest without and with its reports, and the phases.

    Parameters
    ----------
    spec
        The lab that is simulated and ingested.
    workers
        Processes of the ingest; 0: one a core.

    Returns
    -------
    list of dict
        A row a case: traces, megabytes of trace files, seconds of processor and wall, traces and
        megabytes a wall second, ratios of both times to the plain script's, the peak of memory of
        its largest process, and the median of ``|ln(k / k_true)|`` of its rates. Phases are parts
        of the ingest, on one core. "Again" is a second ingest with its reports, after one number
        of one trace has changed. "Reports" are those of a dataset that is there.
    """
    with TemporaryDirectory(prefix="stopflow-bench-") as made:
        lab, out = Path(made, "lab"), Path(made, "results")
        write_lab(lab, spec=spec, seed=0)
        costs: dict[str, list[Cost]] = {case: [] for case in CASES}
        for number in range(rounds):
            for place, (case, work) in enumerate(CASES.items()):
                costs[case].append(_measured(work, lab, out, workers))
                progress("measuring", number * len(CASES) + place + 1, rounds * len(CASES))
        traces = [path.stat().st_size for path in lab.glob("*/*.bka")]
        return [
            _row(
                case, costs[case], costs[PEER], traces=len(traces), megabytes=sum(traces) / MEGABYTE
            )
            for case in CASES
        ]


def _measured(work: Work, lab: Path, out: Path, workers: int) -> Cost:
    with one_blas_thread(), worker_processes(1) as pool:
        return pool.submit(timed, work, lab, out, workers).result()


def timed(work: Work, lab: Path, out: Path, workers: int) -> Cost:
    """Measure a case in this process, with all processes that it has started."""
    cpu_s, begun_s = _cpu_s(), perf_counter()
    found = work(lab, out, workers)
    wall_s = perf_counter() - begun_s
    for process in multiprocessing.active_children():  # one that was dismissed may still work
        process.join()
    return Cost(
        cpu_s=_cpu_s() - cpu_s,
        wall_s=wall_s,
        peak_bytes=max(peak_bytes(), _largest_child()),
        log_errors=_log_errors(found, lab),
    )


def _cpu_s() -> float:
    """Processor time of this process and of those that it has waited for."""
    return process_time() + sum(os.times()[2:4])


def _largest_child() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return 1024.0 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def _log_errors(found: Rates, lab: Path) -> FloatArray:
    truth, _ = read_truth(lab)
    ratios = np.array([found[shot] / k for shot, k in truth.items() if shot in found])
    return np.abs(np.log(ratios[np.isfinite(ratios) & (ratios > 0)]))


def _run_peer(lab: Path, _out: Path, _workers: int) -> Rates:
    return fit_lab(lab)


def _run_ingest(lab: Path, out: Path, workers: int) -> Rates:
    settings, every_folder = IngestSettings(workers=workers), Execution(fresh=True)
    return _rates(ingest(lab, out=out / DATASET, settings=settings, execution=every_folder))


def _rates(dataset: Dataset) -> Rates:
    shots = dataset.shots
    names = zip(shots["experiment"], shots["file"], strict=True)
    return dict(zip(names, shots["k_per_s"].astype(float), strict=True))


def _run_alone(lab: Path, out: Path, _workers: int) -> Rates:
    return _run_ingest(lab, out, 1)


def _run_reports(_lab: Path, out: Path, _workers: int) -> Rates:
    with TemporaryDirectory(prefix="stopflow-bench-") as reports, working_beside() as beside:
        write_reports(load_dataset(out / DATASET), Path(reports), beside=beside)
    return {}


def _run_whole(lab: Path, out: Path, workers: int) -> Rates:
    _process(lab, out, workers, fresh=True)
    return _rates(load_dataset(out / DATASET))


def _process(lab: Path, out: Path, workers: int, *, fresh: bool) -> None:
    process_lab(
        lab,
        out=out / DATASET,
        reports=out / "reports",
        settings=IngestSettings(workers=workers),
        execution=Execution(fresh=fresh),
    )


def _run_again(lab: Path, out: Path, workers: int) -> Rates:
    """Ingest and report once more after one number of one trace was changed."""
    path = sorted(lab.glob("*/*.bka"))[0]
    content = path.read_bytes()
    path.write_bytes(_with_another_number(content))
    try:
        _process(lab, out, workers, fresh=False)
    finally:
        path.write_bytes(content)
    return {}


def _with_another_number(content: bytes) -> bytes:
    """Change the last digit of a trace file."""
    changed = bytearray(content)
    place = max(at for at in range(len(changed) - 40, len(changed)) if chr(changed[at]).isdigit())
    changed[place] = ord(str((int(chr(changed[place])) + 1) % 10))
    return bytes(changed)


def _run_reading(lab: Path, _out: Path, _workers: int) -> Rates:
    for folder in find_experiments(lab):
        read_experiment(folder)
    return {}


def _run_analysis(lab: Path, _out: Path, _workers: int) -> Rates:
    for folder in find_experiments(lab):
        analyse_experiment(read_experiment(folder))
    return {}


CASES: dict[str, Work] = {
    PEER: _run_peer,
    INGEST: _run_ingest,
    WITH_REPORT: _run_whole,
    AGAIN: _run_again,
    ALONE: _run_alone,
    READING: _run_reading,
    ANALYSIS: _run_analysis,
    REPORT: _run_reports,
}


def _row(
    case: str, measured: Sequence[Cost], peer: Sequence[Cost], *, traces: int, megabytes: float
) -> dict[str, Any]:
    cpu_s = median(cost.cpu_s for cost in measured)
    wall_s = median(cost.wall_s for cost in measured)
    pairs = list(zip(measured, peer, strict=True))
    errors = measured[0].log_errors
    return {
        "case": case,
        "traces": traces,
        "megabytes": megabytes,
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "cpu_ms_per_trace": 1e3 * cpu_s / traces,
        "traces_per_s": traces / wall_s,
        "megabytes_per_s": megabytes / wall_s,
        "cpu_ratio": median(one.cpu_s / other.cpu_s for one, other in pairs),
        "wall_ratio": median(one.wall_s / other.wall_s for one, other in pairs),
        "peak_mb": max(cost.peak_bytes for cost in measured) / MEGABYTE,
        "rates": len(errors),
        "median_log_error": float(np.median(errors)) if len(errors) else None,
    }
