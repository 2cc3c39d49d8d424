"""What to repeat: shots and series that did not pass, grouped by why."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from stopflow.report.summary import reason_family

_NAMED = 12


def list_repeats(shots: pd.DataFrame) -> pd.DataFrame:
    """Return the shots to repeat or look at, failures first, in file order."""
    wanted = shots[shots["verdict"] != "PASS"].copy()
    wanted["_order"] = [0 if verdict == "FAIL" else 1 for verdict in wanted["verdict"]]
    return wanted.sort_values("_order", kind="stable").drop(columns="_order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """Shots of one experiment with the same verdict for the same reasons."""

    verdict: str
    experiment: str
    reason: str
    files: tuple[str, ...]


def group_repeats(wanted: pd.DataFrame) -> list[Repeats]:
    """Group shots that differ in numbers alone, in the order of the list."""
    groups: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row in wanted.itertuples(index=False):
        reason = str(row.reason or "no reason given")
        key = (str(row.verdict), str(row.experiment), reason_family(reason))
        groups.setdefault(key, []).append((reason, str(row.file)))
    return [
        Repeats(
            verdict=verdict,
            experiment=experiment,
            reason=found[0][0],
            files=tuple(file for _, file in found),
        )
        for (verdict, experiment, _), found in groups.items()
    ]


def name_files(files: Sequence[str]) -> str:
    """List file names, the first dozen of many."""
    named = ", ".join(files[:_NAMED])
    more = len(files) - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def list_doubtful(conditions: pd.DataFrame) -> pd.DataFrame:
    """Return the series of replicates that did not pass for a reason of their own."""
    named = conditions[(conditions["verdict"] != "PASS") & (conditions["reason"] != "")]
    return named[named["fitted"] > 0]
