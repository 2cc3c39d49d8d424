"""The functions behind ``import stopflow``: read, fit, analyse, plot and predict in a notebook.

They call the pipeline and write nothing into the folders of the data.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from stopflow.errors import SettingsError
from stopflow.io.folder import read_experiment
from stopflow.kinetics.analysis import AnalysisSettings
from stopflow.pipeline.find import find_model, require_file
from stopflow.pipeline.lab.ingest import ingest_settings
from stopflow.pipeline.notebook import (
    TraceLike,
    TracePredictor,
    analyse_in_memory,
    fit_traces,
    rates_table,
)
from stopflow.pipeline.one_file.fitted import FittedTrace, drawn_data
from stopflow.pipeline.one_file.single import Wanted, read_signal
from stopflow.store import Dataset
from stopflow.trace import Experiment, Trace

__all__ = ["analyse", "fit", "fit_many", "load_model", "plot", "read"]


def read(
    path: str | Path,
    *,
    channel: int | None = None,
    wavelength_nm: float | None = None,
    time_unit: str | None = None,
) -> Trace | Experiment:
    """Read a file of one shot, or a folder of an experiment with its workbooks.

    Parameters
    ----------
    channel
        Signal column, 1 for the first. None: the first, of a diode array the one that changes most.
    wavelength_nm
        Takes the signal at this wavelength instead.
    time_unit
        Unit of the time column where the file does not say it; None: milliseconds.

    Returns
    -------
    Trace or Experiment
        Times in seconds and signals of a file; shots and problems of a folder.

    Raises
    ------
    FormatError
        The file is not as its format is; names the line.
    SettingsError
        There is no such file or folder.
    """
    place = Path(path)
    if place.is_dir():
        return read_experiment(
            place, channel=channel, wavelength_nm=wavelength_nm, time_unit=time_unit
        )
    wanted = Wanted(channel=channel, wavelength=wavelength_nm, time_unit=time_unit)
    recorded, number, _ = read_signal(require_file(place), wanted)
    return recorded.trace(number)


def fit(
    trace: TraceLike | ArrayLike,
    signal: ArrayLike | None = None,
    *,
    law: str | None = None,
    start_s: float | None = None,
    fixed: Mapping[str, float] | None = None,
    robust: bool = False,
) -> FittedTrace:
    """Fit and judge one trace, as ``stopflow fit`` does.

    Parameters
    ----------
    trace, signal
        A file, a `Trace`, a `Shot` or a pair (time_s, signal); or two arrays: (N,) times in
        seconds and (N,) signals.
    law
        Rate law; None: ``"single-slope"``.
    start_s
        Where the reaction starts; None: detected, since the first points after mixing often belong
        to the mixing artefact.
    fixed
        Fixed parameters by name, e.g. ``{"slope_per_s": 0.0}``.
    robust
        Whether a loss is used that spikes and bubbles do not rule.

    Returns
    -------
    FittedTrace
        With the rate constant, its error and 95 % interval, the verdict and its reason. A trace
        that cannot be fitted has NaN and says why.

    Raises
    ------
    SettingsError
        Unknown rate law or parameter.
    TraceError
        What is given stands for no trace.
    """
    given: Any = trace if signal is None else (trace, signal)
    settings = _settings(law=law, fixed=fixed, robust=robust)
    return fit_traces([given], settings, law=law, start_s=start_s)[0]


def fit_many(
    traces: Sequence[TraceLike] | ArrayLike,
    signals: ArrayLike | None = None,
    *,
    law: str | None = None,
    start_s: float | None = None,
    fixed: Mapping[str, float] | None = None,
    robust: bool = False,
) -> pd.DataFrame:
    """Fit many traces, each by itself, exactly as `fit` does.

    Parameters
    ----------
    traces, signals
        A list of whatever `fit` takes; or (N,) common times and (B, N) signals.

    Returns
    -------
    pandas.DataFrame
        One row a trace, with the columns of rates.csv.

    Raises
    ------
    SettingsError, TraceError
        As `fit`.
    """
    listed: Sequence[Any] = traces if signals is None else [(traces, one) for one in signals]  # type: ignore[assignment,union-attr]
    settings = _settings(law=law, fixed=fixed, robust=robust)
    return rates_table(fit_traces(listed, settings, law=law, start_s=start_s))


def analyse(
    folder: str | Path,
    *,
    law: str | None = None,
    config: str | Path | None = None,
    workers: int = 1,
    **options: Any,
) -> Dataset:
    """Read, fit and judge every experiment below a folder, as ``stopflow ingest`` does, in memory.

    Parameters
    ----------
    law
        Rate law of all shots; ``"auto"`` chooses one for each experiment.
    config
        A TOML file of settings.
    workers
        Processes that read and fit; 0: one a core. A script that uses more than one needs the
        usual ``if __name__ == "__main__":`` around it.
    options
        Further fields of `stopflow.pipeline.lab.ingest.IngestSettings` and of the analysis.

    Returns
    -------
    Dataset
        pandas tables ``shots``, ``conditions``, ``secondary``, ``cuts``, ``problems`` and
        ``inputs``, and the traces by row number of ``shots``.

    Raises
    ------
    StopflowError
        There is nothing to read. What is wrong with single files is in ``problems`` and in the
        verdicts.
    """
    file = None if config is None else Path(config)
    settings = ingest_settings(file, law=law, workers=workers, **options)
    return analyse_in_memory(Path(folder), settings)


def plot(data: Dataset | FittedTrace | TraceLike, row: int = 0) -> Any:
    """Draw a shot: trace, fit, residuals, and k against the start of the fit.

    Parameters
    ----------
    data
        What `fit` or `analyse` returned; a trace in any other form is fitted first.
    row
        Row number in ``data.shots`` of what `analyse` returned.

    Returns
    -------
    matplotlib.figure.Figure
        Not saved; a notebook shows it.

    Raises
    ------
    SettingsError
        There is no such row.
    """
    from stopflow.pipeline.reports import kinetics_data
    from stopflow.report.kinetics.view import plot_shot

    if not isinstance(data, Dataset):
        return plot_shot(drawn_data(data if isinstance(data, FittedTrace) else fit(data)))
    if not 0 <= row < len(data.shots):
        raise SettingsError("row", row, valid=f"0 to {len(data.shots) - 1}")
    return plot_shot(kinetics_data(data), row)


def load_model(model: str | Path | None = None) -> TracePredictor:
    """Load a trained network; its ``predict`` takes traces and what `analyse` returned.

    Parameters
    ----------
    model
        A model's folder, or the name of one in ``models/`` or of a shipped one; None: ``"shape"``.

    Raises
    ------
    SettingsError
        There is none of that name; lists those there are.
    ModelError
        Its files are damaged.
    """
    from stopflow.learn import saved

    place = find_model(None if model is None else str(model), Path("models"))
    return TracePredictor(name=place.name, model=saved.load_model(place))


def _settings(
    *, law: str | None, fixed: Mapping[str, float] | None, robust: bool
) -> AnalysisSettings:
    own = AnalysisSettings()
    return AnalysisSettings(law=own.law if law is None else law, fixed=fixed or {}, robust=robust)
