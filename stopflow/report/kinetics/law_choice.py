"""The choice of the rate law as a result: how clear it is, and what k would be under the next law.

Every shot carries the best of the other rate laws tried on it. An experiment is told by the medians
over its shots, so that one odd shot does not speak for the others.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.errors import SettingsError
from stopflow.kinetics.laws import RateLaw, error_columns, find_law, parameter_column
from stopflow.kinetics.verdicts.law_comparison import NOT_RULED_OUT, rate_beside
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.rounding import MISSING, format_digits
from stopflow.report.paper.style import shorten_middle
from stopflow.wording import count_things

_NAMED = 3
_NAME_LENGTH = 40
_FAILED = "wrong-law"
_STILL = 0.1
"""Shift in standard errors below which a rate is called the same."""
Row = Mapping[str, Any]
"""A shot by the names of its columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawChoice:
    """The rate law of one experiment beside the next best one.

    Attributes
    ----------
    law, rival
        The law fitted and the law that most of the shots have as their next best.
    shots, fitted
        Shots that have this rival, and all with a rate under `law`.
    gain
        By how much AICc of the rival is lower, median over `shots`.
    shift, shift_sigma
        Change of k to that under the rival, relative and in standard errors, medians over `shots`;
        NaN where the laws have no rate in common.
    """

    experiment: str
    law: RateLaw
    rival: RateLaw
    shots: int
    fitted: int
    gain: float
    shift: float
    shift_sigma: float


def list_law_choices(shots: pd.DataFrame) -> list[LawChoice]:
    """List the choice for every experiment and law in it; those in doubt come first.

    Experiments without another law tried are left out.
    """
    if col.RIVAL_LAW not in shots:
        return []
    needed = {name: None for law in shots[col.LAW].unique() for name in _columns_of(str(law))}
    columns = [name for name in needed if name in shots]
    compared = shots.loc[np.isfinite(shots[col.K_PER_S]), columns]
    groups: dict[tuple[str, str], list[Row]] = {}
    for values in zip(*(compared[name].tolist() for name in columns), strict=True):
        row = dict(zip(columns, values, strict=True))
        groups.setdefault((str(row[col.EXPERIMENT]), str(row[col.LAW])), []).append(row)
    choices = [_choose(experiment, law, rows) for (experiment, law), rows in groups.items()]
    found = [choice for choice in choices if choice is not None]
    return sorted(found, key=lambda choice: -choice.gain)


def _choose(experiment: str, law: str, rows: Sequence[Row]) -> LawChoice | None:
    rivals = Counter(str(row[col.RIVAL_LAW]) for row in rows if row[col.RIVAL_LAW])
    if not rivals:
        return None
    rival, _ = rivals.most_common(1)[0]
    try:
        fitted, other = find_law(law), find_law(rival)
    except SettingsError:
        return None
    own = [row for row in rows if row[col.RIVAL_LAW] == rival]
    shifts = np.array([_shift(row, fitted) for row in own])
    known = shifts[np.isfinite(shifts).all(axis=1)]
    relative, sigma = np.median(known, axis=0) if len(known) else (np.nan, np.nan)
    return LawChoice(
        experiment=experiment,
        law=fitted,
        rival=other,
        shots=len(own),
        fitted=len(rows),
        gain=float(np.median([row[col.RIVAL_GAIN] for row in own])),
        shift=float(relative),
        shift_sigma=float(sigma),
    )


def _columns_of(name: str) -> Iterator[str]:
    """Yield the columns that the choice of a law is told from."""
    yield from (col.EXPERIMENT, col.LAW, col.WINDOW_S)
    yield from (col.RIVAL_LAW, col.RIVAL_GAIN, col.RIVAL_K_PER_S)
    try:
        parameters = find_law(name).parameters
    except SettingsError:
        return
    for parameter in parameters:
        yield parameter_column(parameter)
        yield error_columns(parameter_column(parameter))[0]


def _shift(row: Row, law: RateLaw) -> tuple[float, float]:
    """Change of a shot's rate to that under the rival: relative, and in standard errors."""
    k = float(row[col.RIVAL_K_PER_S])
    parameters = {name: float(row.get(parameter_column(name), np.nan)) for name in law.parameters}
    name = rate_beside(k, law, parameters, window_s=float(row[col.WINDOW_S]))
    rate = parameters.get(name, np.nan)
    error = float(row.get(error_columns(parameter_column(name))[0], np.nan))
    if not (rate != 0 and error > 0):
        return np.nan, np.nan
    return (k - rate) / abs(rate), (k - rate) / error


def say_law_choice(choice: LawChoice) -> str:
    """Say in a sentence which law was fitted, how clearly, and what k would be under the next."""
    named = shorten_middle(choice.experiment, _NAME_LENGTH)
    head = f"{named}: {choice.law.title or choice.law.key} was fitted"
    rival = choice.rival.title or choice.rival.key
    amount = format_digits(abs(choice.gain), 3)
    of = f" in {choice.shots} of {count_things(choice.fitted, 'shot')}"
    if abs(choice.gain) < NOT_RULED_OUT:
        told = f"the data do not decide between it and {rival} (AICc differs by {amount}{of})"
    elif not np.isfinite(choice.gain):
        told = f"{rival} describes the traces, and the law fitted does not{of}"
    else:
        better = "better" if choice.gain > 0 else "worse"
        told = f"{rival} is clearly {better} (AICc {_way(choice.gain)} by {amount}{of})"
    return f"{head}; {told}; {_say_shift(choice)}."


def _way(gain: float) -> str:
    return "lower" if gain > 0 else "higher"


def _say_shift(choice: LawChoice) -> str:
    if not np.isfinite(choice.shift):
        return "the two laws have no rate in common"
    if abs(choice.shift_sigma) < _STILL:
        return "k would be the same to a tenth of its standard error"
    way = "higher" if choice.shift > 0 else "lower"
    percent = format_digits(100 * abs(choice.shift), 2)
    sigma = format_digits(abs(choice.shift_sigma), 2)
    return f"k would be {percent} % {way} under it ({sigma} standard errors)"


def say_law_choices(shots: pd.DataFrame) -> str:
    """Say the choice for each of a few experiments, else for those most in doubt; "" for none."""
    choices = list_law_choices(shots)
    said = [say_law_choice(choice) for choice in choices[:_NAMED]]
    if len(choices) > _NAMED:
        said.append(f"All {len(choices)} are listed in kinetics.pdf, under Choice of the rate law.")
    return " ".join(said)


def is_listed(choices: list[LawChoice]) -> bool:
    """Whether there are more choices than the answers of the first page name."""
    return len(choices) > _NAMED


def law_choice_grid(choices: list[LawChoice]) -> TableGrid:
    """Set the choices as a table, a row an experiment."""
    rows = tuple(
        (
            choice.experiment,
            choice.law.key,
            choice.rival.key,
            _signed(-choice.gain, 3) if np.isfinite(choice.gain) else MISSING,
            f"{choice.shots} of {choice.fitted}",
            f"{_signed(100 * choice.shift, 2)} %" if np.isfinite(choice.shift) else MISSING,
            format_digits(abs(choice.shift_sigma), 2),
            "open" if abs(choice.gain) < NOT_RULED_OUT else "clear",
        )
        for choice in choices
    )
    columns = (
        GridColumn(title="Experiment"),
        GridColumn(title="Fitted"),
        GridColumn(title="Next best"),
        GridColumn(title="AICc", unit="next − fitted", align="right"),
        GridColumn(title="Shots", align="right"),
        GridColumn(title="Shift of k", align="right"),
        GridColumn(title="Shift of k", unit="SE", align="right"),
        GridColumn(title="Choice"),
    )
    return TableGrid(columns=columns, rows=rows, size=6.8, name="Choice of the rate law")


def _signed(value: float, digits: int) -> str:
    text = format_digits(value, digits)
    return f"+{text}" if value > 0 else text


def say_remedies(shots: pd.DataFrame) -> str:
    """Say what to do about the shots that fail for their rate law; "" where none does.

    Shots whose rivals ask for the same are counted together.
    """
    if "rules" not in shots or col.RIVAL_LAW not in shots:
        return ""
    failed = shots[[_FAILED in str(rules).split("; ") for rules in shots[col.RULES]]]
    remedies = Counter(find_law(str(law)).remedy for law in failed[col.RIVAL_LAW] if law)
    return "; ".join(
        f"{count_things(count, 'shot')} {_need(count)} another rate law ({remedy})"
        for remedy, count in remedies.most_common()
        if remedy
    )


def _need(count: int) -> str:
    return "needs" if count == 1 else "need"
