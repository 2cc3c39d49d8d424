"""What to repeat: shots and series that did not pass, grouped by why."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from stopflow.errors import and_more
from stopflow.report.kinetics.conditions import label_conditions
from stopflow.report.kinetics.summary import reason_family, split_reasons

_NAMED = 12
_OF_SHOTS = re.compile(r"\d+ of \d+ shots with ")
"""How a series' reason begins that repeats what is said of its shots."""


def list_repeats(shots: pd.DataFrame) -> pd.DataFrame:
    """Return the shots to repeat or look at, failures first, in file order."""
    wanted = shots[shots["verdict"] != "PASS"].copy()
    wanted["_order"] = [0 if verdict == "FAIL" else 1 for verdict in wanted["verdict"]]
    return wanted.sort_values("_order", kind="stable").drop(columns="_order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """Shots or series of one experiment with the same verdict for the same reasons.

    Attributes
    ----------
    names
        Files of shots, or what tells the series from the others of its experiment.
    """

    verdict: str
    experiment: str
    reason: str
    names: tuple[str, ...]


def group_repeats(wanted: pd.DataFrame) -> list[Repeats]:
    """Group shots that differ in numbers alone, in the order of the list."""
    return _group(wanted, [str(name) for name in wanted["file"]])


def group_series(doubtful: pd.DataFrame, conditions: pd.DataFrame) -> list[Repeats]:
    """Group the rows of `list_doubtful` likewise, named by what varies in their experiment."""
    labels: dict[object, str] = {}
    for _, part in conditions.groupby("experiment", sort=False):
        labels |= dict(zip(part.index, label_conditions(part), strict=True))
    return _group(doubtful, [labels[row] for row in doubtful.index])


def _group(rows: pd.DataFrame, names: Sequence[str]) -> list[Repeats]:
    groups: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row, name in zip(rows.itertuples(index=False), names, strict=True):
        reason = "; ".join(split_reasons(row.reason)) or "no reason given"
        key = (str(row.verdict), str(row.experiment), reason_family(reason))
        groups.setdefault(key, []).append((reason, name))
    return [
        Repeats(
            verdict=verdict,
            experiment=experiment,
            reason=found[0][0],
            names=tuple(name for _, name in found),
        )
        for (verdict, experiment, _), found in groups.items()
    ]


def name_files(files: Sequence[str]) -> str:
    """List file names, the first dozen of many."""
    named = ", ".join(files[:_NAMED])
    return named + and_more(len(files) - _NAMED)


def list_doubtful(conditions: pd.DataFrame) -> pd.DataFrame:
    """Return the series of replicates that did not pass for a reason of their own.

    Their `reason` is that reason; what repeats the reasons of single shots is left out, and so
    are series without a rate, whose shots all speak for themselves.
    """
    own = [
        "; ".join(part for part in split_reasons(reason) if not _OF_SHOTS.match(part))
        for reason in conditions["reason"]
    ]
    named = conditions.assign(reason=own)
    return named[(named["verdict"] != "PASS") & (named["reason"] != "") & (named["fitted"] > 0)]


def name_reasons(doubtful: pd.DataFrame) -> list[tuple[str, int]]:
    """Count the reasons of series, the commonest first; those of one kind together."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for reason in (part for text in doubtful["reason"] for part in split_reasons(text)):
        family = reason_family(reason)
        first.setdefault(family, reason)
        counts[family] += 1
    return [(first[family], count) for family, count in counts.most_common()]
